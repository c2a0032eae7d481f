"""How many partitions the log has. PostgreSQL remembers; a process works with one number from its start to its end.

    counted(settings)    the settings with the remembered number; PartitionCountError for one that the log never had
    LogWatch             is notified: whether the log is closed for a moment, and whether it has grown
    Growth               close ─► (every command is decided) ─► grow ─► open          ops.log.growth.py

An order's partition follows from its id and this number (docs/decisions/0034).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.logs import get_logger
from runtime.settings import Settings
from store.driver import Connection, connect
from store.errors import DatabaseError, MissingTableError

log = get_logger("log-partitions")

GROWTH_LOCK = 7_240_004
"""Session lock of the only `gateway topics grow` that may run."""
PARTITIONS = "partitions"
"""In a worker's heartbeat: the number of the log's partitions that it uses."""
CONNECT_SECONDS = 3.0
QUERY_SECONDS = 3.0
CHANGED = "log_partitions"
"""Channel of PostgreSQL on which a change of these tables is notified."""
LOOK_EVERY_SECONDS = 5.0
"""Interval of polls, for a missed notification: the network may lose a connection silently."""
AGAIN_SECONDS = 1.0
"""After a failure."""
NEW_SECONDS = 600.0
"""For this long after a growth, a worker that starts makes its group assign partitions once more
(agents/consumer.py)."""
STATE = """
SELECT array(SELECT partitions FROM log_partitions ORDER BY partitions) AS counts,
       coalesce((SELECT extract(epoch FROM until - now()) FROM log_closed), 0)::float8 AS closed_seconds,
       coalesce((SELECT extract(epoch FROM now() - max(since)) FROM log_partitions), 0)::float8 AS since_seconds
"""
REMEMBER_FIRST = """
INSERT INTO log_partitions (partitions) SELECT $1 WHERE NOT EXISTS (SELECT FROM log_partitions)
"""
LOCK = "SELECT pg_try_advisory_lock($1)"
CLOSE = f"""
WITH closed AS (
    INSERT INTO log_closed (until) VALUES (now() + make_interval(secs => $1))
        ON CONFLICT (single) DO UPDATE SET until = excluded.until
    RETURNING until)
SELECT pg_notify('{CHANGED}', '') FROM closed
"""
OPEN = f"""
WITH opened AS (DELETE FROM log_closed RETURNING until)
SELECT pg_notify('{CHANGED}', '') FROM opened
"""
# Only while the log is closed: once it has opened automatically, commands may have been written.
GROW = f"""
WITH grown AS (
    INSERT INTO log_partitions (partitions) SELECT $1 WHERE EXISTS (SELECT FROM log_closed WHERE until > now())
        ON CONFLICT DO NOTHING
    RETURNING partitions)
SELECT partitions, pg_notify('{CHANGED}', '') FROM grown
"""
ADOPT = f"""
WITH adopted AS (INSERT INTO log_partitions (partitions) VALUES ($1) ON CONFLICT DO NOTHING RETURNING partitions)
SELECT pg_notify('{CHANGED}', '') FROM adopted
"""


class PartitionCountError(RuntimeError):
    """TOPIC_PARTITIONS is a number that this gateway's log never had. The text has the fix."""


@dataclass(frozen=True, slots=True)
class LogState:
    """`counts`: partition counts of the log so far, the last in force; empty if it was never created.

    `closed_seconds`: how long it accepts no new commands; 0 or less: it is open. `since_seconds`: how long ago it got
    the last number.
    """

    counts: tuple[int, ...]
    closed_seconds: float = 0.0
    since_seconds: float = 0.0

    @property
    def has_just_grown(self) -> bool:
        return len(self.counts) > 1 and self.since_seconds < NEW_SECONDS


async def log_state(connection: Connection) -> LogState:
    """Raises DatabaseError."""
    row = await connection.fetchrow(STATE)
    assert row is not None
    return LogState(tuple(row["counts"]), row["closed_seconds"], row["since_seconds"])


async def remember_first(connection: Connection, partitions: int) -> None:
    """Store with how many partitions the log was created; no effect if that is known."""
    await connection.execute(REMEMBER_FIRST, partitions)


