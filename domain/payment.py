"""One payment: its commands, its events, and which command leads to which event.

    CreatePayment  ─► payment.created, payment.processing
    RequireAction  ─► payment.action_required                the bank needs a step of the payer's first
    CancelPayment  ─► payment.cancel_requested               the bank is requested to cancel the attempt, and decides
    RefuseCancel   ─► payment.cancel_refused                 it refuses; otherwise it settles the payment
    SettlePayment  ─► payment.success | payment.failed          the bank's first outcome
                      (+ payment.captured)                      if the order captures automatically
                      payment.late_success (+ refund.created)   a later one: it charged the failed payment after all
                      payment.reversed                          a later one: it has returned the money
                      payment.reinstated                        a later one: it has the successful payment's money again
    CapturePayment ─► payment.captured (+ refund.created)       the rest is released: it is refunded
    VoidPayment    ─► payment.voided, refund.created            all of it is released
    ExpirePayment  ─► payment.expired, refund.created           its capture came too late

    CREATED ─► PROCESSING ─► SUCCESS | FAILED          no other edge: a reversal changes `reversed`, not the status

A payment is one attempt at the bank: its id is the bank's idempotency key, so it can be charged at most once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from domain.action import NextAction
from domain.instrument import Instrument, Method
from domain.outcome import Outcome


class PaymentStatus(StrEnum):
    CREATED = "CREATED"
    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


class VoidReason(StrEnum):
    """Why a successful payment was released without a capture."""

    REQUESTED = "requested"
    EXPIRED = "expired"


class Cancellation(StrEnum):
    """State of a request to cancel a pending attempt."""

    REQUESTED = "requested"
    REFUSED = "refused"


RETURN_TIME = timedelta(minutes=1)
"""Until the sweeper queries the bank about the refund of released money."""
CANCEL_TIME = timedelta(seconds=30)
"""Until the sweeper sends the bank a cancellation that the processor could not complete: longer than the processor
tries."""
UNDECIDED = frozenset({PaymentStatus.CREATED, PaymentStatus.PROCESSING})


@dataclass(frozen=True, slots=True)
class CreatePayment:
    """Pay an order. `merchant_id` None: a payer on a public route. `amount`, `currency`: None, or equal to the order's.

    `name`, `email`, `contact`, `description`: who pays and for what (domain/payer.py). `notes` None: the order's.
    """

    order_id: str
    payment_id: str
    merchant_id: str | None
    instrument: Instrument
    token: str
    amount: int | None
    currency: str | None
    deadline_at: datetime
    """When the sweeper queries the bank if no outcome is known by then."""
    name: str | None = None
    email: str | None = None
    contact: str | None = None
    description: str | None = None
    notes: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class RequireAction:
    """The bank decides the payment's attempt once the payer has taken this step."""

    order_id: str
    payment_id: str
    action: NextAction


@dataclass(frozen=True, slots=True)
class CancelPayment:
    """Leave the payment's attempt while it is undecided. `merchant_id` None: its payer, on a public route."""

    order_id: str
    payment_id: str
    merchant_id: str | None


@dataclass(frozen=True, slots=True)
class RefuseCancel:
    """The bank refuses to cancel the payment's attempt: its payer can still approve it."""

    order_id: str
    payment_id: str


@dataclass(frozen=True, slots=True)
class SettlePayment:
    """The bank's report about the payment's attempt. `late_deadline_at` is the deadline of an automatic refund."""

    order_id: str
    payment_id: str
    outcome: Outcome
    error_code: str | None
    error_description: str | None
    bank_reference: str | None
    late_deadline_at: datetime
    turn: int = 0
    """How often the bank had reversed the outcome of the attempt by this report."""


@dataclass(frozen=True, slots=True)
class CapturePayment:
    """Capture `amount` of what refunds have left of a successful payment; None: all of it. The rest is released."""

    order_id: str
    payment_id: str
    merchant_id: str
    amount: int | None


@dataclass(frozen=True, slots=True)
class VoidPayment:
    """Release the money of a success that is not captured."""

    order_id: str
    payment_id: str
    merchant_id: str


@dataclass(frozen=True, slots=True)
class ExpirePayment:
    """The time for its capture may be over: the decision is made on the payment's own state."""

    order_id: str
    payment_id: str


@dataclass(frozen=True, slots=True)
class Payment:
    """State of one payment. Amounts in minor units.

    Reversals by the bank can raise the sum of its pending and processed refunds above the money that it has.
    `amount_refunded` is the part of that sum that is not released money, at most `amount`; `amount_owed` is the part
    that no money of this payment covers.
    """

    id: str
    order_id: str
    merchant_id: str
    amount: int
    currency: str
    instrument: Instrument
    status: PaymentStatus
    captured: bool
    amount_refunded: int
    error_code: str | None
    error_description: str | None
    token: str
    bank_reference: str | None
    deadline_at: datetime
    version: int
    """Sequence of the last event that changed this payment."""
    created_at: datetime
    updated_at: datetime | None
    amount_owed: int = 0
    reversed: bool = False
    """The bank has returned money that it had charged."""
    bank_turn: int = 0
    """`Word.turn` of the bank's last report."""
    next_action: NextAction | None = None
    """The payer's step before the bank decides; only while the payment is PROCESSING."""
    cancellation: Cancellation | None = None
    """Only while the payment is PROCESSING: the bank's outcome ends it."""
    amount_captured: int = 0
    """The captured amount. Later refunds do not change it."""
    amount_released: int = 0
    """The amount that was authorized and will never be captured: the gateway refunds it."""
    voided: bool = False
    void_reason: VoidReason | None = None
    capture_before: datetime | None = None
    """When it can no longer be captured. None: no such time, or captured or voided by now."""
    name: str | None = None
    email: str | None = None
    contact: str | None = None
    description: str | None = None
    receipt: str | None = None
    """The order's: the merchant's own reference."""
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def method(self) -> Method:
        return self.instrument.method

    @property
    def refundable(self) -> int:
        """Minor units that are neither released nor taken by a pending or processed refund.

        0 once the bank has returned the money.
        """
        return 0 if self.reversed else self.amount - self.amount_released - self.amount_refunded
