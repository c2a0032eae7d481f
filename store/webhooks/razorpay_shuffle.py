"""Webhooks deliberately out of order, for endpoints that request it: Razorpay guarantees no order, and programs rely on
one.

    success, capture (one decision)  ─►  the success is skipped when its event is read
                                         and planned behind the capture, when that is read

So the order is reversed whatever a batch contains; events of separate decisions are sent in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domain.delivery import is_subscribed
from domain.event import EventType
from store.driver import Pool
from store.webhooks.plan import Target
from topics.events import EventRecord, read_event

# events_pkey
NEIGHBOURS = """
SELECT e.order_id, e.sequence, e.payload
  FROM unnest($1::text[], $2::int[], $3::text[]) AS others (order_id, sequence, type)
  JOIN events e ON e.order_id = others.order_id AND e.sequence = others.sequence AND e.type = others.type
"""
TURNED = {
    EventType.PAYMENT_SUCCESS: (1, EventType.PAYMENT_CAPTURED),
    EventType.PAYMENT_CAPTURED: (-1, EventType.PAYMENT_SUCCESS),
}
"""Event -> how far away, in the order's sequence, the other one of the same decision is."""
Pair = tuple[EventRecord, Target]
Place = tuple[str, int]


async def shuffled_pairs(pool: Pool, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs as they are to be planned. Nothing is read without an endpoint that is shuffled."""
    turning = [(event, target) for event, target in pairs if _is_turned(event, target)]
    if not turning:
        return list(pairs)
    found = await _neighbours(pool, (event for event, _ in turning))
    planned: list[Pair] = []
    for event, target in pairs:
        other = found.get(_other(event)) if _is_turned(event, target) else None
        if other is None or event.type == EventType.PAYMENT_CAPTURED:
            planned.append((event, target))
        if other is not None and event.type == EventType.PAYMENT_CAPTURED:
            planned.append((other, target))
    return planned


def _is_turned(event: EventRecord, target: Target) -> bool:
    """Whether this endpoint gets both events of the decision, the other one first."""
    return target.shuffled and event.type in TURNED and all(is_subscribed(target.events, kind) for kind in TURNED)


def _other(event: EventRecord) -> Place:
    return event.order_id, event.sequence + TURNED[EventType(event.type)][0]


async def _neighbours(pool: Pool, events: Iterable[EventRecord]) -> dict[Place, EventRecord]:
    others = {(*_other(event), TURNED[EventType(event.type)][1]) for event in events}
    columns = [list(column) for column in zip(*sorted(others), strict=True)]
    rows = await pool.fetch(NEIGHBOURS, *columns)
    return {(row["order_id"], row["sequence"]): read_event(row["payload"].encode()) for row in rows}
