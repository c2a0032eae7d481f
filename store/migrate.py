"""Migrations: `migrations/NNNN_name.sql`, forward only, in order, under an advisory lock. Two classes:

    in a transaction   the default: all or nothing, at most TRANSACTION_SECONDS; starts with `SET LOCAL lock_timeout`
    concurrent         first line CONCURRENT: indexes built or dropped, rows changed in steps, constraints validated,
                       while everything runs and without a time limit; each statement can be repeated, so a migration
                       that was cut off can be run again

Applied files are remembered with their checksum; one that was edited afterwards stops the start.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from runtime.settings import Settings
from store.driver import Connection, connect

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK_ID = 7_240_001
LOCK_EVERY_SECONDS = 0.5
LOCK_SECONDS = 3_600
"""An index on a large table takes that long to build."""
TRANSACTION_SECONDS = 120
"""A migration in a transaction keeps its locks until it ends. What takes longer belongs into the other class."""
CONCURRENT = "-- gateway: concurrent"
_STATEMENT = re.compile(
    r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS (?P<created>\w+) ON [^;]+"
    r"|DROP INDEX CONCURRENTLY IF EXISTS (?P<dropped>\w+)"
    r"|ALTER TABLE \w+ VALIDATE CONSTRAINT \w+"
    r"|UPDATE (?P<stepped>\w+) SET .+ WHERE id IN"
    r" \(SELECT id FROM (?P=stepped) WHERE id > \$1 ORDER BY id LIMIT \d+\) RETURNING id"
)


class MigrationError(RuntimeError):
    """The database's history and the files do not agree, or a file breaks the rules of its class."""


@dataclass(frozen=True)
class Migration:
    """One file."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def is_concurrent(self) -> bool:
        return self.text.startswith(CONCURRENT)

    @cached_property
    def statements(self) -> tuple[re.Match[str], ...]:
        """Statements of a concurrent migration. Raises MigrationError for one that cannot be repeated."""
        code = "\n".join(line for line in self.text.splitlines() if not line.lstrip().startswith("--"))
        matches = []
        for statement in filter(None, (" ".join(part.split()) for part in code.split(";"))):
            match = _STATEMENT.fullmatch(statement)
            if match is None:
                raise MigrationError(f"{self.name} is concurrent, and this is not a repeatable statement: {statement}")
            matches.append(match)
        return tuple(matches)


def migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """All files, in the order in which they are applied."""
    return [Migration(path.name, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("[0-9]*.sql"))]


async def migrate(settings: Settings, folder: Path = MIGRATIONS) -> list[str]:
    """Apply what is missing; returns the names applied, in order. Raises MigrationError, DatabaseError."""
    connection = await connect(settings.database_url.get_secret_value(), timeout=10)
    try:
        await _lock(connection)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations ("
            "name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        return await _apply_missing(connection, migrations(folder))
    finally:
        await connection.close()


async def _lock(connection: Connection) -> None:
    """Wait for another migration to end. Raises MigrationError after LOCK_SECONDS.

    It tries again and again: a session that waited in pg_advisory_lock would hold a snapshot, and a concurrent index
    build in the session that has the lock would wait for that snapshot in turn.
    """
    for _ in range(round(LOCK_SECONDS / LOCK_EVERY_SECONDS)):
        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_ID):
            return
        await asyncio.sleep(LOCK_EVERY_SECONDS)
    raise MigrationError("another migration is still running; run `gateway migrate` again when it has ended")


async def _apply_missing(connection: Connection, files: list[Migration]) -> list[str]:
    known = {
        row["name"]: row["checksum"] for row in await connection.fetch("SELECT name, checksum FROM schema_migrations")
    }
    applied = []
    for migration in files:
        if migration.name in known:
            if known[migration.name] != migration.checksum:
                raise MigrationError(f"{migration.name} was edited after it had been applied; add a new migration")
            continue
        if migration.is_concurrent:
            await _apply_concurrently(connection, migration)
        else:
            await _apply_in_transaction(connection, migration)
        applied.append(migration.name)
    return applied


async def _apply_in_transaction(connection: Connection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.text, timeout=TRANSACTION_SECONDS)
        await _remember(connection, migration)


async def _apply_concurrently(connection: Connection, migration: Migration) -> None:
    for statement in migration.statements:
        if statement["created"]:
            await _drop_unfinished(connection, statement["created"])
        if statement["stepped"]:
            await _apply_in_steps(connection, statement[0])
        else:
            await connection.execute(statement[0])
    await _remember(connection, migration)


async def _apply_in_steps(connection: Connection, statement: str) -> None:
    """Each step takes the rows after the last one of the step before, and locks them no longer than it takes."""
    last = ""
    while rows := await connection.fetch(statement, last, timeout=TRANSACTION_SECONDS):
        last = max(row["id"] for row in rows)


async def _drop_unfinished(connection: Connection, index: str) -> None:
    """A build that was cut off leaves an invalid index behind, which IF NOT EXISTS would take for the finished one."""
    unfinished = await connection.fetchval(
        "SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)", index
    )
    if unfinished:
        await connection.execute(f"DROP INDEX CONCURRENTLY {index}")


async def _remember(connection: Connection, migration: Migration) -> None:
    await connection.execute(
        "INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)", migration.name, migration.checksum
    )
