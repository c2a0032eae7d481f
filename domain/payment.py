"""One payment: what can be asked of it, what can happen to it, and when.

    CreatePayment ─► payment.created, payment.processing
    SettlePayment ─► payment.success | payment.failed
                     payment.late_success (+ refund.created) when a failed payment turns out to have been charged
    CapturePayment ─► payment.captured

    CREATED ─► PROCESSING ─► SUCCESS | FAILED          no other edge

A payment is one attempt at the bank: its id is the bank's idempotency key, so it can be charged at most once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.outcome import Outcome


class PaymentStatus(StrEnum):
    CREATED = "CREATED"
    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


class Method(StrEnum):
    UPI = "upi"
    CARD = "card"


UNDECIDED = frozenset({PaymentStatus.CREATED, PaymentStatus.PROCESSING})


@dataclass(frozen=True, slots=True)
class CreatePayment:
    """Pay an order. `merchant_id` None: a payer on a public route. `amount`, `currency`: None, or as the order's."""

    order_id: str
    payment_id: str
    merchant_id: str | None
    method: Method
    token: str
    vpa: str | None
    card_network: str | None
    card_last4: str | None
    amount: int | None
    currency: str | None
    deadline_at: datetime
    """When the sweeper asks the bank if no outcome is known by then."""


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


@dataclass(frozen=True, slots=True)
class CapturePayment:
    """Take the money of a successful payment. `amount` given: must equal the payment's."""

    order_id: str
    payment_id: str
    merchant_id: str
    amount: int | None


@dataclass(frozen=True, slots=True)
class Payment:
    """State of one payment. Amounts in minor units; `amount_refunded` counts pending and processed refunds."""

    id: str
    order_id: str
    merchant_id: str
    amount: int
    currency: str
    method: Method
    status: PaymentStatus
    captured: bool
    amount_refunded: int
    vpa: str | None
    card_network: str | None
    card_last4: str | None
    error_code: str | None
    error_description: str | None
    token: str
    bank_reference: str | None
    deadline_at: datetime
    version: int
    """Sequence of the last event that changed this payment."""
    created_at: datetime
    updated_at: datetime | None

    @property
    def refundable(self) -> int:
        """Minor units that no pending or processed refund has taken."""
        return self.amount - self.amount_refunded
