"""Reads topics outside of consumer groups: from a position to the end, or continuously, merged by time.

    async with log_reader(settings) as reader:
        spans = await reader.spans(partitions, start)      [first, end) of each partition
        async for record in reader.merged(spans): …        oldest first; ends where the topics ended at the start
        async for record in reader.followed(spans): …      continues; at most HOLD_SECONDS late, to keep the order

Bounded: a partition whose buffer is full is paused until the others have caught up.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime.settings import Settings
from topics.batches import read_on
from topics.connection import client_options
from topics.records import LogRecord, instant_of

CONNECT_SECONDS = 15.0
FOLLOW_HOLD_MS, LOOK_UP_HOLD_MS = 100, 5
TIMEOUT_SECONDS = 20.0
BUFFER_MAX = 4_000
HOLD_SECONDS = 0.25
IDLE_SECONDS_MAX = 15.0
"""Without a record for this long while some are still due, the broker counts as unavailable."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin: at an instant, at an offset (negative: that many before the end), or at the beginning."""

    since: datetime | None = None
    offset: int | None = None


Spans = Mapping[TopicPartition, tuple[int, int]]


def from_positions(spans: Spans, positions: Mapping[int, int]) -> dict[TopicPartition, tuple[int, int]]:
    """The spans without the records before their partition's position; all of a partition that has none."""
    return {
        place: (min(end, max(first, positions.get(place.partition, 0))), end) for place, (first, end) in spans.items()
    }


@asynccontextmanager
async def log_reader(settings: Settings, *, hold_ms: int = FOLLOW_HOLD_MS) -> AsyncIterator[LogReader]:
    """A connected reader, closed at the end. Raises KafkaError or TimeoutError if the broker is unavailable.

    `hold_ms`: how long the broker may hold a fetch that finds nothing. Until then it serves no other request of this
    connection, so callers with several lookups pass LOOK_UP_HOLD_MS.
    """
    read_on()
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=hold_ms,
        max_partition_fetch_bytes=1_048_576,
        request_timeout_ms=10_000,
    )
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await consumer.start()
        # aiokafka begins a task at its start and awaits it when it stops. Cancelled before its first step, that task
        # raises CancelledError, which would end a caller that opened the reader and read nothing.
        await asyncio.sleep(0)
        yield LogReader(consumer)
    finally:
        await consumer.stop()


