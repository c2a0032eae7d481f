"""The history of a world, one note after the other, and the hash that shows whether two runs were the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from simulation.scheduler import PROCESS, Scheduler

if TYPE_CHECKING:
    from simulation.log import Message


@dataclass(frozen=True, slots=True)
class Note:
    """`about`: ids that the note concerns, for reading the history of one order."""

    at: float
    process: str
    kind: str
    text: str
    about: str

    def __str__(self) -> str:
        return f"{self.at:9.4f}  {self.process:<13} {self.kind:<9} {self.text}"


@dataclass(slots=True)
class Trace:
    """Notes are rendered only if `kept`; the hash covers every one and the number of steps."""

    scheduler: Scheduler
    kept: bool
    notes: list[Note] = field(default_factory=list)
    _digest: hashlib.blake2b = field(default_factory=lambda: hashlib.blake2b(digest_size=8))

    def note(self, kind: str, text: str, about: str = "") -> None:
        now = self.scheduler.now
        self._digest.update(f"{now}{kind}{text}".encode())
        if self.kept:
            self.notes.append(Note(now, PROCESS.get().name, kind, text, about))

    def record(self, message: Message) -> None:
        """A record was appended to the log."""
        value = message.value or b""
        self._digest.update(b"%f%d%d" % (self.scheduler.now, message.partition, message.offset))
        self._digest.update(value)
        if self.kept:
            place = f"{message.topic.removesuffix('.v1')}/{message.partition}@{message.offset}"
            text, about = _summary(value)
            self.notes.append(Note(self.scheduler.now, "log", "record", f"{place} {text}", about))

    def hash(self) -> str:
        return f"{self._digest.hexdigest()}-{self.scheduler.steps}"


def _summary(value: bytes) -> tuple[str, str]:
    try:
        envelope = orjson.loads(value)
        nonce = f" nonce {envelope['nonce'][:6]}" if envelope.get("nonce") else ""
        text = f"{envelope['type']} {envelope['id'][:48]}{nonce} ({envelope['request_id']})"
        return text, f"{envelope['key']} {envelope['id']}"
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return repr(value[:60]), ""
