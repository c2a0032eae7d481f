"""An order and its first payment as one command, for clients that know the instrument when they create the order.

PayNewOrder ─► order.created, payment.created, payment.processing          all of it, or a refusal and none of it
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.order import CreateOrder
from domain.payment import CreatePayment


@dataclass(frozen=True, slots=True)
class PayNewOrder:
    """Create the order, and pay it. Both parts name the same order."""

    order: CreateOrder
    payment: CreatePayment

    @property
    def order_id(self) -> str:
        return self.order.order_id
