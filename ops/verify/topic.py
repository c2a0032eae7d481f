"""The events topic beside the events table, in a process of its own (the second core).

    python: record ─► order, sequence, place, digest ─► COPY into a temporary table ─► one sorted join in SQL

Duplicates on the topic are allowed; what must hold is that the first sights of an order's events are in sequence,
that each event is there, and that every copy has the table's bytes. Records that came while reading, and events
whose records were still under way, are looked at a second time.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from ops.verify.findings import Check, Finding
from runtime.settings import Settings
from store.verify import RECHECK_MAX, SightDifference, Sights, connect, digests_now
from topics.catalogue import EVENTS

RECORDS_A_TAKE = 5_000
STALLED_SECONDS = 30.0
EARLIER = timedelta(seconds=120)
"""With --since: records are looked for from so much earlier, for the log's clock is not the events'."""
IDENTITY = re.compile(rb'\{"id":"evt_([0-9A-Za-z]{16})_([1-9][0-9]{0,8})",')
_SAYS = {
    "unknown": "is on the topic at offset {offset}, but not in the events table",
    "unpublished": "is in the events table, but not on the topic",
    "altered": "has other bytes on the topic than in the events table",
    "too_early": "first stands on the topic before the event that precedes it (offset {offset})",
}


@dataclass(slots=True)
class TopicReport:
    """What came of it; crosses a process boundary."""

    records: int = 0
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0


def compare_topic(settings: Settings, snapshot: str, since: datetime | None, settle_seconds: float) -> TopicReport:
    """Run in a process of its own, while the session that exported `snapshot` lives."""
    return asyncio.run(_compare(settings, snapshot, since, settle_seconds))


async def _compare(settings: Settings, snapshot: str, since: datetime | None, settle_seconds: float) -> TopicReport:
    report, started = TopicReport(), time.monotonic()
    connection = await connect(settings.database_url.get_secret_value())
    reader = TopicReader(settings, report)
    await reader.start(since)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            sights = await Sights.open(connection, snapshot)
            await sights.fill(reader.lines())
            differences = await sights.differences(since)
        await _second_look(connection, reader, differences, settle_seconds, report)
    finally:
        await reader.stop()
        await connection.close()
    report.seconds = time.monotonic() - started
    return report


async def _second_look(
    connection: asyncpg.Connection,
    reader: TopicReader,
    differences: list[SightDifference],
    settle_seconds: float,
    report: TopicReport,
) -> None:
    """Keep what is still different: the system may have been writing while we read."""
    unknown = [one for one in differences if one.kind == "unknown"][:RECHECK_MAX]
    now = await digests_now(connection, [(one.order_id, one.sequence) for one in unknown])
    missing = {(one.order_id, one.sequence) for one in differences if one.kind == "unpublished"}
    arrived = await reader.await_events(missing, settle_seconds) if missing else set()
    for one in differences:
        place = (one.order_id, one.sequence)
        if (one.kind == "unknown" and now.get(place) == one.digest) or place in arrived:
            continue
        subject = f"evt_{one.order_id[-16:]}_{one.sequence}"
        offset = one.place & ((1 << 48) - 1) if one.place is not None else None
        report.findings.append(Finding(Check.TOPIC, subject, _SAYS[one.kind].format(offset=offset)))


class TopicReader:
    """Every partition from its beginning (or `since`) to the end it had when reading began."""

    def __init__(self, settings: Settings, report: TopicReport) -> None:
        self._report = report
        self._partitions = settings.topic_partitions
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=4_194_304,
            fetch_max_wait_ms=100,
        )
        self._ends: dict[TopicPartition, int] = {}

    async def start(self, since: datetime | None) -> None:
        await self._consumer.start()
        places = [TopicPartition(EVENTS, partition) for partition in range(self._partitions)]
        self._consumer.assign(places)
        await self._consumer.seek_to_beginning(*places)
        if since is not None:
            wanted = int((since - EARLIER).timestamp() * 1000)
            ends = await self._consumer.end_offsets(places)
            for place, found in (await self._consumer.offsets_for_times(dict.fromkeys(places, wanted))).items():
                self._consumer.seek(place, found.offset if found is not None else ends[place])
        self._ends = dict(await self._consumer.end_offsets(places))

    async def stop(self) -> None:
        await self._consumer.stop()

    async def portions(self) -> AsyncIterator[tuple[int, list[Any]]]:
        """(partition, messages) in the order of the log, up to the ends. Raises TimeoutError where nothing comes."""
        pending = {place for place, end in self._ends.items() if await self._consumer.position(place) < end}
        moved_at = time.monotonic()
        while pending:
            taken = await self._consumer.getmany(*pending, timeout_ms=500, max_records=RECORDS_A_TAKE)
            for place, messages in taken.items():
                yield place.partition, messages
                moved_at = time.monotonic()
            if time.monotonic() - moved_at > STALLED_SECONDS:
                raise TimeoutError(f"the log gave no record for {STALLED_SECONDS:.0f} s")
            pending = {place for place in pending if await self._consumer.position(place) < self._ends[place]}

    async def lines(self) -> AsyncIterator[bytes]:
        """COPY lines, a portion at a time. `place` is partition and offset in one number."""
        async for partition, messages in self.portions():
            yield self._copied(partition, messages)

    def _copied(self, partition: int, messages: list[Any]) -> bytes:
        lines = []
        base = partition << 48
        for message in messages:
            offset, key, value = message.offset, message.key, message.value
            found = IDENTITY.match(value or b"")
            if found is None or key != b"order_" + found[1]:
                self._report.findings.append(_misplaced(partition, offset, "is no event, or under another key"))
                continue
            if zlib.crc32(key) % self._partitions != partition:
                self._report.findings.append(
                    _misplaced(partition, offset, "stands on another partition than its key's")
                )
            digest = hashlib.md5(value, usedforsecurity=False).hexdigest().encode()
            lines.append(b"%b\t%b\t%d\t%b\n" % (key, found[2], base | offset, digest))
        self._report.records += len(messages)
        return b"".join(lines)

    async def await_events(self, missing: set[tuple[str, int]], seconds: float) -> set[tuple[str, int]]:
        """Read on until the events were seen or the time is over; returns those that came."""
        arrived: set[tuple[str, int]] = set()
        ends_at = time.monotonic() + seconds
        while missing - arrived and time.monotonic() < ends_at:
            for messages in (await self._consumer.getmany(timeout_ms=200)).values():
                for message in messages:
                    found = IDENTITY.match(message.value or b"")
                    if found is not None:
                        place = ("order_" + found[1].decode(), int(found[2]))
                        arrived |= {place} & missing
        return arrived


def _misplaced(partition: int, offset: int, says: str) -> Finding:
    return Finding(Check.TOPIC, f"{EVENTS}/{partition}/{offset}", says)
