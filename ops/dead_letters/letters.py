"""Dead letters of the two dead-letter topics, each once, with the actions on it.

A letter's id is the position of its origin, so a repeat after a crash is the same letter. The topics are kept
permanently and are small: they are read whole.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiokafka import TopicPartition

from runtime.settings import Settings
from store.driver import Pool
from store.operations.dead_letters import REOPENED, last_actions, replays_by_subject
from topics.catalogue import PAYMENTS_DLQ, WEBHOOKS_DLQ
from topics.envelope import UndecodableError, decode
from topics.reader import Start, log_reader
from topics.records import JsonObject, LogRecord

LETTERS_MAX = 200_000
COUNT_DIGITS_MAX = 6
HEADER_REPLAYED = "replayed"
"""How often a record was replayed; a letter keeps its record's headers, so a second death is visible."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. `action`: the last action on it, None if it is open.

    `key`, `value` and `headers` are the record's own, byte for byte; of a `cut` letter they are its beginning.
    """

    id: str
    topic: str
    place: str
    at: datetime
    type: str
    reason: str
    error: str
    origin_topic: str
    origin: TopicPartition
    origin_offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    cut: bool
    record_sha256: str | None
    subject: str | None
    """Id of the command or delivery that the record is about; None if it cannot be read."""
    replays: int
    """Of this subject's letters, by the audit."""
    action: str | None
    body: JsonObject

    @property
    def times_replayed(self) -> int:
        """By its headers or by the audit: a delivery's headers do not survive its retry tiers."""
        return max(self.replays, *(_count(content) for name, content in self.headers if name == HEADER_REPLAYED), 0)

    def header(self, name: str) -> str | None:
        """The first of this name, for people."""
        return next((_text(content) for found, content in self.headers if found == name), None)

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


async def letters(settings: Settings, pool: Pool, selection: Selection) -> list[Letter]:
    """Oldest first, at most LETTERS_MAX read."""
    known = Known(await last_actions(pool), await replays_by_subject(pool))
    found: dict[str, Letter] = {}
    read = 0
    async with log_reader(settings) as reader:
        spans = await reader.spans(await reader.partitions(selection.topics), Start())
        async for record in reader.merged(spans):
            read += 1
            letter = letter_of(record, known)
            if letter is not None and letter.id not in found and selection.takes(letter):
                found[letter.id] = letter
            if read >= LETTERS_MAX:
                break
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Known:
    """The database's data about letters: letter id -> last action, subject -> number of replays."""

    actions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    replays: Mapping[str, int] = field(default_factory=dict)


def letter_of(record: LogRecord, known: Known) -> Letter | None:
    """None if the record is not a dead letter of ours."""
    envelope = record.envelope
    if envelope is None:
        return None
    body = envelope.body
    try:
        value = _value_of(body)
        subject = _subject_of(value)
        action = known.actions.get(envelope.id, {}).get("action")
        return Letter(
            id=envelope.id,
            topic=record.topic,
            place=record.place,
            at=envelope.at,
            type=envelope.type,
            reason=str(body["reason"]),
            error=str(body["error"]),
            origin_topic=str(body["origin"]["topic"]),
            origin=TopicPartition(str(body["origin"]["topic"]), int(body["origin"]["partition"])),
            origin_offset=int(body["origin"]["offset"]),
            key=None if body.get("null_key") is True else record.key,
            value=value,
            headers=_headers_of(body),
            cut=body.get("cut") is True,
            record_sha256=body.get("record_sha256"),
            subject=subject,
            replays=known.replays.get(subject, 0) if subject is not None else 0,
            action=None if action == REOPENED else action,
            body=body,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _value_of(body: JsonObject) -> bytes | None:
    if body.get("null_value") is True:
        return None
    if "value_base64" in body:
        return base64.b64decode(body["value_base64"], validate=True)
    return str(body["value"]).encode()


def _headers_of(body: JsonObject) -> tuple[tuple[str, bytes | None], ...]:
    """Letters written before there was a `header_list` have one text for each name."""
    if "header_list" not in body:
        return tuple((str(name), str(content).encode()) for name, content in body["headers"].items())
    return tuple(
        (
            str(one["name"]),
            None if one["value_base64"] is None else base64.b64decode(one["value_base64"], validate=True),
        )
        for one in body["header_list"]
    )


def _subject_of(value: bytes | None) -> str | None:
    """A delivery's log id stays the same over its attempts; a command's own id does."""
    try:
        envelope = decode(value)
    except UndecodableError:
        return None
    log_id = envelope.body.get("log_id")
    return log_id if isinstance(log_id, str) else envelope.id


def _count(content: bytes | None) -> int:
    """A header's number; 0 for anything else."""
    return int(content) if content is not None and content.isdigit() and len(content) <= COUNT_DIGITS_MAX else 0


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "replace")


def histogram(found: Iterable[Letter]) -> Sequence[tuple[tuple[str, str, str], int]]:
    """((topic, reason, state), how many), the most frequent first."""
    return Counter((letter.topic, letter.reason, letter.state) for letter in found).most_common()
