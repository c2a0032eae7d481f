"""The anchor: the heads of the history's hash chains, kept in a file elsewhere, and compared at the next audit.

    topic   for each partition, over its records in the order of their offsets
    table   for each partition, over the events that the feed shows, in the order of (order id, sequence)

    head(0) = 32 zero bytes        head(n) = BLAKE2b-256(head(n - 1) ‖ record n)

A head covers everything before it: if one record is changed, added, moved or removed, it cannot be reached again. The
heads along the way (marks, at most MARKS_MAX a chain) narrow down where a history changed. What database and log lost
together leaves no trace in either: so the file belongs on another machine.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson

from ops.audit.verify.findings import Check, Finding
from ops.console.errors import GatewayError
from topics.catalogue import EVENTS

FORMAT, VERSION = "gateway-anchor", 2
HASH = "blake2b-256"
MARKS_MAX = 64
"""Heads kept along a chain: a change is narrowed down to 1/32 of the history or less, the file stays below 200 kB."""
FIRST_STRIDE = 64
"""Records between two marks of a short chain; doubled when there are too many marks."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The chain's head after so many records."""

    count: int
    head: str


@dataclass(frozen=True, slots=True)
class Heads:
    """One chain of an anchor: where it ended, and marks along it, in order."""

    count: int
    head: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Anchor:
    """The whole file. `up_to_place`: the table's chains hold the events up to this position of the feed."""

    deployment: str
    made_at: str
    up_to_place: int
    topic: tuple[Heads, ...]
    table: tuple[Heads, ...]

    @property
    def records(self) -> int:
        return sum(chain.count for chain in self.topic)

    @property
    def events(self) -> int:
        return sum(chain.count for chain in self.table)


class Chain:
    """One chain as it grows, and its comparison with an older one of the same history."""

    def __init__(self, against: Heads | None = None) -> None:
        self.count = 0
        self._head = bytes(32)
        self._marks: list[Mark] = []
        self._stride = FIRST_STRIDE
        self._against = against
        self._expected = _stops(against)
        self._passed = 0
        self._agreed = 0
        self._failed: int | None = None
        self._stop = self._expected[0].count if self._expected else 0

    def add(self, record: bytes) -> None:
        """The next record. Its bytes must not be ambiguous: variable parts are preceded by their length."""
        self._head = blake2b(self._head + record, digest_size=32).digest()
        self.count += 1
        if self.count == self._stop:
            self._compare()
        if self.count % self._stride == 0:
            self._mark()

    def _compare(self) -> None:
        mark = self._expected[self._passed]
        if mark.head == self._head.hex():
            self._agreed = mark.count
        elif self._failed is None:
            self._failed = mark.count
        self._passed += 1
        self._stop = self._expected[self._passed].count if self._passed < len(self._expected) else 0

    def _mark(self) -> None:
        self._marks.append(Mark(self.count, self._head.hex()))
        if len(self._marks) > MARKS_MAX:
            self._marks = self._marks[1::2]
            self._stride *= 2

    @property
    def heads(self) -> Heads:
        return Heads(self.count, self._head.hex(), tuple(self._marks))

    @property
    def difference(self) -> str | None:
        """None: the part that the anchor covers is unchanged."""
        if self._against is None:
            return None
        if self._failed is not None:
            return f"changed somewhere from record {self._agreed + 1:,} to record {self._failed:,}"
        if self.count < self._against.count:
            return (
                f"is shorter than the anchor: {self.count:,} records of {self._against.count:,}; "
                f"the first {self._agreed:,} are surely unchanged"
            )
        return None


class TopicChains:
    """The topic's chains, a partition each. Crosses a process boundary."""

    def __init__(self, partitions: int, against: Anchor | None) -> None:
        self._chains = _chains(partitions, against.topic if against is not None else None)

    def add(self, partition: int, messages: Sequence[Any]) -> None:
        """Records of aiokafka's, in the order of the log."""
        add = self._chains[partition].add
        for message in messages:
            key, value = message.key or b"", message.value or b""
            add(b"%d %d %d %b%b" % (message.offset, len(key), len(value), key, value))

    @property
    def heads(self) -> tuple[Heads, ...]:
        return tuple(chain.heads for chain in self._chains)

    def findings(self) -> list[Finding]:
        return _findings(EVENTS, self._chains)


