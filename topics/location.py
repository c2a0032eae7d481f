"""Finds an order's records without reading the whole log: by its partitions and the timestamp index.

    instants of the order's events ─► windows (neighbouring instants are read together)
    offsets_for_times(partition, window's beginning) ─► read until every expected record is found

Other records of the same order in between (a refused command, a repeated event) are part of the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aiokafka import TopicPartition

from topics.catalogue import homes
from topics.reader import LogReader, Start
from topics.records import LogRecord

APART = timedelta(seconds=5)
SLACK = timedelta(seconds=2)
"""Margin before a window because of clocks, and after it for records without an event (a refused command)."""
LATE_MAX = timedelta(seconds=60)
"""A record may be written this much later than its event's time before it counts as missing."""
RECORDS_MAX = 20_000
"""Records read for one window: about a second."""


@dataclass(slots=True)
class Window:
    """A period and the ids of the records expected in it."""

    begins_at: datetime
    ends_at: datetime
    ids: set[str] = field(default_factory=set)


def windows_of(due: Iterable[tuple[datetime, str]]) -> list[Window]:
    """Windows over (instant, record id): a gap of more than APART begins a new one."""
    windows: list[Window] = []
    for at, record_id in sorted(due):
        if not windows or at - windows[-1].ends_at > APART:
            windows.append(Window(at, at))
        windows[-1].ends_at = at
        windows[-1].ids.add(record_id)
    return windows


async def locate(
    reader: LogReader, topic: str, key: str, due: Sequence[tuple[datetime, str]], *, counts: Sequence[int]
) -> list[LogRecord]:
    """This key's records around the instants, in the order of the log, each once. `counts`: its partition counts."""
    there = await reader.partitions([topic])
    found: dict[tuple[int, int], LogRecord] = {}
    for number in homes(key.encode(), counts):
        if (partition := TopicPartition(topic, number)) not in there:
            continue
        for window in windows_of(due):
            for record in await _in_window(reader, partition, key, window):
                found[number, record.offset] = record
    return [found[place] for place in sorted(found)]


async def _in_window(reader: LogReader, partition: TopicPartition, key: str, window: Window) -> list[LogRecord]:
    spans = await reader.spans([partition], Start(since=window.begins_at - SLACK))
    missing, found = set(window.ids), []
    ends_ms = (window.ends_at + SLACK).timestamp() * 1_000
    last_ms = (window.ends_at + LATE_MAX).timestamp() * 1_000
    key_bytes = key.encode()
    read = 0
    async for record in reader.merged(spans):
        read += 1
        if record.key == key_bytes:
            found.append(record)
            if record.envelope is not None:
                missing.discard(record.envelope.id)
        if record.at_ms > (last_ms if missing else ends_ms) or read >= RECORDS_MAX:
            break
    return found
