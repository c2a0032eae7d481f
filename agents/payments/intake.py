"""From a raw record to a command: what can be decoded goes on, what cannot is set aside with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from domain.order import Command
from topics.catalogue import COMMANDS
from topics.codec import command_of
from topics.deadletter import Origin
from topics.envelope import HEADER_REPLY_TO, Envelope, UndecodableError, checked_text, decode
from topics.producer import Headers


@dataclass(frozen=True, slots=True)
class Incoming:
    """One record of the commands topic."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    origin: Origin


@dataclass(frozen=True, slots=True)
class Asked:
    """A command as it stands on the log, and who waits for its answer."""

    envelope: Envelope
    command: Command
    reply_to: str | None
    incoming: Incoming


def incoming_of(message: Any) -> Incoming:
    """From a Faust message (key, value and headers as bytes)."""
    return Incoming(
        key=message.key,
        value=message.value,
        headers=message.headers or (),
        origin=Origin(COMMANDS, message.partition, message.offset),
    )


def asked_of(incoming: Incoming) -> Asked:
    """Decode. Raises UndecodableError, never anything else."""
    envelope = decode(incoming.value)
    if envelope.key.encode() != incoming.key:
        raise UndecodableError(f"the record's key is not its envelope's key {envelope.key!r}")
    return Asked(
        envelope=envelope, command=command_of(envelope), reply_to=_reply_to(incoming.headers), incoming=incoming
    )


def _reply_to(headers: Headers) -> str | None:
    """The first such header; None where nobody waits."""
    for name, content in headers:
        if name != HEADER_REPLY_TO:
            continue
        if content is None:
            raise UndecodableError(f"the header {HEADER_REPLY_TO} is null")
        try:
            return checked_text(content.decode(), HEADER_REPLY_TO)
        except UnicodeDecodeError as error:
            raise UndecodableError(f"the header {HEADER_REPLY_TO} is not UTF-8") from error
    return None
