"""Everything that a pool or a connection does raises the errors of store/errors.py, against a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from runtime.settings import Settings
from store.connections import make_pool
from store.driver import Connection, Cursor, Pool, connect
from store.errors import (
    ConnectionLostError,
    DatabaseUnavailableError,
    DuplicateError,
    MissingTableError,
    ValueRefusedError,
)
from tests.support.stack import Stack

Call = Callable[[Pool | Connection], Awaitable[object]]

CALLS: dict[str, Call] = {
    "execute": lambda on: on.execute("SELECT * FROM nothing"),
    "executemany": lambda on: on.executemany("INSERT INTO nothing VALUES ($1)", [(1,)]),
    "fetch": lambda on: on.fetch("SELECT * FROM nothing"),
    "fetchrow": lambda on: on.fetchrow("SELECT * FROM nothing"),
    "fetchval": lambda on: on.fetchval("SELECT * FROM nothing"),
}


@pytest.fixture
async def pool(services: Stack) -> AsyncIterator[Pool]:
    made = await make_pool(services.settings, size=1)
    yield made
    await made.close()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_missing_table_is_the_same_error_for_every_caller(pool: Pool, services: Stack, call: Call) -> None:
    with pytest.raises(MissingTableError, match="nothing"):
        await call(pool)
    with pytest.raises(MissingTableError):
        async with pool.acquire() as lent:
            await call(lent)
    own = await connect(services.database_url, timeout=10)
    with pytest.raises(MissingTableError):
        await call(own)
    await own.close()


async def test_a_copy_and_a_cursor_are_translated_too(pool: Pool) -> None:
    async with pool.acquire() as lent:
        with pytest.raises(MissingTableError):
            await lent.copy_records_to_table("nothing", records=[(1,)])
        with pytest.raises(MissingTableError):
            async with lent.transaction():
                await Cursor.open(lent, "SELECT * FROM nothing")
        with pytest.raises(ValueRefusedError):
            async with lent.transaction():
                cursor = await Cursor.open(lent, "SELECT 1 / (3 - n) FROM generate_series(1, 5) AS n")
                while await cursor.fetch(1):
                    pass


async def test_a_broken_session_is_a_lost_connection(pool: Pool) -> None:
    with pytest.raises(ConnectionLostError):
        await pool.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(ConnectionLostError):
        async with pool.acquire() as lent, lent.transaction():
            await lent.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert await pool.fetchval("SELECT 1") == 1


async def test_a_constraint_that_is_checked_at_the_commit_is_a_duplicate(pool: Pool) -> None:
    async with pool.acquire() as lent:
        await lent.execute("CREATE TEMPORARY TABLE once (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        with pytest.raises(DuplicateError) as raised:
            async with lent.transaction():
                await lent.execute("INSERT INTO once VALUES (1), (1)")
        assert raised.value.constraint == "once_n_key"


async def test_a_slow_statement_and_a_busy_pool_are_an_outage(pool: Pool) -> None:
    with pytest.raises(DatabaseUnavailableError, match="TimeoutError"):
        await pool.fetchval("SELECT pg_sleep(60)", timeout=0.05)
    async with pool.acquire():
        with pytest.raises(DatabaseUnavailableError, match="TimeoutError"):
            async with pool.acquire(timeout=0.05):
                pass


async def test_a_server_that_refuses_connections_is_a_lost_connection(services: Stack) -> None:
    nowhere = Settings(**services.settings.model_dump() | {"database_url": "postgresql://nobody@127.0.0.1:1/none"})
    with pytest.raises(ConnectionLostError):
        await make_pool(nowhere, size=1)
    lazy = await make_pool(nowhere, size=1, lazy=True)
    with pytest.raises(ConnectionLostError):
        await lazy.ping()
    with pytest.raises(ConnectionLostError):
        await connect("postgresql://nobody@127.0.0.1:1/none", timeout=5)
    lazy.terminate()
