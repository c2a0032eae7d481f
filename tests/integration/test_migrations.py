"""Migrations on a real PostgreSQL: they do not stop writers, continue after an interruption, and report what failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from domain.instrument import Card, Upi
from store.payments import find_payment
from store.schema.migrate import LOCK_TRIES, migrate, pending
from store.schema.migration import CONCURRENT, MigrationError
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
    with pytest.raises(MigrationError) as failed:
        await migrate(services.settings, folder)
    assert await database.fetchval(VALID) is False
    message = str(failed.value)
    assert message.startswith("9901_build.sql, line 2, failed: UniqueViolationError")
    assert "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS migrated_value ON migrated (value)" in message
    assert "Rows break a rule that it introduces: correct them, then run `gateway migrate` again." in message
    assert [one.unfinished for one in await pending(services.settings, folder)] == [("migrated_value",)]

    await database.execute("DELETE FROM migrated")
    reported: list[str] = []
    assert await migrate(services.settings, folder, reported.append) == ["9901_build.sql"]
    assert reported == ["migrated_value was left unfinished by an earlier run; it is dropped and built again"]
    assert await database.fetchval(VALID) is True
    assert await pending(services.settings, folder) == []
    assert await migrate(services.settings, folder) == []


async def test_writers_go_on_while_an_index_is_built_and_a_second_start_waits(
    services: Stack, database: asyncpg.Connection, folder: Path
) -> None:
    reader = await asyncpg.connect(services.database_url)
    try:
        transaction = reader.transaction(isolation="repeatable_read")
        await transaction.start()
        await reader.fetch("SELECT * FROM migrated")
        reported: list[str] = []
        first = asyncio.create_task(migrate(services.settings, folder, reported.append))
        second = asyncio.create_task(migrate(services.settings, folder, reported.append))
        await eventually(lambda: _is_building(database))
        await database.execute("INSERT INTO migrated VALUES (7)", timeout=5)
        assert not first.done()
        assert not second.done()
        # Whoever watches learns that it waits, and for whom.
        pid = reader.get_server_pid()
        await eventually(
            lambda: any(f"waits for session {pid} (" in line for line in reported), timeout=30, what="it waits"
        )
        assert any(line.startswith("waits for another migration, in session ") for line in reported)
        await transaction.rollback()
        assert sorted([await first, await second]) == [[], ["9901_build.sql"]]
    finally:
        await reader.close()


async def _is_building(database: asyncpg.Connection) -> bool:
    return bool(await database.fetchval("SELECT count(*) FROM pg_stat_progress_create_index"))


async def test_a_name_that_something_else_has_is_not_taken_for_the_index(
    services: Stack, database: asyncpg.Connection, folder: Path
) -> None:
    await database.execute("CREATE TABLE migrated_value (x integer)")
    try:
        with pytest.raises(MigrationError, match="something else has the name migrated_value"):
            await migrate(services.settings, folder)
        assert len(await pending(services.settings, folder)) == 1
    finally:
        await database.execute("DROP TABLE migrated_value")


ADD = """SET LOCAL lock_timeout = '100ms';

ALTER TABLE migrated ADD COLUMN first integer;
ALTER TABLE migrated ADD COLUMN second {type};
"""


async def test_a_migration_that_finds_no_lock_names_who_holds_it_and_changes_nothing(
    services: Stack, database: asyncpg.Connection, tmp_path: Path
) -> None:
    holder = await asyncpg.connect(services.database_url, server_settings={"application_name": "a long report"})
    try:
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("LOCK TABLE migrated IN ACCESS SHARE MODE")
        reported: list[str] = []
        slow = ADD.format(type="integer").replace("100ms", "1500ms")  # longer than the watch takes to look
        (tmp_path / "9903_add.sql").write_text(slow)
        with pytest.raises(MigrationError) as failed:
            await migrate(services.settings, tmp_path, reported.append)
        assert reported == ["9903_add.sql let the others pass, and tries again"] * (LOCK_TRIES - 1)
        message = str(failed.value)
        assert message.startswith("9903_add.sql, line 3, failed: LockNotAvailableError")
        assert "Nothing of this migration was changed" in message
        assert f"was held by session {holder.get_server_pid()} (a long report)" in message
        await transaction.rollback()
        assert await migrate(services.settings, tmp_path) == ["9903_add.sql"]
    finally:
        await holder.close()


async def test_a_migration_in_a_transaction_is_applied_as_a_whole_or_not_at_all(
    services: Stack, database: asyncpg.Connection, tmp_path: Path
) -> None:
    (tmp_path / "9904_add.sql").write_text(ADD.format(type="no_such_type"))
    with pytest.raises(MigrationError) as failed:
        await migrate(services.settings, tmp_path)
    message = str(failed.value)
    assert message.startswith("9904_add.sql, line 4, failed: UndefinedObjectError")
    assert "ALTER TABLE migrated ADD COLUMN second no_such_type" in message
    columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'migrated'"
    assert await database.fetchval(columns) == 1
    (tmp_path / "9904_add.sql").write_text(ADD.format(type="text"))
    assert await migrate(services.settings, tmp_path) == ["9904_add.sql"]


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
