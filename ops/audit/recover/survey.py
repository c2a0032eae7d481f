"""What the log has and the database lacks, and the commands that caused it.

    events topic    record ─► in `events` with the same bytes? ─► else into recover.missing
    commands topic  record ─► the cause of a missing event? ─► its position; and what the inbox has not decided

Only reads the log, and writes nothing but the schema `recover`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson
from aiokafka import TopicPartition

from domain.ids import event_id
from ops.audit.verify.commands import committed_offsets
from runtime.settings import Settings
from store.log.feed import known_positions
from store.log.log_tail import SeenEvent, strange_events
from store.operations.recover import Counts, MissingEvent, Recovery
from topics.catalogue import COMMANDS, EVENTS, PAYMENTS_DLQ
from topics.envelope import HEADER_FORWARDED
from topics.identity import event_digest, event_identity
from topics.reader import LogReader, Start, from_positions, log_reader
from topics.records import LogRecord

PORTION = 5_000
"""Records that are compared in one query."""
NAMED_MAX = 100


@dataclass(slots=True)
class Pace:
    """Progress of a long step, printed at most once a second."""

    label: str
    total: int
    done: int = 0
    began_at: float = field(default_factory=time.monotonic)
    _printed_at: float = field(default_factory=time.monotonic)

    def add(self, records: int) -> None:
        self.done += records
        if time.monotonic() - self._printed_at >= 1.0:
            self._printed_at = time.monotonic()
            print(f"  {self.label}: {self.done:,} of {self.total:,} records, {self.rate:,.0f}/s", flush=True)

    @property
    def rate(self) -> float:
        return self.done / max(time.monotonic() - self.began_at, 0.001)


@dataclass(frozen=True, slots=True)
class Survey:
    """The work of a recovery.

    `differing`: events that table and log both have, with different contents. `begins`, `stops`: partition -> the first
    command that the inbox has not decided, and the place before which all must be decided again.
    """

    counts: Counts
    differing: tuple[str, ...]
    begins: Mapping[int, int]
    stops: Mapping[int, int]
    undecided: int
    passed_on: frozenset[str]
    """Positions (topic/partition/offset) of commands that were not decided there, and are not now: they are dead
    letters, or an actor has forwarded them to their order's partition."""


async def survey(settings: Settings, recovery: Recovery) -> Survey:
    """Fill `recover.missing`. Raises KafkaError, TimeoutError, DatabaseError."""
    await recovery.prepare()
    async with log_reader(settings) as reader:
        differing = await _compare_events(settings, reader, recovery)
        await recovery.analyze()
        counts = await recovery.counts()
        if not counts.events:
            return Survey(counts, differing, {}, {}, 0, frozenset())
        committed = await committed_offsets(settings)
        undecided, sent_on = await _find_causes(reader, recovery, counts.partitions)
        causes = await recovery.last_causes()
        stops = {place: max(committed.get(place, 0), causes.get(place, -1) + 1) for place in counts.partitions}
        passed_on = sent_on | await _dead_letters(reader)
    left = [one for one in undecided if one[1] < stops[one[0]] and f"{COMMANDS}/{one[0]}/{one[1]}" not in passed_on]
    begins: dict[int, int] = {}
    for partition, offset in left:
        begins.setdefault(partition, offset)
    return Survey(await recovery.counts(), differing, begins, stops, len(left), passed_on)


async def portions(
    reader: LogReader, spans: Mapping[TopicPartition, tuple[int, int]], label: str
) -> AsyncIterator[list[LogRecord]]:
    """Records of the spans, PORTION at a time, each partition's in order."""
    pace = Pace(label, sum(end - first for first, end in spans.values()))
    taken: list[LogRecord] = []
    async for record in reader.merged(spans):
        taken.append(record)
        if len(taken) >= PORTION:
            yield taken
            pace.add(len(taken))
            taken = []
    if taken:
        yield taken


async def unknown_spans(reader: LogReader, recovery: Recovery) -> dict[TopicPartition, tuple[int, int]]:
    """Of the events topic: from where the table may lack something, to the end."""
    spans = await reader.spans(await reader.partitions([EVENTS]), Start())
    known = await known_positions(recovery.connection)
    return from_positions(spans, known)


async def _compare_events(settings: Settings, reader: LogReader, recovery: Recovery) -> tuple[str, ...]:
    spans = await unknown_spans(reader, recovery)
    differing: dict[str, None] = {}
    async for records in portions(reader, spans, "events compared"):
        seen = [(event, record) for record in records if (event := seen_event(record.value)) is not None]
        strange = await strange_events(recovery.connection, [event for event, _ in seen])
        missing = [_missing(event.identity, record) for event, record in seen if strange.get(event) is True]
        wrong = [event.identity for event, _ in seen if strange.get(event) is False]
        if missing:
            await recovery.add(missing)
            wrong += await recovery.contradicted(missing)
        differing |= dict.fromkeys(event_id(*identity) for identity in wrong[:NAMED_MAX])
    return tuple(differing)


def seen_event(value: bytes | None) -> SeenEvent | None:
    """None if the record is not an event."""
    identity = event_identity(value)
    return None if identity is None or value is None else SeenEvent(*identity, event_digest(value))


def _missing(identity: tuple[str, int], record: LogRecord) -> MissingEvent:
    caused_by = (record.json or {}).get("caused_by") or ""
    return MissingEvent(*identity, record.partition, record.offset, str(caused_by), record.value.decode())


async def _find_causes(
    reader: LogReader, recovery: Recovery, partitions: Sequence[int]
) -> tuple[list[tuple[int, int]], frozenset[str]]:
    """Mark the missing events' commands; returns (partition, offset) of each command that is not decided, and the
    positions of forwarded ones."""
    places = [TopicPartition(COMMANDS, partition) for partition in partitions]
    undecided: list[tuple[int, int]] = []
    sent_on: set[str] = set()
    async for records in portions(reader, await reader.spans(places, Start()), "commands compared"):
        sent_on.update(*(_came_from(record) for record in records))
        requests = {(record.partition, record.offset): request_of(record.value) for record in records}
        known = {place: request for place, request in requests.items() if request is not None}
        await recovery.mark_causes([(request[0], *place) for place, request in known.items()])
        decided = await recovery.decided(list(known.values()))
        undecided += [place for place, request in known.items() if request not in decided]
    return sorted(undecided), frozenset(sent_on)


def _came_from(record: LogRecord) -> list[str]:
    return [content.decode() for name, content in record.headers if name == HEADER_FORWARDED and content is not None]


def request_of(value: bytes) -> tuple[str, str] | None:
    """(command id, nonce) of a record; None if it cannot be read: that is a dead letter."""
    try:
        record = orjson.loads(value)
        command_id, nonce = record["id"], record.get("nonce", "")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
    if not isinstance(command_id, str) or not isinstance(nonce, str) or "\x00" in command_id + nonce:
        return None
    return command_id, nonce


async def _dead_letters(reader: LogReader) -> frozenset[str]:
    spans = await reader.spans(await reader.partitions([PAYMENTS_DLQ]), Start())
    return frozenset([origin async for record in reader.merged(spans) if (origin := record.header("origin"))])
