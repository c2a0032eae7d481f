"""One `gateway topics grow` at a time: the second leaves the log closed for the first. Real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ops.console.errors import GatewayError
from ops.log.growth import Plan, grow
from store.driver import Connection, connect
from store.log.log_partitions import Growth, log_state
from tests.support.actor import Bench


@pytest.fixture
async def first(bench: Bench) -> AsyncIterator[Connection]:
    """A growth that has closed the log and is at work."""
    connection = await connect(bench.command_client.settings.database_url.get_secret_value(), timeout=10)
    growth = Growth(connection)
    assert await growth.lock()
    await growth.close_log(120.0)
    yield connection
    await growth.open_log()
    await connection.close()


async def test_a_second_growth_does_not_open_the_log_that_the_first_has_closed(bench: Bench, first: Connection) -> None:
    settings, message = bench.command_client.settings, list[str]()
    planned = Plan(settings.topic_partitions, settings.topic_partitions * 2, settings.topic_partitions)
    with pytest.raises(GatewayError, match="already running"):
        await grow(settings, planned, seconds=5.0, report=message.append)
    assert (await log_state(first)).closed_seconds > 60
    assert message == []
