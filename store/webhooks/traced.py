"""Webhook attempts for the traces: those of given events, as spans need them."""

from __future__ import annotations

from collections.abc import Sequence

from store.driver import Pool, Row

# webhook_logs_once_per_endpoint, webhook_attempts_pkey
ATTEMPTS = """
SELECT log.event_id, log.event, log.request_id, log.endpoint_id, made.attempt, made.at, made.duration_ms,
       made.response_code AS code, made.error
  FROM webhook_logs AS log
  JOIN webhook_attempts AS made
    ON made.log_id = log.id
 WHERE log.event_id = ANY($1::text[])
   AND log.request_id IS NOT NULL
"""


async def attempts_of_events(pool: Pool, event_ids: Sequence[str], *, timeout: float) -> list[Row]:
    """Every recorded attempt of these events. Raises DatabaseError."""
    return await pool.fetch(ATTEMPTS, list(event_ids), timeout=timeout)
