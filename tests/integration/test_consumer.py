"""Commits on a real broker: one that fails is made again, on an idle partition as well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, UnknownError

from agents import consumer as consuming
from agents.consumer import LogConsumer
from runtime.clock import random_token
from tests.support.eventually import eventually
from tests.support.stack import Stack
from topics.admin import admin_client
from topics.catalogue import PAYMENTS_DLQ, SMALL_PARTITIONS
from topics.producer import LogProducer, Record

PARTITION = TopicPartition(PAYMENTS_DLQ, 0)


class Group:
    """A consumer group of its own, and what the broker has of it."""

    def __init__(self, services: Stack) -> None:
        self.name = f"test_{random_token()[:12]}"
        self.services = services
        self.consumer = LogConsumer(services.settings, PAYMENTS_DLQ, group=self.name, member=self.name)

    async def take_until(self, end: int) -> None:
        """Read the partition up to an offset; everything is done at once."""
        reached = 0
        while reached < end:
            for partition, messages in (await self.consumer.take(wait_ms=250)).items():
                for message in messages:
                    self.consumer.offsets.done(self.consumer.offsets.begin(partition, message.offset))
                    if partition == PARTITION:
                        reached = message.offset + 1

    async def stored(self) -> dict[TopicPartition, int]:
        """The group's offsets on the broker."""
        async with admin_client(self.services.settings) as client:
            found = await client.list_consumer_group_offsets(self.name)
        return {partition: place.offset for partition, place in found.items()}


@pytest.fixture
async def group(services: Stack) -> AsyncIterator[Group]:
    made = Group(services)
    await made.consumer.start()
    yield made
    await made.consumer.stop()


async def publish(services: Stack, count: int) -> None:
    """So many records on each partition."""
    producer = LogProducer(services.settings)
    await producer.start()
    records = [Record(PAYMENTS_DLQ, number, b"key", b"value") for number in range(SMALL_PARTITIONS)] * count
    await producer.publish(records, timeout=20)
    await producer.stop()


async def end_of(group: Group) -> int:
    return int((await group.consumer.raw.end_offsets([PARTITION]))[PARTITION])


@pytest.mark.parametrize("error", [CommitFailedError(), UnknownError(), TimeoutError()])
async def test_a_commit_that_failed_is_made_again_although_nothing_new_arrives(
    services: Stack, group: Group, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    # Given records that are done, and a broker that does not take the commit,
    await publish(services, 3)
    end = await end_of(group)
    await group.take_until(end)
    commit, failed = group.consumer.raw.commit, []

    async def failing_once(offsets: Mapping[TopicPartition, int]) -> Any:
        if not failed:
            failed.append(offsets)
            raise error
        return await commit(offsets)

    monkeypatch.setattr(group.consumer.raw, "commit", failing_once)
    monkeypatch.setattr(consuming, "COMMIT_EVERY_SECONDS", 0.0)
    await group.consumer.commit_if_due()
    assert failed
    assert await group.stored() == {}
    # when the loop turns once more without a record,
    await group.consumer.commit_if_due()
    # then the partition's last offset is on the broker.
    assert (await group.stored())[PARTITION] == end


async def test_work_from_before_a_rebalance_commits_nothing(services: Stack, group: Group) -> None:
    # Given a record under way on each partition, and a second member that takes some of them over,
    await publish(services, 1)
    marks = [group.consumer.offsets.begin(place, offset) for place, offset in (await _first_of_each(group)).items()]
    other = LogConsumer(services.settings, PAYMENTS_DLQ, group=group.name, member=f"{group.name}-2")
    await other.start()
    await eventually(lambda: _turned(group), timeout=30, what="the group to be rebalanced")
    # when the work ends after the rebalance,
    for mark in marks:
        group.consumer.offsets.done(mark)
    await group.consumer.commit()
    # then it commits nothing, not on partitions that stayed either: they are read again from what was committed.
    assert await group.stored() == {}
    await other.stop()


async def _first_of_each(group: Group) -> dict[TopicPartition, int]:
    found: dict[TopicPartition, int] = {}
    while len(found) < SMALL_PARTITIONS:
        for partition, messages in (await group.consumer.take(wait_ms=250)).items():
            found.setdefault(partition, messages[0].offset)
    return found


async def _turned(group: Group) -> bool:
    await group.consumer.take(wait_ms=50)
    return 0 < len(group.consumer.raw.assignment()) < SMALL_PARTITIONS
