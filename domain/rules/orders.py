"""May this order be created?"""

from __future__ import annotations

from datetime import datetime

from domain import rejection
from domain.decision import Decision
from domain.event import EventType, OrderEvent
from domain.money import is_payable
from domain.order import CreateOrder, Order, OrderStatus
from domain.rejection import Rejected


def create_order(order: Order | None, command: CreateOrder, at: datetime) -> Decision | Rejected:
    if order is not None:
        return Decision((), order) if order.merchant_id == command.merchant_id else rejection.ORDER_EXISTS
    if not is_payable(command.amount):
        return rejection.AMOUNT_TOO_SMALL
    created = Order(
        id=command.order_id,
        merchant_id=command.merchant_id,
        amount=command.amount,
        currency=command.currency,
        receipt=command.receipt,
        notes=command.notes,
        status=OrderStatus.CREATED,
        version=1,
        last_event_at=at,
        created_at=at,
        updated_at=None,
    )
    return Decision((OrderEvent(EventType.ORDER_CREATED, 1, at, created),), created)