async def adopt(connection: Connection, partitions: int) -> None:
    """Store a growth of the log that a restored database lacks."""
    await connection.execute(ADOPT, partitions)


def with_counts(settings: Settings, state: LogState) -> Settings:
    """The settings with the number in force. Raises PartitionCountError."""
    if not state.counts:
        return settings
    given, now = settings.topic_partitions, state.counts[-1]
    if given not in state.counts:
        raise PartitionCountError(
            f"TOPIC_PARTITIONS is {given}, and this gateway's log has {now} partitions. With another number, orders "
            f"would move to other actors while they are undecided. Set TOPIC_PARTITIONS={now}. To make the log larger, "
            f"run `gateway topics grow --partitions N`, N a multiple of {now}."
        )
    return settings.with_partitions(first=state.counts[0], now=now, are_new=state.has_just_grown)


async def counted(settings: Settings) -> Settings:
    """The settings with the number that PostgreSQL remembers; unchanged if it does not respond or has none.

    Raises PartitionCountError.
    """
    try:
        return with_counts(settings, await look(settings))
    except (DatabaseError, OSError):
        return settings  # code that needs the database reports its failure better


async def look(settings: Settings) -> LogState:
    """Over its own connection; a database that was not migrated has no numbers. Raises DatabaseError, OSError."""
    connection = await _connect(settings)
    try:
        return await log_state(connection)
    except MissingTableError:
        return LogState(())
    finally:
        connection.terminate()


async def _connect(settings: Settings) -> Connection:
    return await connect(
        settings.database_url.get_secret_value(),
        timeout=CONNECT_SECONDS,
        command_timeout=QUERY_SECONDS,
        server_settings={"application_name": "log watch"},
    )


class LogWatch:
    """Of one process. `on_growth` is called once, when the log has another number of partitions than it began with.

    `at_once`: also while the log is closed. It opens when the processes that decide and those that submit have
    restarted; the others wait until then, because a machine starts few processes faster than many.
    """

    def __init__(
        self,
        settings: Settings,
        on_growth: Callable[[], object],
        clock: Clock = SYSTEM_CLOCK,
        *,
        at_once: bool = False,
    ) -> None:
        self._settings = settings
        self._on_growth = on_growth
        self._at_once = at_once
        self._clock = clock
        self._closed_until = 0.0

    @property
    def is_closed(self) -> bool:
        """Whether new commands are held back for a moment. Never for longer than announced."""
        return self._clock.monotonic() < self._closed_until

    async def run(self) -> None:
        """Until cancelled, or until the log has grown."""
        while True:
            try:
                if await self._follow():
                    self._on_growth()
                    return
            except (DatabaseError, OSError) as error:
                log.info("log_not_watched", error=repr(error))
            await asyncio.sleep(AGAIN_SECONDS)

    async def _follow(self) -> bool:
        """True once the log has grown. Raises DatabaseError, OSError."""
        connection, changed = await _connect(self._settings), asyncio.Event()
        try:
            connection.add_termination_listener(lambda _connection: changed.set())
            await connection.add_listener(CHANGED, lambda *_notification: changed.set())
            while True:
                changed.clear()
                if self._has_grown(await log_state(connection)):
                    return True
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_SECONDS):
                        await changed.wait()
        finally:
            connection.terminate()

    def _has_grown(self, state: LogState) -> bool:
        self._closed_until = self._clock.monotonic() + state.closed_seconds
        if not state.counts or state.counts[-1] == self._settings.topic_partitions:
            return False
        if state.closed_seconds > 0 and not self._at_once:
            return False
        log.warning("log_has_grown", partitions=state.counts[-1], before=self._settings.topic_partitions)
        return True


class Growth:
    """What `gateway topics grow` does to the database; its connection holds the lock."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def lock(self) -> bool:
        """False if another one is running."""
        return bool(await self.connection.fetchval(LOCK, GROWTH_LOCK))

    async def close_log(self, seconds: float) -> None:
        """No new commands are written for at most this long."""
        await self.connection.execute(CLOSE, seconds)

    async def open_log(self) -> None:
        await self.connection.execute(OPEN)

    async def grow(self, partitions: int) -> bool:
        """From now on the log has this many. False, without a change, if it has opened automatically in between."""
        return await self.connection.fetchval(GROW, partitions) is not None
