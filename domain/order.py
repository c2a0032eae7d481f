"""The order: the consistency boundary. An order with its payments and refunds is one state, and all decisions about it
are made in one place.

    CreateOrder ─► order.created       CREATED
    CancelOrder ─► order.cancelled     CANCELLED      by its merchant, while no payment is undecided
    ExpireOrder ─► order.expired       EXPIRED        from `expires_at` on, once no payment is awaited
                   order.paid          PAID           with the payment's success

decide(order | None, command, at) -> Decision(events, subject) | Rejected      domain/machine.py
evolve(order | None, event) -> Order                                           domain/evolution.py
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.link import PaymentLink
from domain.payment import UNDECIDED, Payment
from domain.refund import Refund


class OrderStatus(StrEnum):
    CREATED = "CREATED"
    PAID = "PAID"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


class CaptureMode(StrEnum):
    """Whether the merchant captures a payment of the order, or its success captures it automatically."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"


ENDED = frozenset({OrderStatus.CANCELLED, OrderStatus.EXPIRED})
"""No payment of such an order ever succeeds."""
EXPIRES_AFTER_MIN, EXPIRES_AFTER_MAX = timedelta(minutes=5), timedelta(days=180)
"""How far ahead of its creation an order may expire."""
CAPTURE_WITHIN_MINUTES_MAX = 180 * 24 * 60
SETTLING_TIME = timedelta(minutes=1)
"""How long past its payment's deadline an order whose time is over still waits for the outcome: by then the sweeper has
queried the bank six times. A payer who began in time can complete the payment, but a slow bank cannot hold an order
open for hours."""


@dataclass(frozen=True, slots=True)
class CreateOrder:
    """Request a payment of `amount` minor units. `notes`: up to 15 short texts of the merchant's. `link`: it is sent to
    a customer."""

    order_id: str
    merchant_id: str
    amount: int
    currency: str
    receipt: str | None
    notes: dict[str, str]
    expires_at: datetime | None = None
    capture: CaptureMode = CaptureMode.MANUAL
    capture_within_minutes: int | None = None
    link: PaymentLink | None = None
    return_url: str | None = None
    """The page that its payer returns to (domain/way_back.py)."""


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Its merchant no longer accepts a payment of it."""

    order_id: str
    merchant_id: str


@dataclass(frozen=True, slots=True)
class ExpireOrder:
    """Its time may be over: the decision is made on the order's own state."""

    order_id: str


@dataclass(frozen=True, slots=True)
class Order:
    """State of one order and of everything below it; small: an order has a payment or two."""

    id: str
    merchant_id: str
    amount: int
    currency: str
    receipt: str | None
    notes: dict[str, str]
    status: OrderStatus
    version: int
    """Sequence of the last event of this order or of anything below it."""
    last_event_at: datetime
    created_at: datetime
    updated_at: datetime | None
    payments: tuple[Payment, ...] = ()
    refunds: tuple[Refund, ...] = ()
    expires_at: datetime | None = None
    capture: CaptureMode = CaptureMode.MANUAL
    capture_within_minutes: int | None = None
    """How long after its success a payment waits for its capture; then its money is refunded. None: no limit."""
    link: PaymentLink | None = None
    return_url: str | None = None

    @property
    def amount_paid(self) -> int:
        """Minor units that a payment captured, whatever was refunded later."""
        return self.amount if self.status is OrderStatus.PAID else 0

    @property
    def has_undecided_payment(self) -> bool:
        return any(payment.status in UNDECIDED for payment in self.payments)

    def is_payable(self, at: datetime) -> bool:
        """Whether a payment may begin: the order has not ended, and its time is not over."""
        return self.status not in ENDED and not self.is_over(at)

    def is_over(self, at: datetime) -> bool:
        return self.expires_at is not None and at >= self.expires_at

    def is_awaited(self, at: datetime) -> bool:
        """Whether a payment that began in time may still bring its outcome."""
        return any(
            payment.status in UNDECIDED and at < payment.deadline_at + SETTLING_TIME for payment in self.payments
        )

    def payment(self, payment_id: str) -> Payment | None:
        return next((payment for payment in self.payments if payment.id == payment_id), None)

    def refund(self, refund_id: str) -> Refund | None:
        return next((refund for refund in self.refunds if refund.id == refund_id), None)
