"""The events topic beside the events table, in a process of its own (the second core).

    first pass     python: record ─► sum of its order's ending, position in its order's sequence. Nothing is kept but
                   the last sequence of the orders that moved last (ORDERS_HELD); older ones go to a temporary table.
    detailed pass  only endings with a difference: record ─► order, sequence, position, digest ─► COPY into a
                   temporary table ─► one sorted join in SQL, which names the different events

Duplicates on the topic are allowed; what must hold is that the first sights of an order's events are in sequence,
that each event is there, and that every copy has the table's bytes. An order's events are on its partition, or on the
one that it had before the log grew. Records that arrived while reading, and events whose records were still under way,
are compared a second time.
"""

from __future__ import annotations

import hashlib
import re
import time
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from ops.audit.verify.anchor import Anchor, TopicChains
from ops.audit.verify.findings import Check, Finding, Kind
from ops.audit.verify.pace import run
from ops.audit.verify.sums import ENDING_CHARACTERS, Numbers, Sums, empty
from runtime.settings import Settings
from store.driver import Connection
from store.operations.audit import Snapshot, connect
from store.operations.audit_topic import RECHECK_MAX, Runs, SightDifference, Sights, digests_now
from topics.batches import read_on
from topics.catalogue import EVENTS, bands, homes
from topics.connection import client_options

RECORDS_A_TAKE = 5_000
FETCH_BYTES = 1_048_576
"""Of one partition at a time."""
ORDERS_HELD = 100_000
"""Orders whose last sequence is kept in memory: some 20 MB."""
AT_ONCE = 10_000
"""Runs written together, repeats compared together."""
STALLED_SECONDS = 30.0
EARLIER = timedelta(seconds=30)
"""With --since: records are read from so much earlier, in case the broker's clock is behind the database's.

An event is published after it was committed, and the broker stamps it then, so nothing else makes a record look older
than its row. A continuous audit reads this overlap again each time: 120 s took most of what it cost."""
IDENTITY = re.compile(rb'\{"id":"evt_([0-9A-Za-z]{16})_([1-9][0-9]{0,8})",')
_KINDS = {
    "unknown": Kind.RECORD_UNKNOWN,
    "unpublished": Kind.UNPUBLISHED,
    "altered": Kind.RECORD_ALTERED,
    "too_early": Kind.RECORD_OVERTAKEN,
}
_MESSAGES = {
    "unknown": "is on the topic at offset {offset}, but not in the events table",
    "unpublished": "is in the events table, but not on the topic",
    "altered": "has other bytes on the topic than in the events table",
    "too_early": "first stands on the topic before the event that precedes it (offset {offset})",
}


@dataclass(slots=True)
class TopicReport:
    """The result; crosses a process boundary."""

    records: int = 0
    findings: list[Finding] = field(default_factory=list)
    sums: Sums = field(default_factory=empty)
    suspicious: set[str] = field(default_factory=set)
    """Endings of orders whose records are out of sequence, or repeated with other bytes."""
    chains: TopicChains | None = None
    """Where an anchor is compared or made."""


def first_look(
    settings: Settings, numbers: Numbers, anchored: bool = False, against: Anchor | None = None
) -> TopicReport:
    """Run in a process of its own. `anchored`: chain the records; `against`: and compare with this anchor."""
    return run(_first_look(settings, numbers, anchored, against))


def closer_look(
    settings: Settings, snapshot: Snapshot, since: datetime | None, endings: set[str] | None, settle_seconds: float
) -> TopicReport:
    """The same, record by record. `endings`: of the orders to look at, None for all (and for what is no event)."""
    return run(_closer_look(settings, snapshot, since, endings, settle_seconds))


async def _first_look(settings: Settings, numbers: Numbers, anchored: bool, against: Anchor | None) -> TopicReport:
    report = TopicReport()
    if anchored:
        report.chains = TopicChains(settings.topic_partitions, against)
    connection = await connect(settings.database_url.get_secret_value())
    reader = TopicReader(settings, report)
    try:
        await reader.start(None)
        await FirstSights(connection, report, settings.partition_counts, numbers).read(reader)
    finally:
        await reader.stop()
        await connection.close()
    return report


