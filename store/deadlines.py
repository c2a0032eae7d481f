"""What is past a deadline of its merchant's, as the sweeper looks for it. It only reads: the actor decides."""

from __future__ import annotations

from collections.abc import Sequence

from domain.order import SETTLING_TIME
from store.driver import Pool

# orders_expiring, payments_order_id. An order waits for a payment that began in time, but not for ever.
DUE_ORDERS = """
SELECT o.id
  FROM orders o
 WHERE o.status = 'CREATED'
   AND o.expires_at IS NOT NULL
   AND o.expires_at <= now()
   AND o.id <> ALL($1::text[])
   AND NOT EXISTS (SELECT FROM payments p
                    WHERE p.order_id = o.id
                      AND p.status IN ('CREATED', 'PROCESSING')
                      AND p.deadline_at > now() - make_interval(secs => $2))
 ORDER BY o.expires_at
 LIMIT $3
"""


class DeadlineStore:
    """What the sweeper reads, over its pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def due_orders(self, *, without: Sequence[str], limit: int) -> list[str]:
        """Ids of orders whose time is over, the longest overdue first, but for these."""
        rows = await self._pool.fetch(DUE_ORDERS, without, SETTLING_TIME.total_seconds(), limit)
        return [row["id"] for row in rows]