class LogReader:
    """One connection. One of `merged` and `followed` at a time."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def partitions(self, topics: Iterable[str]) -> list[TopicPartition]:
        """Every partition of these topics on the broker."""
        client = self._consumer._client
        async with asyncio.timeout(TIMEOUT_SECONDS):
            cluster = await client.fetch_all_metadata()
            there = [topic for topic in topics if topic in cluster.topics()]
            await client.set_topics(there)
        return [
            TopicPartition(topic, number) for topic in there for number in sorted(cluster.partitions_for_topic(topic))
        ]

    async def spans(self, partitions: Sequence[TopicPartition], start: Start) -> dict[TopicPartition, tuple[int, int]]:
        """The current [first, end) of each partition."""
        if not partitions:
            return {}
        async with asyncio.timeout(TIMEOUT_SECONDS):
            lowest = await self._consumer.beginning_offsets(partitions)
            ends = await self._consumer.end_offsets(partitions)
            firsts = await self._firsts(partitions, start, lowest, ends)
        return {partition: (firsts[partition], ends[partition]) for partition in partitions}

    async def _firsts(
        self,
        partitions: Sequence[TopicPartition],
        start: Start,
        lowest: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
    ) -> dict[TopicPartition, int]:
        if start.since is not None:
            since_ms = max(0, int(start.since.timestamp() * 1000))
            found = await self._consumer.offsets_for_times(dict.fromkeys(partitions, since_ms))
            return {
                partition: place.offset if (place := found.get(partition)) is not None else ends[partition]
                for partition in partitions
            }
        if start.offset is None:
            return dict(lowest)
        return {
            partition: min(
                ends[partition],
                max(lowest[partition], start.offset if start.offset >= 0 else ends[partition] + start.offset),
            )
            for partition in partitions
        }

    async def merged(self, spans: Spans) -> AsyncIterator[LogRecord]:
        """All records of the spans, oldest first (per partition always in offset order)."""
        buffers: dict[TopicPartition, deque[LogRecord]] = {
            partition: deque() for partition, (first, end) in spans.items() if first < end
        }
        self._assign(buffers, spans)
        heads: list[tuple[int, str, int]] = []
        while buffers:
            starved = [partition for partition, buffer in buffers.items() if not buffer]
            await self._fill(buffers, spans)
            for partition in starved:
                if buffers.get(partition):
                    heapq.heappush(heads, (buffers[partition][0].at_ms, *partition))
            while heads:
                _, topic, number = heapq.heappop(heads)
                partition = TopicPartition(topic, number)
                buffer = buffers[partition]
                record = buffer.popleft()
                yield record
                if record.offset + 1 >= spans[partition][1]:
                    del buffers[partition]
                elif not buffer:
                    break
                else:
                    heapq.heappush(heads, (buffer[0].at_ms, topic, number))

    async def _fill(self, buffers: dict[TopicPartition, deque[LogRecord]], spans: Spans) -> None:
        """Fetch until no open partition has an empty buffer."""
        idle_since = time.monotonic()
        while any(not buffer for buffer in buffers.values()):
            self._pause_full(buffers)
            fetched = await self._consumer.getmany(timeout_ms=250, max_records=10_000)
            for partition, messages in fetched.items():
                if partition in buffers:
                    end = spans[partition][1]
                    buffers[partition].extend(LogRecord.of(message) for message in messages if message.offset < end)
            if fetched:
                idle_since = time.monotonic()
            elif await self._all_passed(buffers, spans):
                return
            elif time.monotonic() - idle_since > IDLE_SECONDS_MAX:
                raise TimeoutError("the log sent nothing more")

    async def _all_passed(self, buffers: dict[TopicPartition, deque[LogRecord]], spans: Spans) -> bool:
        """Close partitions whose last offsets hold no record (compacted away, transaction marks)."""
        for partition in [partition for partition, buffer in buffers.items() if not buffer]:
            if await self._consumer.position(partition) >= spans[partition][1]:
                del buffers[partition]
        return all(buffers.values())

    def _pause_full(self, buffers: Mapping[TopicPartition, deque[LogRecord]]) -> None:
        self._consumer.resume(*self._consumer.paused())
        done = [partition for partition in self._consumer.assignment() if partition not in buffers]
        full = [partition for partition, buffer in buffers.items() if len(buffer) >= BUFFER_MAX]
        self._consumer.pause(*done, *full)

    async def followed(self, spans: Spans) -> AsyncIterator[LogRecord]:
        """Records from the spans' beginnings on, without end; those that arrive together are ordered by time."""
        self._assign(spans, spans)
        held: list[tuple[int, str, int, int, float, LogRecord]] = []
        while True:
            fetched = await self._consumer.getmany(timeout_ms=100, max_records=5_000)
            arrived = time.monotonic()
            for messages in fetched.values():
                for message in messages:
                    entry = LogRecord.of(message)
                    heapq.heappush(
                        held, (entry.at_ms, entry.topic, entry.partition, entry.offset, arrived + HOLD_SECONDS, entry)
                    )
            while held and held[0][4] <= time.monotonic():
                yield heapq.heappop(held)[5]

    def _assign(self, partitions: Iterable[TopicPartition], spans: Spans) -> None:
        assigned = list(partitions)
        self._consumer.assign(assigned)
        for partition in assigned:
            self._consumer.seek(partition, spans[partition][0])

    async def first_at(self, places: Mapping[TopicPartition, int]) -> dict[TopicPartition, LogRecord]:
        """The record at (or next after) each position; a partition without one within the wait is omitted."""
        found: dict[TopicPartition, LogRecord] = {}
        if not places:
            return found
        self._assign(places, {partition: (offset, offset + 1) for partition, offset in places.items()})
        ends_at = time.monotonic() + TIMEOUT_SECONDS
        while len(found) < len(places) and time.monotonic() < ends_at:
            for partition, messages in (await self._consumer.getmany(timeout_ms=250, max_records=5_000)).items():
                if messages:
                    found.setdefault(partition, LogRecord.of(messages[0]))
                    self._consumer.pause(partition)
        return found


async def oldest_at(settings: Settings, topic: str) -> datetime | None:
    """When the log took the oldest record that the topic holds, by the log's clock; None if it holds none.

    Raises KafkaError, or TimeoutError if a partition does not return its first record.
    """
    async with log_reader(settings, hold_ms=LOOK_UP_HOLD_MS) as reader:
        spans = await reader.spans(await reader.partitions([topic]), Start())
        held = {partition: first for partition, (first, end) in spans.items() if first < end}
        found = await reader.first_at(held)
    if len(found) < len(held):
        raise TimeoutError(f"{len(held) - len(found)} partitions of {topic} gave no record")
    return min((instant_of(record.at_ms) for record in found.values()), default=None)
