"""Folding events into rollups, each exactly once, merchant by merchant, in the order of the merchant's feed.

    rollup_progress ── lock ──► events after it ──► fold ──► rollups += …, progress moves        one transaction

The feed has each event once, and nothing is ever added before a visible position (store/log/feed.py): none is skipped,
and none is folded twice.
"""

from __future__ import annotations

import orjson

from runtime.logs import get_logger
from store.analytics.measures import COUNTED, Cell, Sum, add
from store.driver import Connection, Pool, Row

log = get_logger("rollups")

STEP_EVENTS_MAX = 2_000
DUE_MERCHANTS_MAX = 100
# feed_pkey, once for each merchant
DUE = """
SELECT m.id
  FROM merchants m
  LEFT JOIN rollup_progress p ON p.merchant_id = m.id
 WHERE EXISTS (SELECT FROM feed f WHERE f.merchant_id = m.id AND f.place > coalesce(p.place, 0))
 LIMIT $1
"""
BEGIN = "INSERT INTO rollup_progress (merchant_id) VALUES ($1) ON CONFLICT DO NOTHING"
# A second worker leaves the merchant to the first, which folds the same events.
LOCK = "SELECT place FROM rollup_progress WHERE merchant_id = $1 FOR UPDATE SKIP LOCKED"
# feed_pkey, events_pkey
NEXT = """
SELECT f.place, order_id, sequence, CASE WHEN e.type = ANY($4::text[]) THEN e.payload END AS payload
  FROM feed f
  JOIN events e USING (order_id, sequence)
 WHERE f.merchant_id = $1
   AND f.place > $2
 ORDER BY f.place
 LIMIT $3
"""
ADD = """
INSERT INTO rollups AS r (merchant_id, grain_minutes, measure, starts_at, label, count, amount_minor)
SELECT $1, * FROM unnest($2::smallint[], $3::text[], $4::timestamptz[], $5::text[], $6::bigint[], $7::bigint[])
ON CONFLICT (merchant_id, grain_minutes, measure, starts_at, label) DO UPDATE
   SET count = r.count + excluded.count, amount_minor = r.amount_minor + excluded.amount_minor
"""
MOVE = "UPDATE rollup_progress SET place = $2 WHERE merchant_id = $1"
RESET = "UPDATE rollup_progress SET place = 0 WHERE merchant_id = $1"


async def due_merchants(pool: Pool) -> list[str]:
    """Merchants with events that are not folded in yet; only some of them if there are many."""
    return [row["id"] for row in await pool.fetch(DUE, DUE_MERCHANTS_MAX)]


async def advance(pool: Pool, merchant_id: str, *, events_max: int = STEP_EVENTS_MAX) -> int:
    """Fold in the merchant's next events; returns how many. 0: none, or another worker is folding."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(BEGIN, merchant_id)
        place = await connection.fetchval(LOCK, merchant_id)
        if place is None:
            return 0
        rows = await connection.fetch(NEXT, merchant_id, place, events_max, list(COUNTED))
        if rows:
            await _add(connection, merchant_id, _folded(rows))
            await connection.execute(MOVE, merchant_id, rows[-1]["place"])
    return len(rows)


def _folded(rows: list[Row]) -> dict[Cell, Sum]:
    """The sums of the events. An unreadable one is a defect of its writer: it is skipped and logged."""
    cells: dict[Cell, Sum] = {}
    for row in rows:
        if row["payload"] is None:
            continue
        try:
            add(cells, orjson.loads(row["payload"]))
        except (KeyError, TypeError, ValueError) as error:
            log.error("event_unreadable", order_id=row["order_id"], sequence=row["sequence"], error=repr(error))
    return cells


async def _add(connection: Connection, merchant_id: str, cells: dict[Cell, Sum]) -> None:
    ordered = sorted(cells.items(), key=lambda item: item[0])
    if not ordered:
        return
    columns = zip(*((*cell, total.count, total.amount_minor) for cell, total in ordered), strict=True)
    await connection.execute(ADD, merchant_id, *map(list, columns))


async def counted_merchants(pool: Pool) -> list[str]:
    """Merchants of whose events any is folded in."""
    return [row["merchant_id"] for row in await pool.fetch("SELECT merchant_id FROM rollup_progress")]


async def forget(pool: Pool, merchant_id: str) -> bool:
    """Rebuild: drop the counts and begin again. Until this has caught up, the merchant's numbers are too small.

    False if nothing of the merchant was counted.
    """
    async with pool.acquire() as connection, connection.transaction():
        found = await connection.execute(RESET, merchant_id) != "UPDATE 0"
        await connection.execute("DELETE FROM rollups WHERE merchant_id = $1", merchant_id)
    return found
