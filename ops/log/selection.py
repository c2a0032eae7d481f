"""Which records to show, and which partitions can hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition

from ops.console.exit_codes import UsageError
from ops.log.where import Predicate, compile_where
from topics.catalogue import homes
from topics.records import LogRecord


@dataclass(frozen=True, slots=True)
class Filters:
    """All of these must hold. `words` must occur in the value or in the key; `types` may end in `*`."""

    key: str | None = None
    words: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    headers: tuple[tuple[str, str | None], ...] = ()
    where: Predicate | None = None

    @property
    def anything(self) -> bool:
        """Nothing is filtered."""
        return not (self.key or self.words or self.types or self.headers or self.where)

    def matches(self, record: LogRecord) -> bool:
        """The cheap tests come first: most records are decided by their bytes."""
        if self.key is not None and record.key != self.key.encode():
            return False
        if any(word.encode() not in record.value and word.encode() not in record.key for word in self.words):
            return False
        if any(not _has_header(record, name, value) for name, value in self.headers):
            return False
        if self.types and not any(_is_type(record.type, expected) for expected in self.types):
            return False
        return self.where is None or (record.json is not None and self.where(record.json))


def filters_of(
    *,
    key: str | None = None,
    words: Sequence[str | None] = (),
    types: Sequence[str] = (),
    headers: Sequence[str] = (),
    where: str | None = None,
) -> Filters:
    """From the options of a command. Raises UsageError."""
    return Filters(
        key=key,
        words=tuple(word for word in words if word),
        types=tuple(types),
        headers=tuple(_header(text) for text in headers),
        where=compile_where(where) if where else None,
    )


def possible_partitions(
    partitions: Sequence[TopicPartition], *, order_id: str | None, ordered_topics: Mapping[str, Sequence[int]]
) -> list[TopicPartition]:
    """The partitions that can hold a record of this order. `ordered_topics`: topics keyed by order, each with the
    partition counts that it has had."""
    if order_id is None:
        return list(partitions)
    key = order_id.encode()
    return [
        partition
        for partition in partitions
        if partition.topic not in ordered_topics or partition.partition in homes(key, ordered_topics[partition.topic])
    ]


def _header(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not name:
        raise UsageError(f"{text!r} is not a valid header filter; write name or name=value.")
    return name, value if equals else None


def _has_header(record: LogRecord, name: str, value: str | None) -> bool:
    return any(found == name and (value is None or content == value.encode()) for found, content in record.headers)


def _is_type(found: str, expected: str) -> bool:
    return found.startswith(expected[:-1]) if expected.endswith("*") else found == expected
