"""PostgreSQL's own sessions: which of them block others."""

from __future__ import annotations

from dataclasses import dataclass

from store.driver import Connection

# pg_stat_activity is a view of the server's memory: no index, a row for each session.
BLOCKERS = """
SELECT blocker.pid,
       coalesce(nullif(blocker.application_name, ''), blocker.usename) AS name,
       count(*) AS waiting,
       max(extract(epoch FROM now() - blocked.query_start))::float8 AS seconds
  FROM pg_stat_activity AS blocked
 CROSS JOIN unnest(pg_blocking_pids(blocked.pid)) AS by (pid)
  JOIN pg_stat_activity AS blocker ON blocker.pid = by.pid
 WHERE blocked.query_start < now() - make_interval(secs => $1)
 GROUP BY blocker.pid, name
 ORDER BY seconds DESC
 LIMIT 5
"""


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session for which others wait. `seconds`: how long the first of them has waited."""

    pid: int
    name: str
    waiting: int
    seconds: float


async def blockers(connection: Connection, seconds: float, *, timeout: float) -> list[Blocker]:
    """Sessions that others have waited for longer than `seconds`, worst first, at most five. Raises DatabaseError."""
    return [Blocker(**row) for row in await connection.fetch(BLOCKERS, seconds, timeout=timeout)]
