"""Deliveries in the double's format: one of our events can become two of its webhooks for one endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from domain.delivery import wants
from domain.event import EventType
from store.driver import Pool
from store.razorpay.orders import paid_orders
from store.razorpay.payments import payers_of
from store.razorpay.refunds import refund_terms_of
from store.webhooks.plan import Draft, Target, draft_of
from topics.envelope import UndecodableError
from topics.events import EventRecord, PaymentRecord, RefundRecord
from topics.razorpay.entities import TIMED_OUT, Entity, Payer, RefundTerms
from topics.razorpay.webhooks import PAYMENT_FAILED, body_of, delivery_event_id, wanted_names

Wanting = tuple[PaymentRecord, Sequence[Target]]


async def razorpay_drafts(pool: Pool, events: Sequence[tuple[EventRecord, Sequence[Target]]]) -> list[Draft]:
    """Drafts for those of the targets that have the double's format. Raises UndecodableError, or what asyncpg raises.

    What the double keeps beside the events is read once for all of them; without such a target nothing is read.
    """
    wanted = [
        (event, target, names)
        for event, targets in events
        if isinstance(event, PaymentRecord)  # of an order's own events none of the double's comes
        for target in targets
        if (names := _names(event, target))
    ]
    if not wanted:
        return []
    beside = await _read_beside(pool, [event for event, _, _ in wanted])
    return [
        draft_of(event, target, event_id=delivery_event_id(event.id, place), body=beside.body_of(name, event))
        for event, target, names in wanted
        for place, name in enumerate(names)
    ]


async def late_drafts(pool: Pool, events: Sequence[Wanting]) -> list[Draft]:
    """`payment.failed` of payments that the bank has not answered: a late authorization begins with it.

    The event is payment.processing, of which no other webhook comes; the payment is shown as timed out. Raises as
    `razorpay_drafts`.
    """
    wanted = [
        (replace(event, payment=replace(event.payment, json={**event.payment.json, **TIMED_OUT})), target)
        for event, targets in events
        for target in targets
        if target.razorpay_events is not None and PAYMENT_FAILED in target.razorpay_events
    ]
    if not wanted:
        return []
    beside = await _read_beside(pool, [event for event, _ in wanted])
    return [
        draft_of(event, target, event_id=event.id, body=beside.body_of(PAYMENT_FAILED, event))
        for event, target in wanted
    ]


def _names(event: PaymentRecord, target: Target) -> list[str]:
    if target.razorpay_events is None or not wants(target.events, event.type):
        return []
    return wanted_names(event.type, target.razorpay_events)


class _Beside:
    """What belongs to the events and does not stand in them."""

    def __init__(self, payers: dict[str, Payer], terms: dict[str, RefundTerms], orders: dict[str, Entity]) -> None:
        self._payers = payers
        self._terms = terms
        self._orders = orders

    def body_of(self, name: str, event: PaymentRecord) -> bytes:
        try:
            payer, terms = self._payers.get(event.payment.id, Payer()), RefundTerms()
            if isinstance(event, RefundRecord):
                terms = self._terms.get(event.refund.id, terms)
            return body_of(name, event, payer, terms, self._orders.get(event.order_id))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UndecodableError(f"body of {event.type}: {error!r}"[:200]) from error


async def _read_beside(pool: Pool, events: Sequence[PaymentRecord]) -> _Beside:
    payments = {event.payment.id for event in events}
    refunds = {event.refund.id for event in events if isinstance(event, RefundRecord)}
    captured = {event.order_id: event.at for event in events if event.type == EventType.PAYMENT_CAPTURED}
    return _Beside(
        payers=await payers_of(pool, sorted(payments)),
        terms=await refund_terms_of(pool, sorted(refunds)) if refunds else {},
        orders=await paid_orders(pool, sorted(captured.items())) if captured else {},
    )
