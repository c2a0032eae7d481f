"""Batches on a real broker that aiokafka alone cannot read: every reader passes them and reports what it did not
read."""

from __future__ import annotations

from typing import Any

from aiokafka import TopicPartition

from agents.consumer import LogConsumer
from runtime.clock import random_token
from tests.support.damaged import damage_on_disk, own_topic, producing, write_badly_named
from tests.support.eventually import eventually
from tests.support.stack import Stack
from topics.batches import HEADER
from topics.reader import Start, log_reader


async def by_role(services: Stack, topic: str, last: int) -> list[Any]:
    """What a role's consumer takes until it is past the offset `last`."""
    consumer = LogConsumer(services.settings, topic, group=f"test_{random_token()}", member="test")
    await consumer.start()
    seen: list[Any] = []

    async def is_past() -> bool:
        for messages in (await consumer.take(wait_ms=200)).values():
            seen.extend(messages)
        return bool(seen) and seen[-1].offset >= last

    try:
        await eventually(is_past, timeout=30, what="the record behind the batch")
    finally:
        await consumer.stop()
    return seen


async def by_inspection(services: Stack, topic: str) -> list[tuple[int, bytes]]:
    async with log_reader(services.settings) as reader:
        spans = await reader.spans([TopicPartition(topic, 0)], Start())
        return [(record.offset, record.value) async for record in reader.merged(spans)]


async def test_a_header_name_that_is_not_utf_8_stops_no_reader_and_loses_nothing(services: Stack) -> None:
    topic = await own_topic(services)
    async with producing(services.kafka_bootstrap_servers) as producer:
        await producer.send_and_wait(topic, b"before", partition=0)
        await write_badly_named(producer, topic, 0, b"one", b"two")
        await producer.send_and_wait(topic, b"after", partition=0)
    expected = [(0, b"before"), (1, b"one"), (2, b"two"), (3, b"after")]
    taken = await by_role(services, topic, last=3)
    assert [(message.offset, message.value) for message in taken] == expected
    assert taken[1].headers == (("q\\xff\\xfeq", b"x"), ("type", b"order.create"))
    assert await by_inspection(services, topic) == expected


async def test_a_batch_that_the_disk_has_damaged_is_passed_and_named(services: Stack) -> None:
    topic = await own_topic(services)
    async with producing(services.kafka_bootstrap_servers) as producer:
        await producer.send_and_wait(topic, b"before", partition=0)
        damaged = await producer.send_and_wait(topic, b"damaged", partition=0)
        await producer.send_and_wait(topic, b"after", partition=0)
    damage_on_disk(services, topic, damaged.offset)
    taken = await by_role(services, topic, last=2)
    assert [(message.offset, message.value[-5:]) for message in (taken[0], taken[2])] == [(0, b"efore"), (2, b"after")]
    ((name, why),) = taken[1].headers
    assert (name, taken[1].offset, b"damage" in taken[1].value) == (HEADER, 1, True)
    assert why.startswith(b"offsets 1 to 1: CorruptRecordException")
    assert [offset for offset, _ in await by_inspection(services, topic)] == [0, 1, 2]
