"""Every process is killed once during payments: no returned resource is lost, nothing differs.

A minute of it runs with `make test`; `make chaos` runs longer, with more kinds of fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest
import redis.asyncio

from ops.audit.verify.audit import audit, second_process
from tests.support.command_client import CommandClient
from tests.support.load import Load
from tests.support.stack import ALL_ROLES, Stack, running_stack

PAUSE_SECONDS = 1.5


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """One of its own: everything on it is to settle, and every session and counter in Redis is lost."""
    with running_stack(roles=ALL_ROLES, failed=lambda: request.session.testsfailed > 0) as running:
        yield running


@pytest.mark.timeout(240)
async def test_no_response_is_lost_while_every_process_is_killed_once(stack: Stack) -> None:
    # Given clients that order, pay, capture and refund,
    async with Load(stack, seed=4711, clients=4).running() as load:
        # When each part dies in turn,
        for part in ("payments", "processor", "api"):
            await asyncio.sleep(PAUSE_SECONDS)
            stack.kill(part)
        for service, mode in (("kafka", "kill"), ("postgres", "immediate"), ("redis", "kill")):
            await asyncio.sleep(PAUSE_SECONDS)
            await asyncio.to_thread(stack.restart, service, mode)
        async with redis.asyncio.from_url(stack.redis_url) as client:
            await client.flushall()
        await asyncio.sleep(2 * PAUSE_SECONDS)
    # Then everything settles by itself,
    async with CommandClient(stack.settings) as command_client:
        await command_client.settled(timeout=90)
    # every promise was kept, and no key was answered with two resources,
    database = await asyncpg.connect(stack.database_url)
    try:
        assert await load.broken_promises(database) == []
    finally:
        await database.close()
    assert load.twice == []
    assert load.wrong == []
    assert len(load.promises) > 30, load.statuses
    # and the auditor finds nothing.
    with second_process() as second:
        report = await audit(stack.settings, second, settle_seconds=20)
    assert report.differences == 0, report.as_json()
