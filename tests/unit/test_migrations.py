"""The migrations keep the house rules: bounded waits for locks, and no index build that stops writers."""

from __future__ import annotations

import re

import pytest

from store.migrate import CONCURRENT, Migration, MigrationError, migrations

FILES = {migration.name: migration for migration in migrations()}
WITHOUT_LOCK_TIMEOUT = {"0008_attempt_retention.sql", "0009_refunds_to_mend.sql"}
"""Applied before the rule had a test; an applied file is never edited."""
LOCKS_WRITERS_OUT = {
    "0004_inspection.sql",
    "0006_dashboard.sql",
    "0007_payment_lists.sql",
    "0008_attempt_retention.sql",
    "0009_refunds_to_mend.sql",
    "0010_payment_search.sql",
}
"""They build indexes on tables that may be large, inside a transaction. As above: applied, so never edited."""
INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)\w+\s+ON (\w+(?:\.\w+)?)")
TABLE = re.compile(r"CREATE TABLE (\w+(?:\.\w+)?)")


@pytest.mark.parametrize("name", sorted(FILES.keys() - WITHOUT_LOCK_TIMEOUT))
def test_a_migration_in_a_transaction_waits_for_locks_only_so_long(name: str) -> None:
    migration = FILES[name]
    assert migration.is_concurrent or "SET LOCAL lock_timeout" in migration.text


@pytest.mark.parametrize("name", sorted(FILES.keys() - LOCKS_WRITERS_OUT))
def test_an_index_on_a_table_that_exists_is_built_concurrently(name: str) -> None:
    migration = FILES[name]
    new_tables = set(TABLE.findall(migration.text))
    assert set(INDEX.findall(migration.text)) <= new_tables


def test_numbers_are_unique() -> None:
    numbers = [name.partition("_")[0] for name in FILES]
    assert len(numbers) == len(set(numbers))


def test_concurrent_migrations_are_read_statement_by_statement() -> None:
    text = f"{CONCURRENT}\n-- why\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a\n    ON b (c);\n"
    (statement,) = Migration("0099_x.sql", text).statements
    assert (statement["created"], statement[0]) == ("a", "CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON b (c)")


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_concurrent_migration_can_be_repeated(name: str) -> None:
    assert not FILES[name].is_concurrent or FILES[name].statements


@pytest.mark.parametrize("statement", ["CREATE INDEX CONCURRENTLY a ON b (c)", "UPDATE b SET c = 1", "DROP INDEX a"])
def test_a_statement_that_cannot_be_repeated_is_refused(statement: str) -> None:
    with pytest.raises(MigrationError, match="not a repeatable statement"):
        _ = Migration("0099_x.sql", f"{CONCURRENT}\n{statement};\n").statements
