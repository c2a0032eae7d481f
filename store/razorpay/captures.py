"""Orders of the double that capture a payment automatically, but only for a period after their creation.

An order whose payment is captured whenever it succeeds is not here: its actor captures it with the success.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from store.driver import Pool

CAPTURES_WITHIN_MINUTES_MAX = 10_080
"""A week. Orders of earlier versions have no limit: they are followed as long as any other."""
# Whatever committed before the end is visible by then, however far the machines' clocks are apart.
_CLOSED_AFTER = "interval '1 hour'"
_ENDS_AT = f"o.created_at + make_interval(mins => coalesce(r.captures_within_minutes, {CAPTURES_WITHIN_MINUTES_MAX}))"
# payments_order_id, events_pkey. An order has one success at most.
_IN_TIME = f"""
  FROM payments p
  JOIN events e ON e.order_id = p.order_id AND e.type = 'payment.success'
 WHERE p.order_id = r.order_id
   AND p.status = 'SUCCESS'
   AND NOT (p.captured OR p.voided)
   AND e.at <= {_ENDS_AT}
"""
# The bank may reverse again, and a refund may fail: until then there is nothing to capture.
_THERE = "AND NOT p.reversed AND p.amount_refunded < p.amount"
# razorpay_orders_captures, orders_pkey. OFFSET 0 keeps the order of the joins: of a table that was never analyzed,
# PostgreSQL expects many rows, and would read every successful payment first.
DUE = f"""
SELECT due.*
  FROM razorpay_orders r
  JOIN orders o ON o.id = r.order_id
 CROSS JOIN LATERAL (SELECT p.id, p.order_id, p.merchant_id {_IN_TIME} {_THERE} OFFSET 0) AS due
 WHERE r.captures
   AND due.id <> ALL($1::text[])
 LIMIT $2
"""
# razorpay_orders_captures, orders_pkey
CLOSE = f"""
UPDATE razorpay_orders AS r
   SET captures = false
  FROM orders o
 WHERE r.captures
   AND o.id = r.order_id
   AND (o.status <> 'CREATED' OR now() > {_ENDS_AT} + {_CLOSED_AFTER})
   AND NOT EXISTS (SELECT {_IN_TIME})
"""


@dataclass(frozen=True, slots=True)
class DueCapture:
    """A payment that succeeded in time and is not captured yet."""

    payment_id: str
    order_id: str
    merchant_id: str


async def due_captures(pool: Pool, *, without: Sequence[str], limit: int) -> list[DueCapture]:
    """Payments to capture now, but for these."""
    rows = await pool.fetch(DUE, without, limit)
    return [DueCapture(row["id"], row["order_id"], row["merchant_id"]) for row in rows]


async def close_captures(pool: Pool) -> None:
    """Forget the orders whose payment was captured, and those whose time is over."""
    await pool.execute(CLOSE)
