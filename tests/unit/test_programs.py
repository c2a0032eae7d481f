"""How DATABASE_URL is passed to pg_dump and pg_restore."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from ops.backup.programs import libpq_variables
from runtime.settings import Settings


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@db/x", {"PGHOST": "db", "PGPORT": "5432", "PGUSER": "u", "PGPASSWORD": "p"}),
        ("postgresql://u:p%40@db:6432/x", {"PGPORT": "6432", "PGPASSWORD": "p@"}),
        ("postgresql://u:p@[::1]:6432/x", {"PGHOST": "::1", "PGPORT": "6432"}),
        ("postgresql:///x", {"PGHOST": "localhost", "PGUSER": "", "PGPASSWORD": ""}),
        (
            "postgresql://u:p@a,b:6432/x?target_session_attrs=read-write&sslmode=require",
            {
                "PGHOST": "a,b",
                "PGPORT": "5432,6432",
                "PGDATABASE": "x",
                "PGTARGETSESSIONATTRS": "read-write",
                "PGSSLMODE": "require",
            },
        ),
    ],
)
def test_an_address_becomes_the_variables_of_libpq(url: str, expected: dict[str, str]) -> None:
    found = libpq_variables(Settings(database_url=SecretStr(url), test_mode=True))
    assert {name: found[name] for name in expected} == expected
