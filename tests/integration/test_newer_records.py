"""A record of a newer version on a real broker: its partition waits, and a newer reader begins with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic

from agents import newer
from agents.consumer import LogConsumer
from runtime.clock import random_token
from runtime.outdated import OUTDATED
from tests.support.eventually import eventually
from tests.support.stack import Stack
from topics.admin import admin_client
from topics.envelope import VERSION
from topics.producer import LogProducer, Record

OURS, NEXT = orjson.dumps({"v": VERSION}), orjson.dumps({"v": VERSION + 1})


@pytest.fixture
async def topic(services: Stack) -> AsyncIterator[str]:
    """With two partitions."""
    name = f"test.newer.{random_token()[:12]}"
    async with admin_client(services.settings) as client:
        await client.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])
        yield name
        await client.delete_topics([name])


async def publish(services: Stack, topic: str, *records: tuple[int, bytes]) -> None:
    """(partition, value) each."""
    producer = LogProducer(services.settings)
    await producer.start()
    await producer.publish([Record(topic, partition, b"key", value) for partition, value in records], timeout=20)
    await producer.stop()


class Reader:
    """A member of a group, and what it was given."""

    def __init__(self, services: Stack, topic: str, group: str) -> None:
        self.services, self.topic, self.group = services, topic, group
        self.consumer = LogConsumer(services.settings, topic, group=group, member=random_token()[:12])
        self.taken: dict[int, list[int]] = {0: [], 1: []}

    async def take(self, **expected: Any) -> bool:
        for partition, messages in (await self.consumer.take(wait_ms=250)).items():
            for message in messages:
                self.taken[partition.partition].append(message.offset)
                self.consumer.offsets.done(self.consumer.offsets.begin(partition, message.offset))
        return self.taken == expected["until"]

    async def take_until(self, *offsets: list[int]) -> None:
        expected = dict(enumerate(offsets))
        await eventually(lambda: self.take(until=expected), timeout=30, what=f"{expected} to be taken")

    async def committed(self) -> dict[int, int]:
        await self.consumer.commit()
        async with admin_client(self.services.settings) as client:
            found = await client.list_consumer_group_offsets(self.group)
        return {place.partition: at.offset for place, at in found.items()}


async def test_a_reader_waits_before_a_newer_record_and_a_newer_reader_begins_with_it(
    services: Stack, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a partition with a record that is newer than its reader, and one without,
    await publish(services, topic, (0, OURS), (0, OURS), (0, NEXT), (0, OURS), (1, OURS))
    reader = Reader(services, topic, group := f"test_{random_token()[:12]}")
    await reader.consumer.start()
    # when both are read, then what is before the newer record is taken,
    await reader.take_until([0, 1], [0])
    assert reader.consumer.facts()[OUTDATED] == (
        f"{topic}/0/2 has version {VERSION + 1}, newer than this version ({VERSION})"
    )
    # and while the other partition goes on, nothing more of the first, also not after a pause for another reason.
    reader.consumer.pause()
    reader.consumer.resume()
    assert reader.consumer.raw.paused() == {TopicPartition(topic, 0)}
    await publish(services, topic, (0, OURS), (1, OURS))
    await reader.take_until([0, 1], [0, 1])
    assert await reader.committed() == {0: 2, 1: 2}
    await reader.consumer.stop()
    # The same version stops there again; one that knows the record begins with it.
    again = Reader(services, topic, group)
    await again.consumer.start()
    await eventually(lambda: stands(again), timeout=30, what="the record to be met again")
    assert again.taken == {0: [], 1: []}
    await again.consumer.stop()
    monkeypatch.setattr(newer, "newer_version", lambda _value: None)
    upgraded = Reader(services, topic, group)
    await upgraded.consumer.start()
    await upgraded.take_until([2, 3, 4], [])
    assert upgraded.consumer.facts()[OUTDATED] == ""
    assert await upgraded.committed() == {0: 5, 1: 2}
    await upgraded.consumer.stop()


async def stands(reader: Reader) -> bool:
    await reader.take(until=None)
    return bool(reader.consumer.facts()[OUTDATED])
