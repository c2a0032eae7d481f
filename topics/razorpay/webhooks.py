"""Webhooks of the double: which of its events each of ours becomes, and their bodies.

    payment.success ─► payment.authorized           payment.captured ─► payment.captured, order.paid
    payment.failed  ─► payment.failed               refund.*         ─► refund.created, refund.processed, refund.failed
    payment_link.paid ─► payment_link.paid

    {"entity": "event", "account_id", "event", "contains", "payload": {"payment": {"entity": …}, …}, "created_at"}

Entities are as the event left them, never as they are when the body is made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import orjson

from domain.event import EventType
from topics.events import LinkRecord, PaymentRecord, RefundRecord
from topics.razorpay.entities import (
    Entity,
    Payer,
    RefundTerms,
    Resource,
    Totals,
    account_id,
    link_entity,
    order_entity,
    payment_entity,
    refund_entity,
    seconds,
)

ORDER_PAID = "order.paid"
PAYMENT_FAILED = "payment.failed"
LINK_PAID = "payment_link.paid"
NAMES: dict[str, tuple[str, ...]] = {
    EventType.PAYMENT_SUCCESS: ("payment.authorized",),
    EventType.PAYMENT_CAPTURED: ("payment.captured", ORDER_PAID),
    EventType.PAYMENT_FAILED: (PAYMENT_FAILED,),
    EventType.REFUND_CREATED: ("refund.created",),
    EventType.REFUND_PROCESSED: ("refund.processed",),
    EventType.REFUND_LATE_SUCCESS: ("refund.processed",),
    EventType.REFUND_FAILED: ("refund.failed",),
    EventType.PAYMENT_LINK_PAID: (LINK_PAID,),
}
"""Our event -> the double's."""
SENT = tuple(dict.fromkeys(name for names in NAMES.values() for name in names))
"""Every event that the double can send."""


def ours(names: Collection[str]) -> list[str]:
    """Our events that become one of these."""
    return [event for event, theirs in NAMES.items() if any(name in names for name in theirs)]


PLACES_MAX = max(map(len, NAMES.values()))


def subscribed_names(event: str, names: Collection[str]) -> list[str]:
    """The double's events for `event` that an endpoint subscribed to."""
    return [name for name in NAMES.get(event, ()) if name in names]


def delivery_event_id(event_id: str, place: int) -> str:
    """Identity of delivery number `place` of one event for one endpoint: receivers recognise repeats by it."""
    return event_id if place == 0 else f"{event_id}_{place}"


def body_of(name: str, event: PaymentRecord, payer: Payer, terms: RefundTerms, order: Entity | None) -> bytes:
    """The exact bytes that are stored, signed and sent. `order`: for order.paid."""
    parts: dict[str, Entity] = {}
    if isinstance(event, RefundRecord):
        parts["refund"] = refund_entity(event.refund.json, terms)
    parts["payment"] = payment_entity(event.payment.json, payer, with_card=True)
    if name == ORDER_PAID and order is not None:
        parts["order"] = order
    return _packed(name, event.merchant_id, parts, seconds(event.at))


def link_body(event: LinkRecord, payment: Resource, payer: Payer, order: Entity, callback_url: str | None) -> bytes:
    """Body of payment_link.paid. `payment`: the one that paid it, as it was then; `order`: with its totals."""
    totals = Totals(order["attempts"], order["amount_paid"])
    notes = order["notes"] or {}
    parts = {
        "payment_link": link_entity(event.order.json, totals, [payment], notes=notes, callback_url=callback_url),
        "order": order,
        "payment": payment_entity(payment, payer, with_card=True),
    }
    return _packed(LINK_PAID, event.merchant_id, parts, seconds(event.at))


def paid_order(order: Mapping[str, Any], attempts: int, notes: Mapping[str, Any] | None) -> Entity:
    """The order as the capture of its payment left it."""
    return order_entity(order, Totals(attempts, order["amount"]), notes=notes)


def _packed(name: str, merchant_id: str, parts: Mapping[str, Entity], created_at: int) -> bytes:
    return orjson.dumps(
        {
            "entity": "event",
            "account_id": account_id(merchant_id),
            "event": name,
            "contains": list(parts),
            "payload": {part: {"entity": entity} for part, entity in parts.items()},
            "created_at": created_at,
        }
    )
