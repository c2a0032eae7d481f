"""Transactions that have been open for long: while one is, PostgreSQL cleans up nothing that ended after it began."""

from __future__ import annotations

from dataclasses import dataclass

from store.driver import Connection

# An audit reads one snapshot for as long as it takes; it is expected, and bounded.
OLDEST = """
SELECT coalesce(greatest(
       (SELECT max(extract(epoch FROM now() - xact_start))
          FROM pg_stat_activity
         WHERE backend_type = 'client backend'
           AND application_name NOT IN ('verify', 'pg_dump')
           AND pid <> pg_backend_pid()),
       (SELECT max(extract(epoch FROM now() - prepared)) FROM pg_prepared_xacts)), 0)::float8
"""
IDLE = """
SELECT pid, coalesce(nullif(application_name, ''), usename::text) AS name,
       extract(epoch FROM now() - xact_start)::float8 AS seconds
  FROM pg_stat_activity
 WHERE state IN ('idle in transaction', 'idle in transaction (aborted)')
   AND application_name NOT IN ('verify', 'pg_dump')
   AND state_change < now() - make_interval(secs => $1)
 ORDER BY seconds DESC
 LIMIT 5
"""


@dataclass(frozen=True, slots=True)
class IdleTransaction:
    """A session that began a transaction and does nothing in it."""

    pid: int
    name: str
    seconds: float


async def oldest_seconds(connection: Connection) -> float:
    """Age of the oldest open transaction, a prepared one included; 0.0 if there is none."""
    return float(await connection.fetchval(OLDEST))


async def idle_transactions(connection: Connection, seconds: float) -> list[IdleTransaction]:
    """The longest of those that have been idle for so long."""
    return [IdleTransaction(**row) for row in await connection.fetch(IDLE, seconds)]
