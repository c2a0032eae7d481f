"""One record of the log as a reader gets it: its position, and its content if it can be decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from topics.envelope import Envelope, UndecodableError, decode, read_json

JsonObject = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""


@dataclass(frozen=True)
class LogRecord:
    """A record. `at_ms`: the log's own timestamp in Unix milliseconds."""

    topic: str
    partition: int
    offset: int
    at_ms: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes | None], ...]
    null_key: bool = False
    tombstone: bool = False
    """The value is null, which differs from an empty one."""

    @classmethod
    def of(cls, message: Any) -> LogRecord:
        """From aiokafka's record."""
        return cls(
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            at_ms=message.timestamp,
            key=message.key or b"",
            value=message.value or b"",
            headers=tuple(message.headers or ()),
            null_key=message.key is None,
            tombstone=message.value is None,
        )

    @property
    def place(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def at(self) -> datetime:
        return instant_of(self.at_ms)

    @cached_property
    def envelope(self) -> Envelope | None:
        """None: the value is not an envelope."""
        try:
            return decode(self.value)
        except UndecodableError:
            return None

    @cached_property
    def json(self) -> JsonObject | None:
        """The value as a JSON object, envelope or not."""
        try:
            found = read_json(self.value)
        except (ValueError, TypeError):
            return None
        return found if isinstance(found, dict) else None

    def header(self, name: str) -> str | None:
        """The first of this name; None if there is none, or if it is null."""
        for found, content in self.headers:
            if found == name:
                return None if content is None else content.decode("utf-8", "replace")
        return None

    @property
    def type(self) -> str:
        """From the envelope, else from the header, else `?`."""
        if self.envelope is not None:
            return self.envelope.type
        return self.header("type") or "?"


def instant_of(at_ms: float) -> datetime:
    """The instant of a record's timestamp. A producer may write any number; one beyond the calendar becomes its end."""
    return EPOCH + timedelta(milliseconds=min(max(round(at_ms), 0), LATEST_MS))


def every_value(value: object, name: str) -> Iterator[object]:
    """All values under the key `name`, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == name:
                yield inner
            yield from every_value(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from every_value(inner, name)
