"""Migrations: `migrations/NNNN_name.sql`, forward only, each in one transaction, under an advisory lock.

Applied files are remembered with their checksum; one that was edited afterwards stops the start.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import asyncpg

from runtime.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK_ID = 7_240_001


class MigrationError(RuntimeError):
    """The database's history and the files do not agree."""


async def migrate(settings: Settings) -> list[str]:
    """Apply what is missing; returns the names applied, in order."""
    connection = await asyncpg.connect(settings.database_url.get_secret_value(), timeout=10, command_timeout=120)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK_ID)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations ("
            "name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        return await _apply_missing(connection)
    finally:
        await connection.close()


async def _apply_missing(connection: asyncpg.Connection) -> list[str]:
    known = {
        row["name"]: row["checksum"] for row in await connection.fetch("SELECT name, checksum FROM schema_migrations")
    }
    applied = []
    for path in sorted(MIGRATIONS.glob("[0-9]*.sql")):
        text = path.read_text(encoding="utf-8")
        checksum = hashlib.sha256(text.encode()).hexdigest()
        if path.name in known:
            if known[path.name] != checksum:
                raise MigrationError(f"{path.name} was edited after it had been applied; add a new migration instead")
            continue
        async with connection.transaction():
            await connection.execute(text)
            await connection.execute(
                "INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)", path.name, checksum
            )
        applied.append(path.name)
    return applied
