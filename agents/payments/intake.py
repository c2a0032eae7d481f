"""From a raw record to a command: a decodable record continues, any other is set aside with the reason.

record ─► envelope ─► its time within bounds of the log's own timestamp ─► Asked
       └► cannot be decoded: the waiting request, if the record names it (Caller)

The time of a command is the clock of the host that wrote it. The log's timestamp is the broker's: one clock for all
hosts, and the same for a record however often it is read, so that deciding it again makes the same bytes. The actor's
own clock would make different ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from domain.decision import Command
from domain.payment import CreatePayment, SettlePayment
from domain.purchase import PayNewOrder
from domain.refund import CreateRefund
from topics.catalogue import COMMANDS, partition_of
from topics.codec import command_of
from topics.deadletter import Origin
from topics.envelope import (
    HEADER_FORWARDED,
    HEADER_REPLY_TO,
    Envelope,
    UndecodableError,
    checked_text,
    decode,
    read_json,
)
from topics.producer import REQUEST_TIMEOUT_MS, Headers, Record
from topics.records import instant_of

AHEAD_MAX = timedelta(seconds=5)
"""How far a host's clock may be ahead of the broker's. Synchronized hosts differ by milliseconds."""
BEHIND_MAX = timedelta(milliseconds=REQUEST_TIMEOUT_MS) + AHEAD_MAX
"""The longest that a producer holds a record before the log has it, or by which a clock may be behind."""


HOPS_MAX = 3
"""How often a command is forwarded. Twice happens while actors notice that the log has grown, one after another."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One record of the commands topic. `logged_at`: when the broker appended it, by the broker's clock."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    origin: Origin
    logged_at: datetime


@dataclass(frozen=True, slots=True)
class Received:
    """A command as it is on the log, its time within bounds, and the request that waits for the reply.

    `home`: the partition that its order has now, and that holds its events. The command may be on a former one.
    """

    envelope: Envelope
    command: Command
    reply_to: str | None
    incoming: Incoming
    home: int

    @property
    def is_at_home(self) -> bool:
        return self.incoming.origin.partition == self.home


@dataclass(frozen=True, slots=True)
class Caller:
    """A request that waits at the API worker `reply_to`."""

    reply_to: str
    command_id: str
    nonce: str


def incoming_of(message: Any) -> Incoming:
    """From a Faust message (key, value and headers as bytes, timestamp in seconds)."""
    return Incoming(
        key=message.key,
        value=message.value,
        headers=message.headers or (),
        origin=Origin(COMMANDS, message.partition, message.offset),
        logged_at=instant_of(message.timestamp * 1_000),
    )


def received_of(incoming: Incoming, partitions: int | None = None) -> Received:
    """Decode. `partitions`: of the log; None: the command counts as at home wherever it is.

    Raises UndecodableError, never anything else.
    """
    envelope = decode(incoming.value)
    if envelope.key.encode() != incoming.key:
        raise UndecodableError(f"the record's key is not its envelope's key {envelope.key!r}")
    command, reply_to = command_of(envelope), _reply_to(incoming.headers)
    try:
        by = _shift(envelope.at, incoming.logged_at)
        if by:
            envelope, command = _moved(envelope, command, by)
    except OverflowError as error:
        raise UndecodableError("the command's time is at the end of the calendar") from error
    home = incoming.origin.partition if partitions is None else partition_of(envelope.key.encode(), partitions)
    return Received(envelope=envelope, command=command, reply_to=reply_to, incoming=incoming, home=home)


def caller_of(incoming: Incoming) -> Caller | None:
    """The request that waits for a command that cannot be decoded, if the record still names it."""
    try:
        reply_to = _reply_to(incoming.headers)
        record = read_json(incoming.value or b"")
        command_id, nonce = checked_text(record["id"], "id"), checked_text(record.get("nonce", ""), "nonce")
    except Exception:
        # As in `decode`: whatever the bytes are, the record causes the error.
        return None
    return None if reply_to is None else Caller(reply_to, command_id, nonce)


def sent_home(one: Received) -> Record:
    """The same command for the partition that its order has now, with its former position."""
    incoming = one.incoming
    headers = [*incoming.headers, (HEADER_FORWARDED, str(incoming.origin).encode())]
    return Record(COMMANDS, one.home, incoming.key, incoming.value, headers)


def hops_of(incoming: Incoming) -> int:
    """How often it was forwarded."""
    return sum(name == HEADER_FORWARDED for name, _ in incoming.headers)


def _reply_to(headers: Headers) -> str | None:
    """The first such header; None if no request waits."""
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


def _shift(at: datetime, logged_at: datetime) -> timedelta:
    """By how much an instant must move to be within bounds of the log's timestamp."""
    latest, earliest = logged_at + AHEAD_MAX, logged_at - BEHIND_MAX
    return min(at, latest) - at if at > earliest else earliest - at


def _moved(envelope: Envelope, command: Command, by: timedelta) -> tuple[Envelope, Command]:
    """The command with all its instants moved. Raises UndecodableError if one leaves the calendar."""
    try:
        match command:
            case CreatePayment() | CreateRefund():
                command = replace(command, deadline_at=command.deadline_at + by)
            case PayNewOrder(payment=payment):
                command = replace(command, payment=replace(payment, deadline_at=payment.deadline_at + by))
            case SettlePayment():
                command = replace(command, late_deadline_at=command.late_deadline_at + by)
            case _:
                pass
    except OverflowError as error:
        raise UndecodableError(f"an instant of the command is out of range: {error}") from error
    at = envelope.at + by
    # Never a whole second: every rendered event time has six fractional digits.
    return replace(envelope, at=at if at.microsecond else at.replace(microsecond=1)), command
