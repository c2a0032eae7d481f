"""The clients of a simulated world against a real stack whose parts are killed: the same promises and judgement."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio

from simulation.plan import Plan
from simulation.real import run_real
from tests.support.stack import Stack

PAUSE_SECONDS = 1.5
SEED = 7


@pytest.mark.chaos
@pytest.mark.timeout(400)
async def test_the_clients_of_a_world_are_promised_the_same_by_a_real_stack(stack: Stack) -> None:
    # Given the clients of one seed, at work on a running gateway,
    clients = asyncio.create_task(run_real(stack.settings, Plan(SEED, clients=8, turns=40)))
    # When each part dies in turn,
    for part in ("payments", "processor", "api"):
        await asyncio.sleep(PAUSE_SECONDS)
        stack.kill(part)
    await asyncio.sleep(PAUSE_SECONDS)
    await asyncio.to_thread(stack.restart, "kafka", "kill")
    async with redis.asyncio.from_url(stack.redis_url) as client:
        await client.flushall()
    # Then every promise to them was kept, and there were enough of them.
    judged = await clients
    assert judged.violations == (), judged
    assert judged.accepted > 50, judged