async def _closer_look(
    settings: Settings, snapshot: Snapshot, since: datetime | None, endings: set[str] | None, settle_seconds: float
) -> TopicReport:
    report = TopicReport()
    connection = await connect(settings.database_url.get_secret_value())
    reader = TopicReader(settings, report)
    try:
        await reader.start(since)
        sights = await Sights.open(connection)
        chosen = frozenset(name.encode() for name in endings) if endings is not None else None
        async for lines in reader.lines(chosen):
            await sights.add(lines)
        differences = await sights.differences(snapshot, since, sorted(endings) if endings is not None else None)
        await _second_look(connection, reader, differences, settle_seconds, report)
    finally:
        await reader.stop()
        await connection.close()
    return report


class FirstSights:
    """Every record once, in the order of the log: summed, and each order's in sequence."""

    def __init__(self, connection: Connection, report: TopicReport, counts: Sequence[int], numbers: Numbers) -> None:
        self._connection = connection
        self._report = report
        self._counts = counts
        self._numbers = numbers
        self._runs = Runs(connection)
        self._sums: dict[bytes, int] = defaultdict(int)
        self._last: dict[bytes, int] = {}
        """Order id -> the last of its sequence, oldest order first."""
        self._first: dict[bytes, int] = {}
        """The first of its sequence where that is not 1: the order was written out before, or begins in the middle."""
        self._let_go = 0
        self._repeats: list[tuple[bytes, int, bytes]] = []

    async def read(self, reader: TopicReader) -> None:
        async for partition, messages in reader.portions():
            self._report.records += len(messages)
            if self._report.chains is not None:
                self._report.chains.add(partition, messages)
            self._portion(partition, messages)
            if len(self._last) >= ORDERS_HELD + AT_ONCE:
                await self._let_orders_go(list(islice(self._last, AT_ONCE)))
            if len(self._repeats) >= AT_ONCE:
                await self._compare_repeats()
        await self._compare_repeats()
        await self._let_orders_go(list(self._first))
        self._report.suspicious.update(await self._runs.broken())
        self._report.sums = {key.decode(): total for key, total in self._sums.items()}

    def _portion(self, partition: int, messages: list[Any]) -> None:
        """The loop that runs for every record: no call in it that could be spared."""
        last_of, sums, partitions, seed = self._last, self._sums, self._counts[-1], self._numbers.seed
        crc32, number = zlib.crc32, self._numbers.number_of
        for message in messages:
            key, value = message.key, message.value
            last = last_of.get(key, 0)
            sequence = last + 1
            if not (last and value is not None and value.startswith(b'{"id":"evt_%b_%d",' % (key[6:], sequence))):
                found = IDENTITY.match(value or b"")
                if found is None or key != b"order_" + found[1]:
                    self._misplaced(partition, message.offset, "is not an event, or has another order's key")
                    continue
                sequence = int(found[2])
            if crc32(key) % partitions != partition and partition not in homes(key, self._counts):
                self._misplaced(partition, message.offset, "stands on another partition than its key's")
            if sequence == last + 1:
                last_of[key] = sequence
            elif self._is_repeat(key, last, sequence):
                self._repeats.append((key, sequence, value))
                continue
            sums[key[-ENDING_CHARACTERS:]] += number(value, seed)

    def _misplaced(self, partition: int, offset: int, message: str) -> None:
        self._report.findings.append(_misplaced(partition, offset, message))

    def _is_repeat(self, key: bytes, last: int, sequence: int) -> bool:
        """A record that is not its order's next: seen before, or the start of a run, or out of turn."""
        if not last:
            self._first[key] = self._last[key] = sequence
            return False
        if self._first.get(key, 1) <= sequence <= last:
            return True
        self._report.suspicious.add(key[-ENDING_CHARACTERS:].decode())
        self._last[key] = max(last, sequence)
        return False

    async def _let_orders_go(self, keys: list[bytes]) -> None:
        """Their runs are kept in the database; a later record begins another run."""
        runs = []
        for key in keys:
            self._let_go += 1
            runs.append((key.decode(), self._let_go, self._first.pop(key, 1), self._last.pop(key)))
        if runs:
            await self._runs.add(runs)

    async def _compare_repeats(self) -> None:
        """Each repeat must have the bytes of the table."""
        places = [(key.decode(), sequence) for key, sequence, _ in self._repeats]
        stored = await digests_now(self._connection, places) if places else {}
        for place, (key, _, value) in zip(places, self._repeats, strict=True):
            if stored.get(place) != hashlib.md5(value, usedforsecurity=False).hexdigest():
                self._report.suspicious.add(key[-ENDING_CHARACTERS:].decode())
        self._repeats.clear()


