"""A second session beside a migration: how far an index is built, and which session blocks a lock.

async with watched(dsn, connection, say) as watch:
    ...                      say("orders_receipt: building index: scanning table, 40 %")
    watch.in_the_way         "session 4711 (a long report), its transaction open for 312 s"; empty where nobody was
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from store.driver import Connection, Row, connect
from store.errors import DatabaseError

LOOK_EVERY_SECONDS = 0.5
REPORT_EVERY_SECONDS = 5.0
"""Between two lines about the same statement: a build takes from milliseconds to hours."""
CONNECT_SECONDS = 5.0
# An index build reports pages, then tuples, then sessions whose snapshots it waits for.
PROGRESS = """
SELECT phase, CASE WHEN blocks_total > 0 THEN 100 * blocks_done / blocks_total
                   WHEN tuples_total > 0 THEN 100 * tuples_done / tuples_total END AS percent
  FROM pg_stat_progress_create_index
 WHERE pid = $1
"""
IN_THE_WAY = """
SELECT pid, coalesce(nullif(application_name, ''), usename::text, backend_type) AS name,
       coalesce(extract(epoch FROM now() - xact_start), 0)::float8 AS seconds
  FROM pg_stat_activity
 WHERE pid = ANY (pg_blocking_pids($1))
    OR pid = (SELECT current_locker_pid FROM pg_stat_progress_create_index WHERE pid = $1)
 ORDER BY xact_start
 LIMIT 1
"""

Report = Callable[[str], None]
"""Takes a line for the operator."""


def silent(_line: str) -> None:
    """For callers without an output."""


@dataclass(slots=True)
class Watch:
    """What was seen of one statement. `in_the_way`: a description of the session that it waited for last."""

    in_the_way: str = ""


@contextlib.asynccontextmanager
async def watched(dsn: str, connection: Connection, report: Report) -> AsyncIterator[Watch]:
    """Watch what `connection` does. A watch that fails reports nothing and stops nothing."""
    watch = Watch()
    task = asyncio.create_task(_look(dsn, connection.get_server_pid(), watch, report))
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _look(dsn: str, pid: int, watch: Watch, report: Report) -> None:
    with contextlib.suppress(DatabaseError, OSError):
        session = await connect(dsn, timeout=CONNECT_SECONDS, command_timeout=CONNECT_SECONDS)
        try:
            looks = round(REPORT_EVERY_SECONDS / LOOK_EVERY_SECONDS)
            number = 0
            while True:
                number += 1
                await asyncio.sleep(LOOK_EVERY_SECONDS)
                if (blocker := await session.fetchrow(IN_THE_WAY, pid)) is not None:
                    watch.in_the_way = _session(blocker)
                progress = await session.fetchrow(PROGRESS, pid)
                if number % looks == 0 and (progress is not None or blocker is not None):
                    report(_progress_line(progress, watch.in_the_way if blocker is not None else ""))
        finally:
            session.terminate()


def _session(row: Row) -> str:
    return f"session {row['pid']} ({row['name']}), its transaction open for {row['seconds']:.0f} s"


def _progress_line(progress: Row | None, in_the_way: str) -> str:
    parts = []
    if progress is not None:
        percent = "" if progress["percent"] is None else f", {progress['percent']} %"
        parts.append(f"{progress['phase']}{percent}")
    if in_the_way:
        parts.append(f"waits for {in_the_way}")
    return "; ".join(parts)
