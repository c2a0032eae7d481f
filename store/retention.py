"""Rows that are past their use. Only the inbox: events are kept for ever.

The window must be longer than the commands topic's retention, else an old redelivery could act twice
(IDEMPOTENCY_RETENTION_DAYS is at least 8, one day above the topic's 7).
"""

from __future__ import annotations

import asyncpg

PRUNE_MAX = 20_000
"""Rows a statement: short enough not to hold the actor up."""
# commands_decided_at (BRIN)
PRUNE = """
DELETE FROM commands
 WHERE ctid = ANY(ARRAY(SELECT ctid FROM commands WHERE decided_at < now() - make_interval(days => $1) LIMIT $2))
"""


async def prune_commands(pool: asyncpg.Pool, *, days: int) -> int:
    """Delete inbox rows older than `days`, in portions; returns how many."""
    removed = 0
    while True:
        status: str = await pool.execute(PRUNE, days, PRUNE_MAX, timeout=60)
        count = int(status.rpartition(" ")[2])
        removed += count
        if count < PRUNE_MAX:
            return removed
