"""One refund of a payment: several partial ones may exist; when made, they never exceed the payment together.

CreateRefund ─► refund.created                 PENDING, its amount taken from what is refundable
SettleRefund ─► refund.processed               PROCESSED
                refund.failed                  FAILED, its amount given back; also when a processed refund bounces
                refund.late_success            PROCESSED although it had failed: its amount is taken again, and what
                                               is no longer there is money owed (`Payment.amount_owed`)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.outcome import Outcome

LATE_SUCCESS_REASON = "late_success"
RELEASED_REASON = "released"
LATE_REFUNDS_MAX = 40
"""Automatic refunds of one payment. The sweeper waits twice as long after each refusal, at most a day. So these last
for a month; then an operator must act, and `gateway verify` has a finding."""


class RefundStatus(StrEnum):
    PENDING = "PENDING"
    PROCESSED = "PROCESSED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class CreateRefund:
    """Give back `amount` minor units of a successful payment; None: the whole remainder.

    `receipt`, `notes`: the merchant's own reference and texts.
    """

    order_id: str
    payment_id: str
    refund_id: str
    merchant_id: str
    amount: int | None
    reason: str | None
    deadline_at: datetime
    receipt: str | None = None
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SettleRefund:
    """The bank's report about the refund."""

    order_id: str
    refund_id: str
    outcome: Outcome
    error_code: str | None
    error_description: str | None
    bank_reference: str | None
    turn: int = 0
    """How often the bank had reversed the outcome of the attempt by this report."""


@dataclass(frozen=True, slots=True)
class Refund:
    """State of one refund. `automatic`: made by the gateway, for a late success or released money.

    `processed_at`: when the bank last carried it out; kept if the refund bounces.
    """

    id: str
    payment_id: str
    order_id: str
    merchant_id: str
    amount: int
    currency: str
    reason: str | None
    status: RefundStatus
    automatic: bool
    error_code: str | None
    error_description: str | None
    bank_reference: str | None
    deadline_at: datetime
    version: int
    created_at: datetime
    processed_at: datetime | None
    updated_at: datetime | None
    bank_turn: int = 0
    """`Word.turn` of the bank's last report."""
    receipt: str | None = None
    notes: dict[str, str] = field(default_factory=dict)
