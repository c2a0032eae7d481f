"""What the gateway needs of a bank. The attempt id (payment or refund id) is the bank's idempotency key.

    tokenize(CardDetails) ─► token: all that is kept of a card

    charge(Charge) ┐                            query(attempt_id) ─► Report | None (never seen)
                   │                            cancel(attempt_id) ─► what then holds | None (never seen)
    refund(Return) ┴► Report | NoResponseError  notifications()   ─► unsolicited reports: late, repeated, contradicting
                                                an earlier one; each is repeated until confirm(report)

    read_notification(headers, body) ─► the report that the bank sent to our door (see door.py)
    books()                          ─► every attempt as the bank booked it, for `gateway verify`

A report is a BankResult; ActionRequired: the payer has to do something first, and the result follows; or CancelRefused.

NoResponseError means *unknown*: the bank may have moved the money. It is resolved by `query`, never by requesting the
charge again without having queried.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from domain.action import NextAction
from domain.card import CardDetails
from domain.instrument import Method
from domain.outcome import Outcome


class NoResponseError(Exception):
    """No answer in time, or the bank cannot be reached. Whether money moved is unknown."""


class ForgedError(Exception):
    """A notification that the bank did not sign."""


class UnreadableError(Exception):
    """The bank signed it, but it is not a notification that the adapter knows."""


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
    """Give up the attempt, which waits for its payer. `unseen`: what to ask of a bank that does not know it; None: only
    whether it knows it by then."""

    attempt_id: str
    unseen: Charge | None = None


Request = Charge | Return | Cancel
"""What a bank can be asked to do."""


@dataclass(frozen=True, slots=True)
class BankResult:
    """The bank's word on one attempt."""

    attempt_id: str
    outcome: Outcome
    error_code: str | None
    error_description: str | None
    reference: str
    turn: int = 0
    """How often the bank has changed its word about the attempt: the word of the highest turn is the one that holds.
    An adapter takes it from what its bank offers to order words by (a version, a sequence, a list of changes)."""


@dataclass(frozen=True, slots=True)
class ActionRequired:
    """The bank knows the attempt and decides it once the payer has taken this step. No money has moved."""

    attempt_id: str
    action: NextAction


@dataclass(frozen=True, slots=True)
class CancelRefused:
    """The bank does not cancel the attempt: its payer can still take the step."""

    attempt_id: str


Report = BankResult | ActionRequired | CancelRefused
"""What the bank has to report about an attempt."""

WAITING = "waiting"
"""Outcome of a booking whose payer has a step to take."""


class Booking(NamedTuple):
    """One attempt in the bank's books. A plain tuple, for an audit reads a million of them."""

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
    """How often the bank has changed its word."""
    moves: int
    """How often the money moved, there or back."""
    changes_at: datetime | None
    """When the outcome changes, or has changed last. None: it never has, and will not as far as the bank knows."""
    becomes: str | None
    """Which outcome it then has; None where there is no change to come."""


class Bank(Protocol):
    """A bank. Implementations bound every wait."""

    async def tokenize(self, card: CardDetails) -> str:
        """The bank's name for the card. Raises OSError where the bank cannot be reached; nothing was charged then."""
        ...

    async def charge(self, charge: Charge) -> Report: ...

    async def refund(self, refund: Return) -> BankResult: ...

    async def query(self, attempt_id: str) -> Report | None: ...

    async def cancel(self, attempt_id: str) -> BankResult | CancelRefused | None:
        """Ask the bank to give up an attempt that waits for its payer. What then holds: a failure where it agreed, or
        what was decided before. None: the bank has never seen the attempt, and may still be asked for it.

        An attempt that was cancelled is over: charging it once more, or the payer's step, has the same answer.
        Raises NoResponseError: whether it was cancelled is unknown; asking again does no harm.
        """
        ...

    def read_notification(self, headers: Mapping[str, str], body: bytes) -> Report:
        """A request to our door. `headers`: names without regard to case. Raises ForgedError, UnreadableError."""
        ...

    def notifications(self) -> AsyncIterator[Report]: ...

    def books(self, attempt_ids: Sequence[str] | None = None) -> AsyncGenerator[Sequence[Booking], None]:
        """Every attempt that the bank ever booked, once each, in the byte order of attempt ids, some at a time.

        `attempt_ids`: only these, and of them those that the bank knows. Never holds more than a window in memory.
        Raises OSError where the books cannot be read.
        """
        ...

    async def confirm(self, report: Report) -> None:
        """This report was received and is not repeated. A later one about the same attempt still is."""
