"""The migrations keep the house rules of their class: bounded waits, nothing that stops writers, nothing that the
version before cannot live with, and nothing concurrent that cannot be repeated."""

from __future__ import annotations

import re

import pytest

from store.schema.migrate import migrations
from store.schema.migration import CONCURRENT, Migration, MigrationError

FILES = {migration.name: migration for migration in migrations()}
IN_TRANSACTION = sorted(name for name, migration in FILES.items() if not migration.is_concurrent)
CONCURRENT_ONES = sorted(name for name, migration in FILES.items() if migration.is_concurrent)
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
SCANS = {
    "0012_inbox.sql",
    "0017_receivers.sql",
    "0019_dlq_reopen.sql",
    "0026_owed_returned.sql",
    "0074_return.sql",
}
"""Constraints on tables that exist, checked row by row under the lock: of tables with a row for each merchant,
endpoint, dead letter or debt, and an index that was built before."""
CHANGES_ROWS = {
    "0012_inbox.sql",
    "0013_bank_turns.sql",
    "0015_audit.sql",
    "0017_receivers.sql",
    "0030_feed.sql",
}
"""They change rows of tables that may be large, in one transaction."""
BREAKS_THE_VERSION_BEFORE = {
    "0016_repairs.sql",
    "0017_receivers.sql",
    "0024_endpoint_switches.sql",
    "0030_feed.sql",
}
"""They take away what the version before uses: nothing was released then that could run beside them."""
INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)\w+\s+ON (\w+(?:\.\w+)?)")
TABLE = re.compile(r"CREATE TABLE (\w+(?:\.\w+)?)")
CHECKED_NOW = re.compile(r"ADD CONSTRAINT (?![^;]*NOT VALID)")
ROWS = re.compile(
    r"(?:UPDATE (?!OF|ON|SET)|DELETE FROM |INSERT INTO [^;]*SELECT|ALTER COLUMN \w+ (?:TYPE|SET NOT NULL))"
)
TAKEN_AWAY = re.compile(r"DROP (?:COLUMN|TABLE)|RENAME ")
OWN_TRANSACTION = re.compile(r"^\s*(?:BEGIN|COMMIT|ROLLBACK|SET LOCAL)\b", re.MULTILINE)


def code(name: str) -> str:
    """The statements of a file, without its comments."""
    return ";\n".join(statement.text for statement in FILES[name].statements)


@pytest.mark.parametrize("name", sorted(set(IN_TRANSACTION) - WITHOUT_LOCK_TIMEOUT))
def test_a_migration_in_a_transaction_waits_for_locks_only_so_long(name: str) -> None:
    assert FILES[name].statements[0].text.startswith("SET LOCAL lock_timeout")


@pytest.mark.parametrize("name", sorted(FILES.keys() - LOCKS_WRITERS_OUT))
def test_an_index_on_a_table_that_exists_is_built_concurrently(name: str) -> None:
    migration = FILES[name]
    new_tables = set(TABLE.findall(migration.text))
    assert set(INDEX.findall(migration.text)) <= new_tables


@pytest.mark.parametrize("name", sorted(set(IN_TRANSACTION) - SCANS))
def test_a_constraint_is_added_without_looking_at_every_row_under_the_lock(name: str) -> None:
    assert not any(CHECKED_NOW.search(statement.text) for statement in FILES[name].statements)


@pytest.mark.parametrize("name", sorted(set(IN_TRANSACTION) - CHANGES_ROWS))
def test_rows_of_a_table_that_exists_are_changed_in_steps(name: str) -> None:
    assert not ROWS.search(code(name))


@pytest.mark.parametrize("name", sorted(FILES.keys() - BREAKS_THE_VERSION_BEFORE))
def test_the_previous_version_keeps_running_beside_a_migration(name: str) -> None:
    assert not TAKEN_AWAY.search(code(name))


@pytest.mark.parametrize("name", CONCURRENT_ONES)
def test_a_concurrent_migration_has_no_transaction_of_its_own(name: str) -> None:
    assert not OWN_TRANSACTION.search(code(name))


def test_numbers_are_unique() -> None:
    numbers = [name.partition("_")[0] for name in FILES]
    assert len(numbers) == len(set(numbers))


def test_concurrent_migrations_are_read_statement_by_statement() -> None:
    text = f"{CONCURRENT}\n-- why\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a\n    ON b (c);\n"
    (one,) = Migration("0099_x.sql", text).repeatable
    assert (one.created, one.text) == ("a", "CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON b (c)")
    assert one.statement.line == 3


@pytest.mark.parametrize("name", CONCURRENT_ONES)
def test_every_concurrent_migration_can_be_repeated(name: str) -> None:
    assert FILES[name].repeatable


@pytest.mark.parametrize("statement", ["CREATE INDEX CONCURRENTLY a ON b (c)", "UPDATE b SET c = 1", "DROP INDEX a"])
def test_a_statement_that_cannot_be_repeated_is_refused(statement: str) -> None:
    with pytest.raises(MigrationError, match="line 2, is concurrent, and this is not a repeatable statement"):
        _ = Migration("0099_x.sql", f"{CONCURRENT}\n{statement};\n").repeatable


def test_a_semicolon_in_a_text_a_function_or_a_comment_ends_no_statement() -> None:
    text = """-- first; of all
INSERT INTO a VALUES ('x;''y;');

CREATE FUNCTION f() RETURNS integer LANGUAGE plpgsql AS $body$
BEGIN
    RETURN 1; -- $$ and one;
END $body$;
SELECT 2 - 1 -- the last has no semicolon;
"""
    statements = Migration("0099_x.sql", text).statements
    assert [(one.line, one.text.split()[0]) for one in statements] == [(2, "INSERT"), (4, "CREATE"), (8, "SELECT")]
    assert statements[0].text == "INSERT INTO a VALUES ('x;''y;')"
    assert statements[1].text.endswith("END $body$")


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_statements_of_a_file_are_all_of_its_code(name: str) -> None:
    def bare(text: str) -> str:
        return re.sub(r"[\s;]", "", re.sub(r"--[^\n]*", "", text))

    assert bare(code(name)) == bare(FILES[name].text)
