"""Rows past their use: the inbox, details of webhook attempts, keys of personal fields. Events and deliveries are kept
permanently.

The inbox remembers for longer than a command can stay on the log, else an old redelivery could act twice: retention and
segment of the commands topic and a reserve, added up in topics/catalogue.py. The database's clock alone does not
decide: where it jumps ahead, every row looks old. What the log still holds, the inbox keeps (`kept_from`).

A delivery's row keeps its body, status and number of attempts: it can be sent again at any age, and `gateway verify`
looks for it.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from store.driver import Pool
from topics.catalogue import INBOX_RESERVE_MS

PRUNE_MAX = 20_000
"""Rows a statement: short enough not to hold the actor up."""
# commands_decided_at (BRIN). The age once more outside: the actor may be renewing an acceptance (store/actor.py, KEEP),
# and servers from before November 2025 delete the renewed row when the statement selects it only by its place.
COMMANDS = """
DELETE FROM commands
 WHERE ctid = ANY(ARRAY(SELECT ctid FROM commands
                         WHERE decided_at < least(now() - make_interval(days => $1), $3::timestamptz)
                         LIMIT $2))
   AND decided_at < least(now() - make_interval(days => $1), $3::timestamptz)
"""
# promises_promised_at (BRIN)
PROMISES = """
DELETE FROM promises
 WHERE ctid = ANY(ARRAY(SELECT ctid FROM promises
                         WHERE promised_at < least(now() - make_interval(days => $1), $3::timestamptz)
                         LIMIT $2))
"""
# webhook_attempts_at (BRIN)
ATTEMPTS = """
DELETE FROM webhook_attempts
 WHERE ctid = ANY(ARRAY(SELECT ctid FROM webhook_attempts WHERE at < now() - make_interval(days => $1) LIMIT $2))
"""

# order_keys_day. Two clocks must agree that a day is over: a deleted tree cannot be restored.
ORDER_KEYS = """
DELETE FROM order_keys
 WHERE id = ANY(ARRAY(SELECT id FROM order_keys
                       WHERE day < least(current_date - $1::integer, $3::date)
                       LIMIT $2))
"""


def kept_from(oldest: datetime | None) -> datetime | None:
    """From when on the inbox keeps its rows, where `oldest` is when the log took the oldest command that it holds."""
    return None if oldest is None else oldest - timedelta(milliseconds=INBOX_RESERVE_MS)


async def prune_commands(pool: Pool, *, days: int, oldest: datetime | None) -> int:
    """Delete inbox rows older than `days`; returns how many.

    `oldest`: when the log took the oldest command that it holds, None: it holds none.
    """
    return await _prune(pool, COMMANDS, days, kept_from(oldest))


async def prune_promises(pool: Pool, *, days: int, oldest: datetime | None) -> int:
    """Delete what was promised more than `days` ago, as old as the inbox; returns how many."""
    return await _prune(pool, PROMISES, days, kept_from(oldest))


async def prune_attempts(pool: Pool, *, days: int) -> int:
    """Delete webhook attempts older than `days`; returns how many."""
    return await _prune(pool, ATTEMPTS, days)


async def prune_order_keys(pool: Pool, *, days: int, today: date) -> int:
    """Delete the keys of orders that are older than `days`, by our clock and the database's; returns how many rows."""
    return await _prune(pool, ORDER_KEYS, days, today - timedelta(days=days))


async def _prune(pool: Pool, statement: str, days: int, *bounds: date | None) -> int:
    removed = 0
    while True:
        status: str = await pool.execute(statement, days, PRUNE_MAX, *bounds, timeout=60)
        count = int(status.rpartition(" ")[2])
        removed += count
        if count < PRUNE_MAX:
            return removed
