"""The order: the consistency boundary. An order with its payments and refunds is one state, decided on in one place.

decide(order | None, command, at) -> Decision(events, subject) | Rejected      domain/machine.py
evolve(order | None, event) -> Order                                           domain/evolution.py
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.payment import Payment
from domain.refund import Refund


class OrderStatus(StrEnum):
    CREATED = "CREATED"
    PAID = "PAID"


@dataclass(frozen=True, slots=True)
class CreateOrder:
    """Ask for `amount` minor units. `notes`: up to 15 short texts of the merchant's."""

    order_id: str
    merchant_id: str
    amount: int
    currency: str
    receipt: str | None
    notes: dict[str, str]


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

    def payment(self, payment_id: str) -> Payment | None:
        return next((payment for payment in self.payments if payment.id == payment_id), None)

    def refund(self, refund_id: str) -> Refund | None:
        return next((refund for refund in self.refunds if refund.id == refund_id), None)
