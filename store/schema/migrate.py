"""Migrations: `migrations/NNNN_name.sql`, forward only, in order, under an advisory lock. Two classes:

    in a transaction   all or nothing, at most TRANSACTION_SECONDS; a lock that is not free is tried again a few times
    concurrent         while everything runs, without a time limit, with its progress shown; interrupted, it continues
                       with the next run: an unfinished index is dropped and built again

Applied files are remembered with their checksum; one that was edited afterwards stops the start. A failure is reported
with the statement, the reason, the blocking session, and what to do (docs/RUNBOOK.md, "A failed migration").
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.settings import Settings
from store.driver import Connection, connect
from store.errors import (
    DatabaseError,
    DatabaseUnavailableError,
    LockTimeoutError,
    SchemaError,
    ValueRefusedError,
)
from store.schema.migration import Migration, MigrationError, Repeatable, Statement
from store.schema.migration_watch import REPORT_EVERY_SECONDS, Report, Watch, silent, watched

MIGRATIONS = Path(__file__).parents[1] / "migrations"
LOCK_ID = 7_240_001
LOCK_EVERY_SECONDS = 0.5
LOCK_SECONDS = 3_600
"""An index on a large table takes that long to build."""
TRANSACTION_SECONDS = 120
"""A migration in a transaction keeps its locks until it ends. What takes longer belongs in the other class."""
LOCK_TRIES = 4
"""Of a migration whose lock_timeout ended it. While it waits for a lock, everybody else queues behind it: better to let
them pass, and come back."""
LOCK_PAUSE_SECONDS = 1.0
LOOK_SECONDS = 3.0
"""For a look at what is missing: a process that starts does not wait for an unavailable database."""
STEP_SECONDS = 120
"""For one step of rows."""
HOLDER = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid = 0 AND objid = $1
"""
CREATE_HISTORY = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
HAS_HISTORY = "SELECT to_regclass('schema_migrations') IS NOT NULL"
HISTORY = "SELECT name, checksum FROM schema_migrations"
REMEMBER = "INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)"
IS_VALID = """
SELECT i.indisvalid FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid WHERE c.oid = to_regclass($1)
"""
# An estimate: for the progress only.
ROWS = "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass($1)"


@dataclass(frozen=True, slots=True)
class Pending:
    """A migration that is not applied. `unfinished`: indexes of it that a run which was cut off has left invalid."""

    migration: Migration
    unfinished: tuple[str, ...]


def migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """All files, in the order in which they are applied."""
    return [Migration(path.name, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("[0-9]*.sql"))]


async def migrate(settings: Settings, folder: Path = MIGRATIONS, report: Report = silent) -> list[str]:
    """Apply what is missing; returns the names applied, in order. `report` gets lines about what takes long.

    Raises MigrationError, DatabaseError.
    """
    async with _session(settings) as connection:
        await _lock(connection, report)
        await connection.execute(CREATE_HISTORY)
        return await _Run(settings, connection, report).apply(migrations(folder))


async def pending(settings: Settings, folder: Path = MIGRATIONS) -> list[Pending]:
    """What `migrate` would apply, in order. Raises MigrationError, DatabaseError."""
    async with _session(settings, LOOK_SECONDS) as connection:
        known = await _history(connection) if await connection.fetchval(HAS_HISTORY) else {}
        return [Pending(one, await _unfinished(connection, one)) for one in _missing(migrations(folder), known)]


@asynccontextmanager
async def _session(settings: Settings, timeout: float = 10.0) -> AsyncIterator[Connection]:
    dsn = settings.database_url.get_secret_value()
    connection = await connect(dsn, timeout=timeout, server_settings={"application_name": "migrate"})
    try:
        yield connection
    finally:
        await connection.close()


async def _lock(connection: Connection, report: Report) -> None:
    """Wait for another migration to end. Raises MigrationError after LOCK_SECONDS.

    It tries again and again: a session that waited in pg_advisory_lock would hold a snapshot, and a concurrent index
    build in the session that has the lock would wait for that snapshot in turn.
    """
    for number in range(round(LOCK_SECONDS / LOCK_EVERY_SECONDS)):
        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_ID):
            return
        if number % round(REPORT_EVERY_SECONDS / LOCK_EVERY_SECONDS) == 0:
            report(f"waits for another migration, in session {await connection.fetchval(HOLDER, LOCK_ID)}")
        await asyncio.sleep(LOCK_EVERY_SECONDS)
    raise MigrationError("another migration is still running; run `gateway migrate` again when it has ended")


async def _history(connection: Connection) -> dict[str, str]:
    return {row["name"]: row["checksum"] for row in await connection.fetch(HISTORY)}


def _missing(files: list[Migration], known: dict[str, str]) -> list[Migration]:
    for migration in files:
        if known.get(migration.name, migration.checksum) != migration.checksum:
            raise MigrationError(f"{migration.name} was edited after it had been applied; add a new migration")
    return [migration for migration in files if migration.name not in known]


async def _unfinished(connection: Connection, migration: Migration) -> tuple[str, ...]:
    created = [one.created for one in migration.repeatable if one.created] if migration.is_concurrent else []
    return tuple([index for index in created if await connection.fetchval(IS_VALID, index) is False])


