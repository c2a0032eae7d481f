"""Concurrent migrations on a real PostgreSQL: they do not stop writers, and go on after they were cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from store.migrate import CONCURRENT, migrate
from tests.support.eventually import eventually
from tests.support.stack import Stack

BUILD = f"{CONCURRENT}\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS migrated_value ON migrated (value);\n"
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('migrated_value')"


@pytest.fixture
async def database(services: Stack) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(services.database_url)
    await connection.execute("CREATE TABLE migrated (value integer)")
    try:
        yield connection
    finally:
        await connection.execute("DROP TABLE migrated")
        await connection.execute("DELETE FROM schema_migrations WHERE name LIKE '99%'")
        await connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "9901_build.sql").write_text(BUILD)
    return tmp_path


async def test_a_build_that_was_cut_off_is_done_again(
    services: Stack, database: asyncpg.Connection, folder: Path
) -> None:
    await database.execute("INSERT INTO migrated VALUES (1), (1)")
    with pytest.raises(asyncpg.UniqueViolationError):
        await migrate(services.settings, folder)
    assert await database.fetchval(VALID) is False
    await database.execute("DELETE FROM migrated")
    assert await migrate(services.settings, folder) == ["9901_build.sql"]
    assert await database.fetchval(VALID) is True
    assert await migrate(services.settings, folder) == []


async def test_writers_go_on_while_an_index_is_built_and_a_second_start_waits(
    services: Stack, database: asyncpg.Connection, folder: Path
) -> None:
    reader = await asyncpg.connect(services.database_url)
    try:
        transaction = reader.transaction(isolation="repeatable_read")
        await transaction.start()
        await reader.fetch("SELECT * FROM migrated")
        first = asyncio.create_task(migrate(services.settings, folder))
        second = asyncio.create_task(migrate(services.settings, folder))
        await eventually(lambda: _is_building(database))
        await database.execute("INSERT INTO migrated VALUES (7)", timeout=5)
        assert not first.done()
        assert not second.done()
        await transaction.rollback()
        assert sorted([await first, await second]) == [[], ["9901_build.sql"]]
    finally:
        await reader.close()


async def _is_building(database: asyncpg.Connection) -> bool:
    return bool(await database.fetchval("SELECT count(*) FROM pg_stat_progress_create_index"))
