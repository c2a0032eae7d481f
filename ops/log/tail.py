"""`gateway topics tail`: several topics merged by time, filtered, decoded, masked.

no position given, no filter  the last records        --since, --from-offset     from there
no position given, a filter   the last that match     --follow                   and further, until interrupted
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime

from aiokafka import TopicPartition

from domain.ids import ORDER, PAYMENT, is_id
from ops.console.exit_codes import UsageError
from ops.log.selection import Filters, possible_partitions
from runtime.settings import Settings
from store.attempts import order_of_attempt
from store.connections import make_pool
from store.errors import DatabaseError
from topics.catalogue import Topic
from topics.reader import LogReader, Spans, Start, log_reader
from topics.records import LogRecord


@dataclass(frozen=True, slots=True)
class Tail:
    """What to show. `limit` 0: everything."""

    topics: tuple[Topic, ...]
    filters: Filters
    start: Start
    order_id: str | None
    limit: int
    follow: bool
    partitions: frozenset[int] = frozenset()
    """Empty: all."""
    until: datetime | None = None

    def shows(self, record: LogRecord) -> bool:
        return (self.until is None or record.at < self.until) and self.filters.matches(record)


async def order_to_look_at(settings: Settings, *, order_id: str | None, payment_id: str | None) -> str | None:
    """The order whose partition is enough to read. Raises UsageError for an id of another form."""
    if order_id is not None:
        if not is_id(ORDER, order_id):
            raise UsageError(f"{order_id!r} is not a valid order id; they look like order_0123456789abcdef.")
        return order_id
    if payment_id is None:
        return None
    if not is_id(PAYMENT, payment_id):
        raise UsageError(f"{payment_id!r} is not a valid payment id; they look like pay_0123456789abcdef.")
    return await _order_of(settings, payment_id)


async def _order_of(settings: Settings, payment_id: str) -> str | None:
    """None if the database is unavailable or has no such order: then every partition is read."""
    try:
        pool = await make_pool(settings, size=1)
    except DatabaseError:
        return None
    try:
        return await order_of_attempt(pool, payment_id)
    finally:
        await pool.close()


async def tailed(settings: Settings, tail: Tail) -> AsyncIterator[LogRecord]:
    """The records to show, oldest first."""
    async with log_reader(settings) as reader:
        partitions = await _partitions(reader, tail, settings)
        spans = await reader.spans(partitions, _start(tail))
        async for record in _past(reader, tail, spans):
            yield record
        if not tail.follow:
            return
        async for record in reader.followed({partition: (end, end) for partition, (_, end) in spans.items()}):
            if tail.shows(record):
                yield record


async def _partitions(reader: LogReader, tail: Tail, settings: Settings) -> list[TopicPartition]:
    partitions = await reader.partitions(topic.name for topic in tail.topics)
    missing = {topic.name for topic in tail.topics} - {partition.topic for partition in partitions}
    if missing:
        raise UsageError(f"Not on the log: {', '.join(sorted(missing))}; run `gateway topics create`.")
    if tail.partitions:
        partitions = [partition for partition in partitions if partition.partition in tail.partitions]
        if not partitions:
            numbers = ", ".join(map(str, sorted(tail.partitions)))
            raise UsageError(f"None of these topics has a partition {numbers}; see `gateway topics describe`.")
    ordered = {
        topic.name: (topic.partitions,) if topic.partitions else settings.partition_counts
        for topic in tail.topics
        if topic.key == "order_id"
    }
    return possible_partitions(partitions, order_id=tail.order_id, ordered_topics=ordered)


def _start(tail: Tail) -> Start:
    """Without a filter and a position, only the last records of each partition can be among the last of all."""
    if tail.start == Start() and tail.filters.anything and tail.limit and tail.until is None:
        return Start(offset=-tail.limit)
    return tail.start


async def _past(reader: LogReader, tail: Tail, spans: Spans) -> AsyncIterator[LogRecord]:
    matching = (record async for record in reader.merged(spans) if tail.shows(record))
    if tail.limit == 0:
        async for record in matching:
            yield record
        return
    if tail.start.offset is not None:
        async for record in _first(matching, tail.limit):
            yield record
        return
    for record in await _last(matching, tail.limit):
        yield record


async def _first(records: AsyncIterator[LogRecord], limit: int) -> AsyncIterator[LogRecord]:
    left = limit
    async for record in records:
        yield record
        left -= 1
        if left == 0:
            return


async def _last(records: AsyncIterator[LogRecord], limit: int) -> Iterable[LogRecord]:
    kept: deque[LogRecord] = deque(maxlen=limit)
    async for record in records:
        kept.append(record)
    return kept
