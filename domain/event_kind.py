"""The catalogue of events: one row for each, with everything that pages, webhooks and queries need.

EVENT_KINDS ─► domain/delivery.py       what merchants can subscribe to, what they get by default
            ─► store/                   as parameters of queries
            ─► web-shared/events.gen.ts title and tone in the dashboard (`gateway pages types`)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from domain.event import EventType

TEST_EVENT = "webhook.test"
ENDPOINT_DISABLED = "endpoint.disabled"
ENDPOINT_RECOVERED = "endpoint.recovered"


class Tone(StrEnum):
    """Its colour on a page."""

    CALM = "calm"
    WAIT = "wait"
    OK = "ok"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class EventKind:
    """`for_merchants`: an endpoint may subscribe to it; `default`: it is included without a filter."""

    type: str
    title: str
    tone: Tone
    for_merchants: bool = True
    default: bool = False


EVENT_KINDS = (
    EventKind(EventType.ORDER_CREATED, "Order created", Tone.CALM, for_merchants=False),
    EventKind(EventType.ORDER_PAID, "Order paid", Tone.OK),
    EventKind(EventType.ORDER_CANCELLED, "Order cancelled", Tone.CALM),
    EventKind(EventType.ORDER_EXPIRED, "Order expired", Tone.CALM),
    EventKind(EventType.PAYMENT_LINK_RESENT, "Payment link resent", Tone.CALM),
    EventKind(EventType.PAYMENT_LINK_PAID, "Payment link paid", Tone.OK),
    EventKind(EventType.PAYMENT_CREATED, "Created", Tone.CALM),
    EventKind(EventType.PAYMENT_PROCESSING, "Processing", Tone.WAIT, for_merchants=False),
    EventKind(EventType.PAYMENT_ACTION_REQUIRED, "Waiting for the payer", Tone.WAIT, for_merchants=False),
    EventKind(EventType.PAYMENT_CANCEL_REQUESTED, "Cancellation requested", Tone.WAIT, for_merchants=False),
    EventKind(EventType.PAYMENT_CANCEL_REFUSED, "Cancellation refused by the bank", Tone.WAIT, for_merchants=False),
    EventKind(EventType.PAYMENT_SUCCESS, "Success", Tone.OK, default=True),
    EventKind(EventType.PAYMENT_FAILED, "Failed", Tone.BAD, default=True),
    EventKind(EventType.PAYMENT_CAPTURED, "Captured", Tone.OK),
    EventKind(EventType.PAYMENT_VOIDED, "Voided", Tone.CALM),
    EventKind(EventType.PAYMENT_EXPIRED, "Expired uncaptured", Tone.CALM),
    EventKind(EventType.PAYMENT_LATE_SUCCESS, "Late success", Tone.WAIT),
    EventKind(EventType.PAYMENT_REVERSED, "Reversed by the bank", Tone.BAD),
    EventKind(EventType.PAYMENT_REINSTATED, "Reinstated by the bank", Tone.OK),
    EventKind(EventType.REFUND_CREATED, "Refund requested", Tone.WAIT),
    EventKind(EventType.REFUND_PROCESSED, "Refunded", Tone.OK, default=True),
    EventKind(EventType.REFUND_FAILED, "Refund failed", Tone.BAD, default=True),
    EventKind(EventType.REFUND_LATE_SUCCESS, "Refunded late", Tone.WAIT),
    EventKind(ENDPOINT_DISABLED, "Endpoint disabled", Tone.BAD),
    EventKind(ENDPOINT_RECOVERED, "Endpoint enabled again", Tone.OK),
)
"""In the order in which a list offers them."""
ENDPOINT_EVENTS = (ENDPOINT_DISABLED, ENDPOINT_RECOVERED)
"""An endpoint was disabled, or enabled again. Sent to the merchant's other endpoints that list them."""
EVENTS_OFF_THE_LOG = (TEST_EVENT, *ENDPOINT_EVENTS)
"""Deliveries without a record of the events topic."""
LINK_EVENTS = (EventType.PAYMENT_LINK_RESENT, EventType.PAYMENT_LINK_PAID)
"""Events of an order that is a payment link."""
ORDER_EVENTS = (EventType.ORDER_PAID, EventType.ORDER_CANCELLED, EventType.ORDER_EXPIRED, *LINK_EVENTS)
"""Events of an order, which belong to no payment."""
SUBSCRIBABLE_EVENTS = tuple(kind.type for kind in EVENT_KINDS if kind.for_merchants)
"""The types that an endpoint's filter may list."""
MERCHANT_EVENTS = tuple(event for event in SUBSCRIBABLE_EVENTS if event not in ENDPOINT_EVENTS)
"""Of the events topic."""
DEFAULT_EVENTS = tuple(kind.type for kind in EVENT_KINDS if kind.default)
"""The types that an endpoint without a filter receives."""
