"""PostgreSQL notifies every process that the log is closed, open or larger: no process has to poll each second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from store.driver import connect
from store.log import log_partitions
from store.log.log_partitions import Growth, LogWatch
from tests.support.eventually import eventually
from tests.support.stack import Stack

WATCHING = """
SELECT count(*)
  FROM pg_stat_activity
 WHERE application_name = 'log watch' AND state = 'idle' AND query LIKE '%log_closed%'
"""


@pytest.fixture
async def growth(services: Stack) -> AsyncIterator[Growth]:
    connection = await connect(services.database_url)
    made = Growth(connection)
    yield made
    await made.open_log()
    await connection.close()


@pytest.fixture
async def watch(services: Stack, growth: Growth, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LogWatch]:
    """One that has looked, and will not look again by itself."""
    monkeypatch.setattr(log_partitions, "LOOK_EVERY_SECONDS", 3_600.0)
    watching = LogWatch(services.settings, lambda: None)
    task = asyncio.create_task(watching.run())
    await eventually(lambda: _is_watched(growth), what="the first look")
    yield watching
    task.cancel()


async def test_a_watch_is_notified_when_the_log_closes_and_when_it_opens(growth: Growth, watch: LogWatch) -> None:
    await growth.close_log(60)
    await eventually(lambda: watch.is_closed, what="the closed log to be noticed")
    await growth.open_log()
    await eventually(lambda: not watch.is_closed, what="the open log to be noticed")


async def test_a_watch_whose_connection_is_lost_looks_again(growth: Growth, watch: LogWatch) -> None:
    # Given a watch without its connection, and a log that closes in that moment without a notification,
    await growth.connection.execute("INSERT INTO log_closed (until) VALUES (now() + interval '1 minute')")
    await growth.connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'log watch'"
    )
    # then it connects again, and sees that.
    await eventually(lambda: watch.is_closed, what="the closed log to be noticed")


async def _is_watched(growth: Growth) -> bool:
    return await growth.connection.fetchval(WATCHING) > 0
