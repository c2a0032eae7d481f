"""Whether an order may be created and paid at once: by the rules of both, one after the other; a refusal creates
neither."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from domain import rejection
from domain.decision import Decision
from domain.evolution import evolve
from domain.order import Order
from domain.purchase import PayNewOrder
from domain.rejection import Rejected
from domain.rules.orders import create_order
from domain.rules.payments import create_payment


def pay_new_order(order: Order | None, command: PayNewOrder, at: datetime) -> Decision | Rejected:
    """An existing order without this payment was created by another request, without a payment."""
    if order is not None:
        made = order.payment(command.payment.payment_id)
        if made is None or order.merchant_id != command.order.merchant_id:
            return rejection.ORDER_EXISTS
        return Decision((), made)
    created = create_order(None, command.order, at)
    if isinstance(created, Rejected):
        return replace(created, field=None if created.field is None else f"order.{created.field}")
    (event,) = created.events
    paying = create_payment(evolve(None, event), command.payment, at)
    return paying if isinstance(paying, Rejected) else Decision((event, *paying.events), paying.subject)
