"""Dead letters as they stand on the two dead-letter topics, each once, with what was done about it since.

A letter's id is its origin's place, so a repeat after a crash is the same letter. The topics are kept for ever and are
small: they are read whole.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from runtime.settings import Settings
from store.dead_letters import last_actions
from topics.catalogue import PAYMENTS_DLQ, WEBHOOKS_DLQ
from topics.reader import Start, log_reader
from topics.records import JsonObject, LogRecord

LETTERS_MAX = 200_000
HEADER_REPLAYED = "replayed"
"""How many times a record was sent again; a letter keeps its record's headers, so a second death shows."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. `action`: the last that was done about it, None where it is open."""

    id: str
    topic: str
    place: str
    at: datetime
    type: str
    reason: str
    error: str
    origin_topic: str
    key: bytes
    value: bytes
    headers: dict[str, str]
    action: str | None
    body: JsonObject

    @property
    def times_replayed(self) -> int:
        text = self.headers.get(HEADER_REPLAYED, "0")
        return int(text) if text.isdigit() else 0

    @property
    def state(self) -> str:
        return self.action or "open"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters: all of these must hold."""

    topics: tuple[str, ...] = (PAYMENTS_DLQ, WEBHOOKS_DLQ)
    ids: frozenset[str] = frozenset()
    reason: str | None = None
    since: datetime | None = None
    handled_too: bool = False

    def takes(self, letter: Letter) -> bool:
        return (
            (not self.ids or letter.id in self.ids)
            and (self.reason is None or letter.reason == self.reason)
            and (self.since is None or letter.at >= self.since)
            and (self.handled_too or letter.action is None)
        )


async def letters(settings: Settings, pool: asyncpg.Pool, selection: Selection) -> list[Letter]:
    """Oldest first, at most LETTERS_MAX read."""
    actions = await last_actions(pool)
    found: dict[str, Letter] = {}
    read = 0
    async with log_reader(settings) as reader:
        spans = await reader.spans(await reader.partitions(selection.topics), Start())
        async for record in reader.merged(spans):
            read += 1
            letter = letter_of(record, actions)
            if letter is not None and letter.id not in found and selection.takes(letter):
                found[letter.id] = letter
            if read >= LETTERS_MAX:
                break
    return list(found.values())


def letter_of(record: LogRecord, actions: dict[str, dict[str, Any]]) -> Letter | None:
    """None where the record is no dead letter of ours."""
    envelope = record.envelope
    if envelope is None:
        return None
    body = envelope.body
    try:
        return Letter(
            id=envelope.id,
            topic=record.topic,
            place=record.place,
            at=envelope.at,
            type=envelope.type,
            reason=str(body["reason"]),
            error=str(body["error"]),
            origin_topic=str(body["origin"]["topic"]),
            key=record.key,
            value=_value_of(body),
            headers={str(name): str(content) for name, content in body["headers"].items()},
            action=actions.get(envelope.id, {}).get("action"),
            body=body,
        )
    except (KeyError, TypeError, AttributeError, binascii.Error):
        return None


def _value_of(body: JsonObject) -> bytes:
    if "value_base64" in body:
        return base64.b64decode(body["value_base64"], validate=True)
    return str(body["value"]).encode()


def histogram(found: Iterable[Letter]) -> Sequence[tuple[tuple[str, str, str], int]]:
    """((topic, reason, state), how many), the most frequent first."""
    return Counter((letter.topic, letter.reason, letter.state) for letter in found).most_common()