class TableChains:
    """The events table's chains: an order belongs to the partition of its key.

    Two at a time: the events that the older anchor covers, to compare, by the partitions that the log had then; and all
    that the feed shows now.
    """

    def __init__(self, partitions: int, against: Anchor | None) -> None:
        self._partitions = partitions
        self._partitions_then = len(against.table) if against is not None else partitions
        self._up_to = against.up_to_place if against is not None else 0
        self._then = _chains(self._partitions_then, against.table if against is not None else None)
        self._now = _chains(partitions, None)

    def add(self, rows: Sequence[Any]) -> None:
        """(order id, sequence, place, payload) of each event, in the order of order id and sequence."""
        for order_id, sequence, place, payload in rows:
            key = order_id.encode()
            record = b"%b %d %d %d %b" % (key, sequence, place, len(payload), payload)
            number = zlib.crc32(key)
            self._now[number % self._partitions].add(record)
            if place <= self._up_to:
                self._then[number % self._partitions_then].add(record)

    @property
    def heads(self) -> tuple[Heads, ...]:
        return tuple(chain.heads for chain in self._now)

    def findings(self) -> list[Finding]:
        return _findings("events table", self._then)


def _stops(against: Heads | None) -> list[Mark]:
    """Positions at which a chain is compared: each mark, and the end."""
    if against is None or not against.count:
        return []
    return [*(mark for mark in against.marks if mark.count < against.count), Mark(against.count, against.head)]


def _chains(partitions: int, against: Sequence[Heads] | None) -> list[Chain]:
    """`against`: of fewer partitions where the log has grown since."""
    known = () if against is None else against
    return [Chain(known[partition] if partition < len(known) else None) for partition in range(partitions)]


def _findings(what: str, chains: Sequence[Chain]) -> list[Finding]:
    differences = [(partition, chain.difference) for partition, chain in enumerate(chains)]
    return [
        Finding(Check.ANCHOR, f"{what}, partition {partition}", message)
        for partition, message in differences
        if message is not None
    ]


@dataclass(frozen=True, slots=True)
class AnchorFile:
    """The file of `--anchor`, read before an audit and written after it."""

    path: Path
    anchor: Anchor | None = field(default=None)

    @staticmethod
    def read(path: Path) -> AnchorFile:
        """A missing file will be written. Raises GatewayError if it is not an anchor."""
        try:
            return AnchorFile(path, decoded(path.read_bytes()))
        except FileNotFoundError:
            return AnchorFile(path)
        except OSError as error:
            raise GatewayError(f"{path} cannot be read: {error.strerror}. Check its path and permissions.") from error
        except (ValueError, KeyError, TypeError) as error:
            raise GatewayError(
                f"{path} is not an anchor that this version can read: {error!r}. Use another file."
            ) from error

    def refuse_foreign(self, deployment: str, partitions: int) -> None:
        """Raise GatewayError if the anchor belongs to another history."""
        if self.anchor is None:
            return
        if self.anchor.deployment != deployment:
            raise GatewayError(
                f"{self.path} is the anchor of another deployment: {self.anchor.deployment}, this is {deployment}. "
                "Use its own anchor, or a new file."
            )
        if partitions % len(self.anchor.topic):
            raise GatewayError(
                f"{self.path} has {len(self.anchor.topic)} partitions, the topic has {partitions}: it did not grow to "
                "them from those."
            )

    def write(self, anchor: Anchor) -> None:
        """Replace the file as a whole, or leave it as it was. Raises GatewayError."""
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            beside.write_bytes(encoded(anchor))
            beside.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise GatewayError(
                f"{self.path} cannot be written: {error.strerror}. Check its folder and permissions."
            ) from error


def encoded(anchor: Anchor) -> bytes:
    """The file's bytes: JSON in a stable format; a later version has another number."""
    return orjson.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "hash": HASH,
            "deployment": anchor.deployment,
            "made_at": anchor.made_at,
            "topic": {"name": EVENTS, "partitions": [_shape(number, one) for number, one in enumerate(anchor.topic)]},
            "table": {
                "up_to_place": anchor.up_to_place,
                "partitions": [_shape(number, one) for number, one in enumerate(anchor.table)],
            },
        },
        option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
    )


def decoded(content: bytes) -> Anchor:
    """Raises ValueError, KeyError or TypeError."""
    found = orjson.loads(content)
    if (found["format"], found["version"], found["hash"]) != (FORMAT, VERSION, HASH):
        raise ValueError(f"its format is {found['format']} {found['version']} {found['hash']}")
    datetime.fromisoformat(found["made_at"])
    topic, table = (tuple(map(_heads, found[side]["partitions"])) for side in ("topic", "table"))
    if len(topic) != len(table):
        raise ValueError("topic and table have different numbers of partitions")
    return Anchor(str(found["deployment"]), found["made_at"], int(found["table"]["up_to_place"]), topic, table)


def _shape(partition: int, heads: Heads) -> dict[str, Any]:
    marks = [[mark.count, mark.head] for mark in heads.marks]
    return {"partition": partition, "count": heads.count, "head": heads.head, "marks": marks}


def _heads(shape: dict[str, Any]) -> Heads:
    marks = tuple(Mark(int(count), str(head)) for count, head in shape["marks"])
    if any(one.count >= other.count for one, other in pairwise(marks)):
        raise ValueError("its marks are not in order")
    return Heads(int(shape["count"]), str(shape["head"]), marks)
