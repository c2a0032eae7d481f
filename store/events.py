"""A merchant's events, filtered and one by one; the order and the cursor are the feed's (store/feed.py)."""

from __future__ import annotations

from domain.ids import parse_event_id
from store.driver import Pool
from store.feed import FeedEvent, FeedPlace
from store.paging import Conditions

# events_pkey
FIND = "SELECT payload FROM events WHERE order_id = $1 AND sequence = $2 AND merchant_id = $3"
PLACE = """
SELECT txid::text AS txid, order_id, sequence
  FROM events
 WHERE order_id = $1 AND sequence = $2 AND merchant_id = $3
"""
# payments_pkey
ORDER_OF_PAYMENT = "SELECT order_id FROM payments WHERE id = $1 AND merchant_id = $2"


async def find_event(pool: Pool, merchant_id: str, event_id: str) -> str | None:
    """The event's record as it stands on the log."""
    place = parse_event_id(event_id)
    payload: str | None = None if place is None else await pool.fetchval(FIND, *place, merchant_id)
    return payload


async def place_of_event(pool: Pool, merchant_id: str, event_id: str) -> FeedPlace | None:
    """Where in the feed the event stands."""
    place = parse_event_id(event_id)
    row = None if place is None else await pool.fetchrow(PLACE, *place, merchant_id)
    return None if row is None else FeedPlace(int(row["txid"]), row["order_id"], row["sequence"])


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
    """The events behind `after` that pass the filter, in this direction (events_feed; with a payment: events_pkey)."""
    comparison, direction = ("<", " DESC") if newest_first else (">", "")
    conditions = Conditions()
    conditions.add("merchant_id = {}", merchant_id)
    if after is not None:
        conditions.add(
            f"(txid, order_id, sequence) {comparison} ({{}}::text::xid8, {{}}, {{}})",
            str(after.txid),
            after.order_id,
            after.sequence,
        )
    conditions.add("txid < pg_snapshot_xmin(pg_current_snapshot())")
    conditions.add_given("type = {}", type_)
    if payment_id is not None:
        order_id = await pool.fetchval(ORDER_OF_PAYMENT, payment_id, merchant_id)
        if order_id is None:
            return []
        conditions.add("order_id = {} AND position({} IN payload) > 0", order_id, f'"{payment_id}"')
    rows = await pool.fetch(
        f"SELECT txid::text AS txid, order_id, sequence, payload\n  FROM events\n {conditions.sql}\n"
        f" ORDER BY events.txid{direction}, order_id{direction}, sequence{direction}\n LIMIT {int(limit)}",
        *conditions.parameters,
    )
    return [FeedEvent(FeedPlace(int(row["txid"]), row["order_id"], row["sequence"]), row["payload"]) for row in rows]
