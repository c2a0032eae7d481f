"""Keeps deliveries moving whatever was missed: held ones whose endpoint is enabled again, pending ones that the log
lost, and the counters of job status, always recomputed from the table and so right after any crash or flush."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import redis.asyncio as redis

from domain.delivery import Due
from store.driver import Pool
from store.redis.job_counters import WEBHOOK_COUNTERS
from store.webhooks.attempt_batch import due_of

# webhook_logs_held for each endpoint that is on again (or deleted: its deliveries must end), webhook_logs_payment for
# the earlier deliveries of the same payment; for the later ones where the endpoint gets them first.
RELEASE_HELD = """
UPDATE webhook_logs
   SET status = 'pending', next_retry_at = $1
 WHERE id = ANY(ARRAY(
           SELECT free.id
             FROM webhooks AS hook
            CROSS JOIN LATERAL (
                      SELECT held.id
                        FROM webhook_logs AS held
                       WHERE held.endpoint_id = hook.id
                         AND held.status = 'held'
                         AND (hook.ordering = 'none' OR held.payment_id IS NULL OR NOT EXISTS (
                                 SELECT 1
                                   FROM webhook_logs AS earlier
                                  WHERE earlier.payment_id = held.payment_id
                                    AND earlier.endpoint_id = held.endpoint_id
                                    AND earlier.sequence < held.sequence
                                    AND earlier.status IN ('pending', 'held')))
                         AND NOT (hook.razorpay_shuffled AND hook.active AND EXISTS (
                                 SELECT 1
                                   FROM webhook_logs AS later
                                  WHERE later.payment_id = held.payment_id
                                    AND later.endpoint_id = held.endpoint_id
                                    AND later.sequence > held.sequence
                                    AND later.status = 'pending'))
                       LIMIT $2
                  ) AS free
            WHERE hook.active
               OR hook.deleted_at IS NOT NULL
            LIMIT $2))
   AND status = 'held'
RETURNING id, endpoint_id, order_id, attempts
"""
# webhook_logs_due. `republished_at` keeps a row from being found again at once; `next_retry_at` stays, so that what is
# overdue shows as overdue, however often it is published. `nudges`: how often in a row; an attempt sets it to 0.
FIND_LOST = """
UPDATE webhook_logs
   SET republished_at = $1, nudges = nudges + 1
 WHERE id = ANY(ARRAY(
           SELECT id
             FROM webhook_logs
            WHERE status = 'pending'
              AND next_retry_at < $2
              AND (republished_at IS NULL OR republished_at < $2)
            ORDER BY next_retry_at
            LIMIT $3))
   AND status = 'pending'
RETURNING id, endpoint_id, order_id, attempts
"""
COUNT = """
SELECT count(*) FILTER (WHERE status = 'pending') AS pending,
       count(*) FILTER (WHERE status = 'held') AS held,
       count(*) FILTER (WHERE status = 'success') AS delivered,
       count(*) FILTER (WHERE status = 'failed') AS failed,
       coalesce(sum(attempts), 0)::bigint AS attempts
  FROM webhook_logs
"""


async def release_held(pool: Pool, at: datetime, *, limit: int) -> list[Due]:
    """Make pending, and return, held deliveries whose endpoint is enabled and whose payment has no earlier one open."""
    return [due_of(row) for row in await pool.fetch(RELEASE_HELD, at, limit)]


async def find_lost(pool: Pool, at: datetime, *, overdue_since: datetime, limit: int) -> list[Due]:
    """Pending deliveries that should have been attempted before `overdue_since`."""
    return [due_of(row) for row in await pool.fetch(FIND_LOST, at, overdue_since, limit)]


async def count_deliveries(pool: Pool) -> dict[str, int]:
    """Deliveries by state, and attempts, over all merchants."""
    row = await pool.fetchrow(COUNT)
    assert row is not None
    return {name: int(value) for name, value in row.items()}


async def store_counters(client: redis.Redis, counters: Mapping[str, int]) -> None:
    """Raises RedisError or OSError."""
    await client.hset(WEBHOOK_COUNTERS, mapping={name: str(count) for name, count in counters.items()})
