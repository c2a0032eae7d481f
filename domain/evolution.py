"""An order's state as a fold over its events: `evolve(order | None, event) -> Order`."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from domain.event import Event, EventType, OrderEvent, PaymentEvent, RefundEvent
from domain.order import Order, OrderStatus
from domain.payment import Payment
from domain.refund import Refund


def evolve(order: Order | None, event: Event) -> Order:
    """The order after `event`. Events arrive in sequence, each once."""
    match event:
        case OrderEvent():
            return event.order
        case PaymentEvent():
            assert order is not None and event.sequence == order.version + 1
            paid = event.type is EventType.PAYMENT_SUCCESS
            return replace(
                order,
                status=OrderStatus.PAID if paid else order.status,
                updated_at=event.at if paid else order.updated_at,
                version=event.sequence,
                last_event_at=event.at,
                payments=_with(order.payments, event.payment),
            )
        case RefundEvent():
            assert order is not None and event.sequence == order.version + 1
            return replace(
                order,
                version=event.sequence,
                last_event_at=event.at,
                payments=_with(order.payments, event.payment),
                refunds=with_refund(order.refunds, event.refund),
            )
    assert_never(event)


def _with(payments: tuple[Payment, ...], changed: Payment) -> tuple[Payment, ...]:
    others = tuple(payment for payment in payments if payment.id != changed.id)
    return (*others, changed)


def with_refund(refunds: tuple[Refund, ...], changed: Refund) -> tuple[Refund, ...]:
    others = tuple(refund for refund in refunds if refund.id != changed.id)
    return (*others, changed)
