"""One payment: its commands, its events, and which command leads to which event.

    CreatePayment  ─► payment.created, payment.processing
    RequireAction  ─► payment.action_required                the bank needs a step of the payer's first
    SettlePayment  ─► payment.success | payment.failed          the bank's first word
                      payment.late_success (+ refund.created)   a later one: it charged the failed payment after all
                      payment.reversed                          a later one: it has taken the money back
                      payment.reinstated                        a later one: it has the successful payment's money again
    CapturePayment ─► payment.captured

    CREATED ─► PROCESSING ─► SUCCESS | FAILED          no other edge: a bank that turns moves `reversed`, not the status

A payment is one attempt at the bank: its id is the bank's idempotency key, so it can be charged at most once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.action import NextAction
from domain.instrument import Instrument, Method
from domain.outcome import Outcome


class PaymentStatus(StrEnum):
    CREATED = "CREATED"
    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


UNDECIDED = frozenset({PaymentStatus.CREATED, PaymentStatus.PROCESSING})


@dataclass(frozen=True, slots=True)
class CreatePayment:
    """Pay an order. `merchant_id` None: a payer on a public route. `amount`, `currency`: None, or as the order's."""

    order_id: str
    payment_id: str
    merchant_id: str | None
    instrument: Instrument
    token: str
    amount: int | None
    currency: str | None
    deadline_at: datetime
    """When the sweeper asks the bank if no outcome is known by then."""


@dataclass(frozen=True, slots=True)
class RequireAction:
    """The bank decides the payment's attempt once the payer has taken this step."""

    order_id: str
    payment_id: str
    action: NextAction


@dataclass(frozen=True, slots=True)
class SettlePayment:
    """What the bank says about the payment's attempt. `late_deadline_at` is the deadline of an automatic refund."""

    order_id: str
    payment_id: str
    outcome: Outcome
    error_code: str | None
    error_description: str | None
    bank_reference: str | None
    late_deadline_at: datetime
    turn: int = 0
    """How often the bank had changed its word about the attempt when it gave this one."""


@dataclass(frozen=True, slots=True)
class CapturePayment:
    """Take what refunds have left of a successful payment. `amount` given: must equal it."""

    order_id: str
    payment_id: str
    merchant_id: str
    amount: int | None


@dataclass(frozen=True, slots=True)
class Payment:
    """State of one payment. Amounts in minor units.

    Its pending and processed refunds add up to a sum that the bank's turns can raise above the money there is.
    `amount_refunded` is that sum up to `amount`; `amount_owed` is what of it no money of this payment covers.
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
    """The bank has taken back money that it had charged."""
    bank_turn: int = 0
    """`Word.turn` of the bank's last word."""
    next_action: NextAction | None = None
    """What the payer has to do before the bank decides; only while the payment is PROCESSING."""
    amount_captured: int = 0
    """What the capture took. Refunds that come later do not change it."""

    @property
    def method(self) -> Method:
        return self.instrument.method

    @property
    def refundable(self) -> int:
        """Minor units that no pending or processed refund has taken; 0 once the bank has taken the money back."""
        return 0 if self.reversed else self.amount - self.amount_refunded
