"""Whether a payment's outcome has reached its merchant: what a checkout shows after the payment."""

from __future__ import annotations

from store.driver import Pool

# webhooks_merchant, webhook_logs_payment
DELIVERED = """
SELECT EXISTS (SELECT FROM webhooks
                WHERE merchant_id = $2 AND active AND deleted_at IS NULL
                  AND (events = '{}' OR $3 = ANY (events))) AS subscribed,
       count(*) AS deliveries,
       count(*) FILTER (WHERE status = 'success') AS delivered
  FROM webhook_logs
 WHERE payment_id = $1 AND event = $3
"""


async def outcome_delivered(pool: Pool, *, payment_id: str, merchant_id: str, event_type: str) -> bool | None:
    """True: every endpoint has it; False: not yet; None: no endpoint is subscribed to it."""
    row = await pool.fetchrow(DELIVERED, payment_id, merchant_id, event_type)
    assert row is not None
    if not row["subscribed"] and not row["deliveries"]:
        return None
    return bool(row["deliveries"]) and row["deliveries"] == row["delivered"]