async def _second_look(
    connection: Connection,
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
        report.findings.append(
            Finding(Check.TOPIC, subject, _MESSAGES[one.kind].format(offset=offset), _KINDS[one.kind])
        )


class TopicReader:
    """Every partition from its beginning (or `since`) to the end it had when reading began."""

    def __init__(self, settings: Settings, report: TopicReport) -> None:
        self._report = report
        self._counts = settings.partition_counts
        read_on()
        self._consumer = AIOKafkaConsumer(
            **client_options(settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=100,
            check_crcs=False,  # records that differ by a bit differ in their sums
        )
        self._ends: dict[TopicPartition, int] = {}

    async def start(self, since: datetime | None) -> None:
        await self._consumer.start()
        places = [TopicPartition(EVENTS, partition) for partition in range(self._counts[-1])]
        self._consumer.assign(places)
        await self._consumer.seek_to_beginning(*places)
        if since is not None:
            chosen = int((since - EARLIER).timestamp() * 1000)
            ends = await self._consumer.end_offsets(places)
            for place, found in (await self._consumer.offsets_for_times(dict.fromkeys(places, chosen))).items():
                self._consumer.seek(place, found.offset if found is not None else ends[place])
        self._ends = dict(await self._consumer.end_offsets(places))

    async def stop(self) -> None:
        await self._consumer.stop()

    async def portions(self) -> AsyncIterator[tuple[int, list[Any]]]:
        """(partition, messages) in the order of the log, up to the ends; an order's in its order, also where the log
        has grown in between. Raises TimeoutError if nothing arrives."""
        for band in bands(self._counts):
            async for portion in self._band(band):
                yield portion

    async def _band(self, band: range) -> AsyncIterator[tuple[int, list[Any]]]:
        places = [place for place in self._ends if place.partition in band]
        pending = {place for place in places if await self._consumer.position(place) < self._ends[place]}
        moved_at = time.monotonic()
        while pending:
            taken = await self._consumer.getmany(*pending, timeout_ms=500, max_records=RECORDS_A_TAKE)
            for place, messages in taken.items():
                yield place.partition, messages
                moved_at = time.monotonic()
            if time.monotonic() - moved_at > STALLED_SECONDS:
                raise TimeoutError(f"the log gave no record for {STALLED_SECONDS:.0f} s")
            pending = {place for place in pending if await self._consumer.position(place) < self._ends[place]}

    async def lines(self, endings: frozenset[bytes] | None) -> AsyncIterator[bytes]:
        """COPY lines, a portion at a time, of orders with these endings. `place` is partition and offset in one."""
        async for partition, messages in self.portions():
            if endings is None:
                self._report.records += len(messages)
            else:
                messages = [one for one in messages if (one.key or b"")[-ENDING_CHARACTERS:] in endings]
            yield b"".join(self._copied(partition, messages, report_misplaced=endings is None))

    def _copied(self, partition: int, messages: list[Any], *, report_misplaced: bool) -> list[bytes]:
        lines = []
        base = partition << 48
        for message in messages:
            offset, key, value = message.offset, message.key, message.value
            found = IDENTITY.match(value or b"")
            if found is None or key != b"order_" + found[1]:
                if report_misplaced:
                    self._report.findings.append(
                        _misplaced(partition, offset, "is not an event, or has another order's key")
                    )
                continue
            if report_misplaced and partition not in homes(key, self._counts):
                self._report.findings.append(
                    _misplaced(partition, offset, "stands on another partition than its key's")
                )
            digest = hashlib.md5(value, usedforsecurity=False).hexdigest().encode()
            lines.append(b"%b\t%b\t%d\t%b\n" % (key, found[2], base | offset, digest))
        return lines

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


def _misplaced(partition: int, offset: int, message: str) -> Finding:
    return Finding(Check.TOPIC, f"{EVENTS}/{partition}/{offset}", message)
