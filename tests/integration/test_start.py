"""A process of this version does not start on a database that lacks its migrations, or with another partition count."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from pydantic import SecretStr

from store.log.log_partitions import PartitionCountError
from store.start import UnmigratedError, may_start, may_start_blindly
from tests.support.eventually import eventually
from tests.support.stack import Stack, running_stack

LAST = "0080_log_partitions.sql"


@pytest.fixture
async def unmigrated(services: Stack) -> AsyncIterator[Stack]:
    """Services whose database has forgotten one migration."""
    connection = await asyncpg.connect(services.database_url)
    row = await connection.fetchrow("DELETE FROM schema_migrations WHERE name = $1 RETURNING *", LAST)
    try:
        yield services
    finally:
        await connection.execute("INSERT INTO schema_migrations VALUES ($1, $2, $3)", *row)
        await connection.close()


async def test_a_missing_migration_is_named_with_what_to_do(unmigrated: Stack) -> None:
    with pytest.raises(UnmigratedError, match=f"the first is {LAST}. Run `gateway migrate`"):
        await may_start(unmigrated.settings)
    with pytest.raises(UnmigratedError):
        await may_start_blindly(unmigrated.settings)


async def test_the_number_of_partitions_comes_from_the_database(services: Stack) -> None:
    settings = await may_start(services.settings)
    assert settings.partition_counts == (services.settings.topic_partitions,)
    with pytest.raises(PartitionCountError, match="this gateway's log has 12 partitions"):
        await may_start(services.settings.model_copy(update={"topic_partitions": 24}))


async def test_an_unavailable_database_does_not_prevent_a_start(services: Stack) -> None:
    away = services.settings.model_copy(update={"database_url": SecretStr("postgresql://x:y@127.0.0.1:1/z")})
    assert await may_start_blindly(away) == away


async def test_no_role_works_on_a_database_that_was_not_migrated() -> None:
    with running_stack() as stack:
        connection = await asyncpg.connect(stack.database_url)
        await connection.execute("DELETE FROM schema_migrations WHERE name = $1", LAST)
        await connection.close()
        for role in ("payments", "planner", "api"):
            stack.call("start_roles", roles=[role])
        for role in ("payments", "planner", "api"):
            await eventually(
                lambda role=role: f"the first is {LAST}" in stack.logs(role), timeout=60, what=f"{role} to refuse"
            )
