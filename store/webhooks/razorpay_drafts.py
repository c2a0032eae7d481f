"""Deliveries in the double's format: one of our events can become two of its webhooks for one endpoint.

payment.captured ─► payment.captured, order.paid
payment.created  ─► payment.failed, where the order authorizes late: the bank's success comes after it

An endpoint that is shuffled gets the capture before the success that it came with: the success is planned behind it.

A body shows its payment, refund, order and link as the event left them. What stands elsewhere is read once for a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.delivery import is_subscribed
from domain.event import EventType
from store.driver import Pool
from store.razorpay.links import PaidLink, paid_links
from store.razorpay.orders import late_orders, paid_orders
from store.razorpay.payments import payers_of
from store.razorpay.refunds import refund_terms_of
from store.webhooks.plan import Draft, Target, draft_of
from store.webhooks.razorpay_shuffle import shuffled_pairs
from topics.envelope import UndecodableError
from topics.events import EventRecord, LinkRecord, PaymentRecord, RefundRecord
from topics.razorpay.entities import TIMED_OUT, Entity, Payer, RefundTerms
from topics.razorpay.webhooks import PAYMENT_FAILED, body_of, delivery_event_id, link_body, subscribed_names

Subscribed = tuple[EventRecord, Target, list[str]]
"""An event, an endpoint, and the double's events of the former for the latter."""


async def razorpay_drafts(pool: Pool, events: Sequence[tuple[EventRecord, Sequence[Target]]]) -> list[Draft]:
    """Drafts for those of the targets that have the double's format. Raises UndecodableError, or what asyncpg raises.

    What the double keeps beside the events is read once for all of them; without such a target nothing is read.
    """
    pairs = [(event, target) for event, targets in events for target in targets if target.razorpay_events is not None]
    pairs = await shuffled_pairs(pool, pairs)
    # first what comes first: of one payment, each is planned to wait for those before it
    subscribed = await _late(pool, pairs)
    subscribed += [(event, target, names) for event, target in pairs if (names := _names(event, target))]
    if not subscribed:
        return []
    beside = await _read_beside(pool, [event for event, _, _ in subscribed])
    return [
        draft_of(event, target, event_id=delivery_event_id(event.id, place), body=beside.body_of(name, event))
        for event, target, names in subscribed
        for place, name in enumerate(names)
    ]


async def buildable_drafts(
    pool: Pool, events: Sequence[EventRecord], target: Target
) -> tuple[list[Draft], dict[str, UndecodableError]]:
    """Drafts for one target, and by event id why some events cannot have any. Raises what asyncpg raises."""
    try:
        return await razorpay_drafts(pool, [(event, [target]) for event in events]), {}
    except UndecodableError:
        drafts: list[Draft] = []
        refused: dict[str, UndecodableError] = {}
    for event in events:
        try:
            drafts += await razorpay_drafts(pool, [(event, [target])])
        except UndecodableError as error:
            refused[event.id] = error
    return drafts, refused


def _names(event: EventRecord, target: Target) -> list[str]:
    if target.razorpay_events is None or not is_subscribed(target.events, event.type):
        return []
    return subscribed_names(event.type, target.razorpay_events)


async def _late(pool: Pool, pairs: Sequence[tuple[EventRecord, Target]]) -> list[Subscribed]:
    """New payments that are to be authorized late, shown as timed out. payment.created causes no other webhook."""
    created = [
        (event, target)
        for event, target in pairs
        if isinstance(event, PaymentRecord)
        and event.type == EventType.PAYMENT_CREATED
        and PAYMENT_FAILED in (target.razorpay_events or ())
    ]
    late = await late_orders(pool, sorted({event.order_id for event, _ in created})) if created else set()
    return [(_timed_out(event), target, [PAYMENT_FAILED]) for event, target in created if event.order_id in late]


def _timed_out(event: PaymentRecord) -> PaymentRecord:
    return replace(event, payment=replace(event.payment, json={**event.payment.json, **TIMED_OUT}))


@dataclass(frozen=True, slots=True)
class _Beside:
    """Data of the events that is not in them. `orders`, `links`: by the order's id."""

    payers: dict[str, Payer]
    terms: dict[str, RefundTerms]
    orders: dict[str, Entity]
    links: dict[str, PaidLink]

    def body_of(self, name: str, event: EventRecord) -> bytes:
        """Raises UndecodableError."""
        try:
            if isinstance(event, LinkRecord):
                return self._link_body(event)
            assert isinstance(event, PaymentRecord), f"{name} is made of {event.type}"
            payer, terms = self.payers.get(event.payment.id, Payer()), RefundTerms()
            if isinstance(event, RefundRecord):
                terms = self.terms.get(event.refund.id, terms)
            return body_of(name, event, payer, terms, self.orders.get(event.order_id))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UndecodableError(f"body of {event.type}: {error!r}"[:200]) from error

    def _link_body(self, event: LinkRecord) -> bytes:
        paid = self.links[event.order_id]
        payer = self.payers.get(paid.payment["id"], Payer())
        return link_body(event, paid.payment, payer, self.orders[event.order_id], paid.callback_url)


async def _read_beside(pool: Pool, events: Sequence[EventRecord]) -> _Beside:
    of_payments = [event for event in events if isinstance(event, PaymentRecord)]
    of_links = [event for event in events if isinstance(event, LinkRecord)]
    refunds = {event.refund.id for event in of_payments if isinstance(event, RefundRecord)}
    captured = [event for event in of_payments if event.type == EventType.PAYMENT_CAPTURED]
    paid = {event.order_id: event.at for event in [*captured, *of_links]}
    links = await paid_links(pool, of_links) if of_links else {}
    payments = {event.payment.id for event in of_payments} | {one.payment["id"] for one in links.values()}
    return _Beside(
        payers=await payers_of(pool, sorted(payments)),
        terms=await refund_terms_of(pool, sorted(refunds)) if refunds else {},
        orders=await paid_orders(pool, sorted(paid.items())) if paid else {},
        links=links,
    )
