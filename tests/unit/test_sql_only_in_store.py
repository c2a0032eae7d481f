"""SQL is only in store/: no string of another package is a statement."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = ["domain", "topics", "runtime", "api", "agents", "ops", "pages"]
ROOT = Path(__file__).parents[2]
BOOTSTRAP = ROOT / "ops" / "stack" / "services" / "postgres.py"
"""Makes the role and the database of a new server, before the store can connect to it."""
FILES = sorted({path for package in PACKAGES for path in (ROOT / package).rglob("*.py")} - {BOOTSTRAP})
STATEMENT = re.compile(
    r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|CREATE|ALTER|DROP|TRUNCATE|LOCK TABLE|SET LOCAL)\s"
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_package_beside_the_store_holds_no_sql(path: Path) -> None:
    assert list(statements(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source", ['pool.fetch("SELECT 1")', 'X = """\nUPDATE orders\n   SET status = 1"""', 'f"DELETE FROM {table}"']
)
def test_a_statement_is_noticed(source: str) -> None:
    assert list(statements(source))


BANKS_TABLE = {
    "store/ledger.py",  # the adapter's
    "store/operations/inspection.py",  # `gateway journey` shows when the simulated bank was asked
    "store/operations/recover.py",  # the simulated bank's books were restored with ours, and are brought up to the log
}


def test_nobody_else_looks_into_the_simulated_banks_table() -> None:
    paths = [path for package in [*PACKAGES, "store"] for path in (ROOT / package).rglob("*.py")]
    naming = {path for path in paths if re.search(r"\bbank\.ledger\b", path.read_text(encoding="utf-8"))}
    assert {path.relative_to(ROOT).as_posix() for path in naming} == BANKS_TABLE


def statements(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and STATEMENT.match(node.value):
            yield f"{node.lineno}: {node.value.strip()[:60]}"
