"""Concurrent migrations on a real PostgreSQL: they do not stop writers, and go on after they were cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from domain.instrument import Card, Upi
from store.errors import DuplicateError
from store.migrate import CONCURRENT, migrate
from store.payments import find_payment
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
    with pytest.raises(DuplicateError):
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


STEPS = f"""{CONCURRENT}
UPDATE stepped SET value = value + 1
 WHERE id IN (SELECT id FROM stepped WHERE id > $1 ORDER BY id LIMIT 2)
RETURNING id;
"""


async def test_rows_are_changed_in_steps_each_once(services: Stack, database: asyncpg.Connection, folder: Path) -> None:
    await database.execute("CREATE TABLE stepped (id text PRIMARY KEY, value integer NOT NULL, txid xid8)")
    await database.execute("CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS"
                           " 'BEGIN NEW.txid = pg_current_xact_id(); RETURN NEW; END'")  # fmt: skip
    await database.execute("CREATE TRIGGER mark BEFORE UPDATE ON stepped FOR EACH ROW EXECUTE FUNCTION mark()")
    try:
        await database.execute("INSERT INTO stepped SELECT 'row_' || n, 0 FROM generate_series(1, 5) n")
        (folder / "9902_steps.sql").write_text(STEPS)
        assert "9902_steps.sql" in await migrate(services.settings, folder)
        assert [row["value"] for row in await database.fetch("SELECT value FROM stepped")] == [1] * 5
        steps = await database.fetch("SELECT count(*) AS size FROM stepped GROUP BY txid ORDER BY min(id)")
        assert [row["size"] for row in steps] == [2, 2, 1]
    finally:
        await database.execute("DROP TABLE stepped; DROP FUNCTION mark")


EARLIER_PAYMENT = """
INSERT INTO payments (id, order_id, merchant_id, amount, currency, method, status, captured, amount_refunded, vpa,
                      card_network, card_last4, token, deadline_at, version, created_at)
VALUES ($1, 'order_migrated', 'mrc_migrated', 500, 'INR', $2, 'FAILED', false, 0, $3, $4, $5, 't', now(), 1, now())
"""
BACKFILL = "0022_instrument_backfill.sql"


async def test_payments_of_earlier_versions_are_read_and_get_their_instrument(
    services: Stack, database: asyncpg.Connection
) -> None:
    await database.execute(EARLIER_PAYMENT, "pay_migrated_upi", "upi", "a@upi", None, None)
    await database.execute(EARLIER_PAYMENT, "pay_migrated_card", "card", None, "visa", "4242")
    pool = await asyncpg.create_pool(services.database_url, min_size=1, max_size=1)
    try:
        for _ in ("before", "after"):
            by_upi, by_card = (
                await find_payment(pool, "pay_migrated_upi"),
                await find_payment(pool, "pay_migrated_card"),
            )
            assert by_upi is not None and by_upi.instrument == Upi("a@upi")
            assert by_card is not None and by_card.instrument == Card("visa", "4242")
            await database.execute("DELETE FROM schema_migrations WHERE name = $1", BACKFILL)
            assert await migrate(services.settings) == [BACKFILL]
        assert await database.fetchval("SELECT count(*) FROM payments WHERE instrument IS NULL") == 0
    finally:
        await pool.close()
        await database.execute("DELETE FROM payments WHERE merchant_id = 'mrc_migrated'")


@pytest.mark.parametrize(
    ("method", "vpa", "instrument"),
    [
        ("upi", "a@upi", '{"vpa": "b@upi"}'),
        ("upi", "a@upi", '{"vpa": "a@upi", "card_last4": "4242"}'),
        ("upi", "a@upi", "{}"),
        ("upi", None, None),
        ("card", "a@upi", None),
        ("cash", "a@upi", '{"vpa": "a@upi"}'),
    ],
)
async def test_the_table_refuses_an_instrument_of_another_form(
    database: asyncpg.Connection, method: str, vpa: str | None, instrument: str | None
) -> None:
    row = EARLIER_PAYMENT.replace(", created_at)", ", created_at, instrument)").replace("now())", "now(), $6)")
    with pytest.raises(asyncpg.CheckViolationError, match="payments_instrument"):
        await database.execute(row, "pay_migrated_x", method, vpa, None, None, instrument)
