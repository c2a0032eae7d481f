"""A merchant's events as one feed that can be resumed anywhere and misses nothing.

    order     (txid, order_id, sequence)                cursor   <txid>.<the order's 16 characters>.<sequence>

An event is in the feed once every transaction that began before its own has ended. So whatever becomes visible later
comes after everything that was visible before, and a reader goes on from the last one it saw.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from domain.ids import ORDER
from store.driver import Pool

_CURSOR = re.compile(r"([0-9]{1,19})\.([0-9A-Za-z]{16})?\.([0-9]{1,9})\Z")


@dataclass(frozen=True, slots=True)
class FeedPlace:
    """Between an event and the next one."""

    txid: int
    order_id: str
    sequence: int

    @property
    def cursor(self) -> str:
        return f"{self.txid}.{self.order_id[-16:]}.{self.sequence}"


BEGINNING = FeedPlace(0, "", 0)


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """`payload`: the event's record as it stands on the log."""

    place: FeedPlace
    payload: str


# events_feed
NEXT = """
SELECT txid::text AS txid, order_id, sequence, payload
  FROM events
 WHERE merchant_id = $1
   AND (txid, order_id, sequence) > ($2::text::xid8, $3, $4)
   AND txid < pg_snapshot_xmin(pg_current_snapshot())
 ORDER BY events.txid, order_id, sequence
 LIMIT $5
"""
NOW = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"


def place_of_cursor(cursor: str) -> FeedPlace | None:
    """The place that a cursor names; None where it is not one of ours."""
    found = _CURSOR.match(cursor)
    if found is None:
        return None
    txid, order, sequence = found.groups()
    return FeedPlace(int(txid), ORDER + order if order else "", int(sequence))


async def feed_end(pool: Pool) -> FeedPlace:
    """The place after everything that any feed shows by now."""
    return FeedPlace(int(await pool.fetchval(NOW)), "", 0)


async def next_events(pool: Pool, merchant_id: str, after: FeedPlace, *, limit: int) -> list[FeedEvent]:
    """The merchant's next events in the feed's order."""
    rows = await pool.fetch(NEXT, merchant_id, str(after.txid), after.order_id, after.sequence, limit)
    return [FeedEvent(FeedPlace(int(row["txid"]), row["order_id"], row["sequence"]), row["payload"]) for row in rows]
