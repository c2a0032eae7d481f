"""Places in the feed without a log: for events that a test wrote into the table itself."""

from __future__ import annotations

from typing import Any

NUMBER_EVERYTHING = """
WITH given AS (
    INSERT INTO feed (merchant_id, place, order_id, sequence)
    SELECT e.merchant_id, s.last_place + row_number() OVER (ORDER BY e.at, e.order_id, e.sequence), e.order_id,
           e.sequence
      FROM events e, feed_state s
     WHERE NOT EXISTS (SELECT FROM feed f WHERE f.order_id = e.order_id AND f.sequence = e.sequence)
    RETURNING 1
)
UPDATE feed_state SET last_place = last_place + (SELECT count(*) FROM given)
"""


async def number_everything(connection: Any) -> None:
    """Every event of the table that has no place gets one, in the order of the events' times."""
    await connection.execute(NUMBER_EVERYTHING, timeout=600)
