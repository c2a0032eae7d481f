"""One record of the log as a reader meets it: where it stood, and what it says, if it can be decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import orjson

from topics.envelope import Envelope, UndecodableError, decode

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class LogRecord:
    """A record. `at_ms`: the log's own timestamp in Unix milliseconds."""

    topic: str
    partition: int
    offset: int
    at_ms: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

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
        )

    @property
    def place(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.at_ms / 1000, UTC)

    @cached_property
    def envelope(self) -> Envelope | None:
        """None: the value is no envelope."""
        try:
            return decode(self.value)
        except UndecodableError:
            return None

    @cached_property
    def json(self) -> JsonObject | None:
        """The value as a JSON object, envelope or not."""
        try:
            found = orjson.loads(self.value)
        except orjson.JSONDecodeError:
            return None
        return found if isinstance(found, dict) else None

    def header(self, name: str) -> str | None:
        for found, content in self.headers:
            if found == name:
                return content.decode("utf-8", "replace")
        return None

    @property
    def type(self) -> str:
        """From the envelope, else from the header, else `?`."""
        if self.envelope is not None:
            return self.envelope.type
        return self.header("type") or "?"


def every_value(value: object, name: str) -> Iterator[object]:
    """All values that stand under the key `name`, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == name:
                yield inner
            yield from every_value(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from every_value(inner, name)