class _Run:
    """The missing migrations, one after another, over the connection that has the lock."""

    def __init__(self, settings: Settings, connection: Connection, report: Report) -> None:
        self._dsn = settings.database_url.get_secret_value()
        self._connection = connection
        self._report = report

    async def apply(self, files: list[Migration]) -> list[str]:
        applied = []
        for migration in _missing(files, await _history(self._connection)):
            if migration.is_concurrent:
                await self._concurrently(migration)
            else:
                await self._in_transaction(migration)
            applied.append(migration.name)
        return applied

    async def _in_transaction(self, migration: Migration) -> None:
        for tries_left in reversed(range(LOCK_TRIES)):
            try:
                await self._once(migration)
                return
            except LockTimeoutError as error:
                if not tries_left:
                    raise MigrationError(str(error)) from error
                self._report(f"{migration.name} let the others pass, and tries again")
            await asyncio.sleep(LOCK_PAUSE_SECONDS)

    async def _once(self, migration: Migration) -> None:
        """Raises LockTimeoutError with the whole message: it is tried again."""
        statement = migration.statements[0] if migration.statements else Statement("", 1)
        async with watched(self._dsn, self._connection, self._reporter(migration)) as watch:
            try:
                async with asyncio.timeout(TRANSACTION_SECONDS), self._connection.transaction():
                    for statement in migration.statements:
                        await self._connection.execute(statement.text)
                    await self._remember(migration)
            except LockTimeoutError as error:
                raise LockTimeoutError(_failure(migration, statement, error, watch)) from error
            except (DatabaseError, TimeoutError) as error:
                raise MigrationError(_failure(migration, statement, error, watch)) from error

    async def _concurrently(self, migration: Migration) -> None:
        for one in migration.repeatable:
            async with watched(self._dsn, self._connection, self._reporter(migration)) as watch:
                try:
                    await self._repeatable(migration, one)
                except (DatabaseError, TimeoutError) as error:
                    raise MigrationError(_failure(migration, one.statement, error, watch)) from error
        await self._remember(migration)

    async def _repeatable(self, migration: Migration, one: Repeatable) -> None:
        if one.stepped:
            await self._in_steps(migration, one)
            return
        if one.created:
            await self._drop_unfinished(one.created)
        await self._connection.execute(one.text)
        if one.created and not await self._connection.fetchval(IS_VALID, one.created):
            raise SchemaError(f"something else has the name {one.created}")

    async def _in_steps(self, migration: Migration, one: Repeatable) -> None:
        """Each step takes the rows after the last one of the step before, and locks them no longer than it takes."""
        about = await self._connection.fetchval(ROWS, one.stepped)
        reported_at = asyncio.get_running_loop().time()
        last, done = "", 0
        while rows := await self._connection.fetch(one.text, last, timeout=STEP_SECONDS):
            last = max(row["id"] for row in rows)
            done += len(rows)
            if asyncio.get_running_loop().time() - reported_at >= REPORT_EVERY_SECONDS:
                reported_at = asyncio.get_running_loop().time()
                self._reporter(migration)(f"{done:,} of about {about:,} rows of {one.stepped}")

    async def _drop_unfinished(self, index: str) -> None:
        """An interrupted build leaves an invalid index, which IF NOT EXISTS would treat as finished."""
        if await self._connection.fetchval(IS_VALID, index) is False:
            self._report(f"{index} was left unfinished by an earlier run; it is dropped and built again")
            await self._connection.execute(f"DROP INDEX CONCURRENTLY {index}")

    async def _remember(self, migration: Migration) -> None:
        await self._connection.execute(REMEMBER, migration.name, migration.checksum)

    def _reporter(self, migration: Migration) -> Report:
        return lambda line: self._report(f"{migration.name}: {line}")


def _failure(migration: Migration, statement: Statement, error: Exception, watch: Watch) -> str:
    """Which statement, why, and what to do."""
    why = str(error) or "it took too long"
    left = (
        "Steps and indexes that are done stay, and the roles go on."
        if migration.is_concurrent
        else "Nothing of this migration was changed, and the roles go on."
    )
    return (
        f"{migration.name}, line {statement.line}, failed: {why}\n"
        f"  {statement.shown}\n"
        f'{left} {_advice(migration, error, watch)} See docs/RUNBOOK.md, "A failed migration".'
    )


def _advice(migration: Migration, error: Exception, watch: Watch) -> str:
    again = "then run `gateway migrate` again."
    match error:
        case LockTimeoutError():
            holder = watch.in_the_way or "another session"
            return f"The lock that it needs was held by {holder}. Let it end, or end it, {again}"
        case TimeoutError():
            holder = f", and waited for {watch.in_the_way}" if watch.in_the_way else ""
            return f"It took longer than {TRANSACTION_SECONDS} s{holder}. Try when the gateway is quieter; {again}"
        case ValueRefusedError():
            return f"Rows break a rule that it introduces: correct them, {again}"
        case SchemaError():
            return (
                "The schema is not what this migration expects, or the database user may not change it: compare with "
                f"`gateway migrate --pending`, correct that, {again}"
            )
        case DatabaseUnavailableError():
            return f"The database did not answer. See that it does, {again}"
        case _:
            return f"Correct the cause, {again}"
