"""What is past a deadline of its merchant's, as the sweeper looks for it. It only reads: the actor decides."""

from __future__ import annotations

from collections.abc import Sequence

from domain.order import SETTLING_TIME
from store.driver import Pool

# orders_expiring, payments_order_id. An order waits for a payment that began in time, but not indefinitely.
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

# payments_capture_before, refunds_payment_id. A pending refund is waited for: its failure leaves more to release.
DUE_PAYMENTS = """
SELECT p.id, p.order_id
  FROM payments p
 WHERE p.capture_before <= now()
   AND NOT p.reversed
   AND p.amount_refunded < p.amount
   AND p.id <> ALL($1::text[])
   AND NOT EXISTS (SELECT FROM refunds r WHERE r.payment_id = p.id AND r.status = 'PENDING')
 ORDER BY p.capture_before
 LIMIT $2
"""


class DeadlineStore:
    """What the sweeper reads, over its pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def due_orders(self, *, without: Sequence[str], limit: int) -> list[str]:
        """Ids of orders whose time is over, the longest overdue first, but for these."""
        rows = await self._pool.fetch(DUE_ORDERS, without, SETTLING_TIME.total_seconds(), limit)
        return [row["id"] for row in rows]

    async def due_payments(self, *, without: Sequence[str], limit: int) -> list[tuple[str, str]]:
        """(id, order id) of payments that were not captured in time, the longest overdue first, but for these."""
        rows = await self._pool.fetch(DUE_PAYMENTS, without, limit)
        return [(row["id"], row["order_id"]) for row in rows]
