"""What the product relies on of its log, as scenarios. Each is run against Kafka and against the simulation; where they
differ, Kafka is right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiokafka import TopicPartition

from agents.consumer import LogConsumer
from agents.kafka import Kafka
from topics.producer import Record

TURNS_MAX = 200


class Side(Protocol):
    """A log that the scenarios run on, with a topic of two partitions that nobody else uses."""

    kafka: Kafka
    topic: str


def _records(side: Side, partition: int, count: int) -> list[Record]:
    return [
        Record(
            side.topic, partition, f"key {number}".encode(), f"{partition}/{number}".encode(), [("n", b"%d" % number)]
        )
        for number in range(count)
    ]


async def _publish(side: Side, *records: Record) -> None:
    producer = side.kafka.producer()
    await producer.start()
    await producer.publish(records, timeout=30)
    await producer.stop()


async def _member(side: Side, name: str, group: str = "group") -> LogConsumer:
    consumer = side.kafka.consumer(side.topic, group=f"{side.topic}-{group}", member=f"{side.topic}-{name}")
    await consumer.start()
    return consumer


async def _read(consumer: LogConsumer, count: int, *, done: int = 0) -> list[Any]:
    """So many records, in the order they came; the first few are marked as done."""
    found: list[Any] = []
    for _ in range(TURNS_MAX):
        for place, messages in (await consumer.take(wait_ms=200, records_max=count - len(found))).items():
            for message in messages:
                mark = consumer.offsets.begin(place, message.offset)
                if len(found) < done:
                    consumer.offsets.done(mark)
                found.append(message)
        if len(found) >= count:
            return found
    raise AssertionError(f"{len(found)} of {count} records came")


async def records_of_a_partition_are_read_in_the_order_they_were_published(side: Side) -> None:
    sent = [*_records(side, 0, 40), *_records(side, 1, 25)]
    await _publish(side, *sent)
    consumer = await _member(side, "a")
    found = await _read(consumer, 65)
    for partition in (0, 1):
        of_it = [one for one in found if one.partition == partition]
        assert [one.offset for one in of_it] == list(range(len(of_it)))
        assert [(one.key, one.value, list(one.headers)) for one in of_it] == [
            (one.key, one.value, list(one.headers)) for one in sent if one.partition == partition
        ]
    await consumer.stop()


async def a_single_record_is_acked_and_read(side: Side) -> None:
    producer, consumer = side.kafka.producer(), await _member(side, "a")
    await producer.start()
    await producer.send(_records(side, 1, 1)[0], timeout=5)
    (message,) = await _read(consumer, 1)
    assert (message.partition, message.offset, message.value) == (1, 0, b"1/0")
    await producer.stop()
    await consumer.stop()


async def null_values_and_headers_arrive_as_they_were_written(side: Side) -> None:
    strange = Record(side.topic, 0, b"\xff", None, [("n", None), ("n", b"\xfe")])
    await _publish(side, strange, *_records(side, 0, 1))
    consumer = await _member(side, "a")
    first, second = await _read(consumer, 2)
    assert (first.key, first.value, list(first.headers)) == (b"\xff", None, [("n", None), ("n", b"\xfe")])
    assert second.value == b"0/0"
    await consumer.stop()


async def what_was_committed_is_not_read_again_and_the_rest_is(side: Side) -> None:
    await _publish(side, *_records(side, 0, 10))
    first = await _member(side, "a")
    await _read(first, 10, done=4)
    await first.commit()
    await first.stop()
    again = await _member(side, "a")
    assert [one.offset for one in await _read(again, 6)] == list(range(4, 10))
    await again.stop()


async def a_group_of_its_own_reads_from_the_beginning(side: Side) -> None:
    await _publish(side, *_records(side, 0, 5))
    first, other = await _member(side, "a"), await _member(side, "b", group="other")
    await _read(first, 5, done=5)
    await first.commit()
    assert [one.offset for one in await _read(other, 5)] == list(range(5))
    await first.stop()
    await other.stop()


async def every_partition_has_one_owner_among_the_members(side: Side) -> None:
    first, second = await _member(side, "a"), await _member(side, "b")
    places = {TopicPartition(side.topic, number) for number in (0, 1)}
    for _ in range(TURNS_MAX):
        await asyncio.gather(first.take(wait_ms=100), second.take(wait_ms=100))
        if len(first.raw.assignment()) == len(second.raw.assignment()) == 1:
            break
    assert first.raw.assignment() | second.raw.assignment() == places
    assert not first.raw.assignment() & second.raw.assignment()
    # When the second stops, then its partition is the first's once its session is over: a static member does not leave.
    await second.stop()
    for _ in range(TURNS_MAX):
        await first.take(wait_ms=200)
        if first.raw.assignment() == places:
            break
    assert first.raw.assignment() == places
    await first.stop()


async def the_ends_of_a_partition_are_known(side: Side) -> None:
    await _publish(side, *_records(side, 0, 7))
    consumer, place = await _member(side, "a"), TopicPartition(side.topic, 0)
    assert (await consumer.raw.beginning_offsets([place])) == {place: 0}
    assert (await consumer.raw.end_offsets([place])) == {place: 7}
    await _read(consumer, 7)
    consumer.raw.seek(place, 5)
    assert [one.offset for one in await _read(consumer, 2)] == [5, 6]
    await consumer.stop()


Scenario = Callable[[Side], Awaitable[None]]
SCENARIOS: tuple[Scenario, ...] = (
    records_of_a_partition_are_read_in_the_order_they_were_published,
    a_single_record_is_acked_and_read,
    null_values_and_headers_arrive_as_they_were_written,
    what_was_committed_is_not_read_again_and_the_rest_is,
    a_group_of_its_own_reads_from_the_beginning,
    every_partition_has_one_owner_among_the_members,
    the_ends_of_a_partition_are_known,
)
