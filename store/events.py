"""A merchant's events, filtered and one by one; the order and the cursor are the feed's (store/log/feed.py)."""

from __future__ import annotations

from domain.ids import parse_event_id
from store.driver import Pool
from store.keyset import Conditions
from store.log.feed import EPOCH, FeedEvent, FeedPlace

# events_pkey
FIND = "SELECT payload FROM events WHERE order_id = $1 AND sequence = $2 AND merchant_id = $3"
# payments_pkey
ORDER_OF_PAYMENT = "SELECT order_id FROM payments WHERE id = $1 AND merchant_id = $2"


async def find_event(pool: Pool, merchant_id: str, event_id: str) -> str | None:
    """The event's record as it is on the log."""
    place = parse_event_id(event_id)
    payload: str | None = None if place is None else await pool.fetchval(FIND, *place, merchant_id)
    return payload


async def list_events(
    pool: Pool,
    merchant_id: str,
    after: FeedPlace | None,
    *,
    newest_first: bool = False,
    type_: str | None,
    payment_id: str | None,
    limit: int,
) -> list[FeedEvent]:
    """The events after `after` that pass the filter, in this direction (feed_pkey; with a payment: feed_event)."""
    comparison, direction = ("<", " DESC") if newest_first else (">", "")
    conditions = Conditions()
    conditions.add("f.merchant_id = {}", merchant_id)
    if after is not None:
        conditions.add(f"f.place {comparison} {{}}", after.place)
    conditions.add_given("e.type = {}", type_)
    if payment_id is not None:
        order_id = await pool.fetchval(ORDER_OF_PAYMENT, payment_id, merchant_id)
        if order_id is None:
            return []
        conditions.add("e.order_id = {} AND position({} IN e.payload) > 0", order_id, f'"{payment_id}"')
    rows = await pool.fetch(
        f"SELECT {EPOCH} AS epoch, f.place, e.payload\n  FROM feed f\n  JOIN events e USING (order_id, sequence)\n"
        f" {conditions.sql}\n ORDER BY f.place{direction}\n LIMIT {int(limit)}",
        *conditions.parameters,
    )
    return [FeedEvent(FeedPlace(row["epoch"], row["place"]), row["payload"]) for row in rows]
