"""What the gateway needs of a bank. The attempt id (payment or refund id) is the bank's idempotency key.

    tokenize(CardDetails) ─► token: the only part of a card that is stored

    charge(Charge) ┐                            query(attempt_id) ─► Report | None (never seen)
                   │                            cancel(attempt_id) ─► what then holds | None (never seen)
    refund(Return) ┴► Report | NoResponseError  notifications()   ─► unsolicited reports: late, repeated, contradicting
                                                an earlier one; each is repeated until confirm(report)

    read_notification(headers, body) ─► the report that the bank sent over HTTP (see door.py)
    books()                          ─► every attempt as the bank booked it, for `gateway verify`

A report is a BankResult; ActionRequired: the payer must take a step first, and the result follows; or CancelRefused.

NoResponseError means *unknown*: the bank may have moved the money. It is resolved by `query`, never by requesting the
charge again without having queried.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from domain.action import NextAction
from domain.card import CardDetails
from domain.instrument import Method
from domain.outcome import Outcome


class NoResponseError(Exception):
    """No response in time, or the bank cannot be reached. Whether money moved is unknown."""


class ForgedError(Exception):
    """A notification that the bank did not sign."""


class UnreadableError(Exception):
    """The bank signed it, but the adapter has no such notification."""


@dataclass(frozen=True, slots=True)
class Charge:
    """Take `amount` minor units from the instrument behind `token`."""

    attempt_id: str
    amount: int
    currency: str
    method: Method
    token: str


@dataclass(frozen=True, slots=True)
class Return:
    """Give back `amount` minor units of the charge `of_attempt`."""

    attempt_id: str
    of_attempt: str
    amount: int
    currency: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel the attempt, which waits for its payer. `unseen`: what to send to a bank that has not seen it; None: only
    query whether the bank has seen it by then."""

    attempt_id: str
    unseen: Charge | None = None


Request = Charge | Return | Cancel
"""The requests that a bank accepts."""


@dataclass(frozen=True, slots=True)
class BankResult:
    """The outcome of one attempt, as the bank reports it."""

    attempt_id: str
    outcome: Outcome
    error_code: str | None
    error_description: str | None
    reference: str
    turn: int = 0
    """How often the bank has reversed the outcome of the attempt: the report with the highest turn holds. An adapter
    derives it from whatever its bank offers to order reports by (a version, a sequence, a list of changes)."""


@dataclass(frozen=True, slots=True)
class ActionRequired:
    """The bank has the attempt and decides it once the payer has taken this step. No money has moved."""

    attempt_id: str
    action: NextAction


@dataclass(frozen=True, slots=True)
class CancelRefused:
    """The bank refuses to cancel the attempt: its payer can still take the step."""

    attempt_id: str


Report = BankResult | ActionRequired | CancelRefused
"""A report of the bank about an attempt."""

WAITING = "waiting"
"""Outcome of a booking whose payer has a step to take."""


class Booking(NamedTuple):
    """One attempt in the bank's books. A plain tuple, because an audit reads a million of them."""

    attempt_id: str
    kind: str
    """`charge` or `refund`."""
    of_attempt: str | None
    """The charge that a refund gives back."""
    amount: int
    currency: str
    reference: str
    outcome: str
    """`success`, `failed` or WAITING."""
    turn: int
    """How often the bank has reversed the outcome."""
    moves: int
    """How often the money moved, there or back."""
    changes_at: datetime | None
    """When the outcome will change, or last changed. None: it has not changed, and no change is scheduled."""
    becomes: str | None
    """The outcome after that change; None if none is scheduled."""


class Bank(Protocol):
    """A bank. Implementations bound every wait."""

    @property
    def remembers(self) -> timedelta | None:
        """How long after it has received an attempt `query` is certain to return it; None: always. What is older, and
        unknown to the bank, is not sent: it may have been carried out."""
        ...

    async def tokenize(self, card: CardDetails) -> str:
        """The bank's token for the card. Raises OSError if the bank cannot be reached; nothing was charged then."""
        ...

    async def charge(self, charge: Charge) -> Report: ...

    async def refund(self, refund: Return) -> BankResult: ...

    async def query(self, attempt_id: str) -> Report | None: ...

    async def cancel(self, attempt_id: str) -> BankResult | CancelRefused | None:
        """Request that the bank cancel an attempt that waits for its payer. Returns what holds then: a failure if it
        agreed, or the earlier outcome. None: the bank has never seen the attempt, and may still receive it.

        An attempt that was cancelled is over: another charge, or the payer's step, returns the same result.
        Raises NoResponseError: whether it was cancelled is unknown; repeating the request is safe.
        """
        ...

    def read_notification(self, headers: Mapping[str, str], body: bytes) -> Report:
        """Read a notification from an HTTP request. `headers`: names are case-insensitive. Raises ForgedError,
        UnreadableError."""
        ...

    def notifications(self) -> AsyncIterator[Report]: ...

    def books(self, attempt_ids: Sequence[str] | None = None) -> AsyncGenerator[Sequence[Booking], None]:
        """Every attempt that the bank ever booked, once each, in the byte order of attempt ids, in chunks.

        `attempt_ids`: only those of them that the bank has booked. Never holds more than one chunk in memory. Raises
        OSError if the books cannot be read.
        """
        ...

    async def confirm(self, report: Report) -> None:
        """Confirm this report: the bank does not repeat it. A later one about the same attempt is still sent."""
