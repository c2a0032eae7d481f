"""Job counters on the real Redis: each step counts once, or not at all."""

from __future__ import annotations

import secrets

import pytest
import redis.asyncio as redis

from store.redis.clients import make_redis
from store.redis.job_counters import APPLIED, COUNTERS, JobCounters, Step
from tests.support.stack import Stack


@pytest.fixture
async def client(services: Stack) -> redis.Redis:
    return make_redis(services.settings)


async def test_steps_of_several_partitions_count_once_each_by_itself(client: redis.Redis) -> None:
    # Given two partitions, of which one was counted further by somebody else,
    counters, run = JobCounters(client), secrets.token_hex(4)
    ours, theirs, name = f"test/{run}/0", f"test/{run}/1", f"test_{run}"
    assert await counters.apply([Step(theirs, 0, 7, {})]) == [APPLIED]
    # when both are told to begin at the beginning, and the first is told twice,
    both = [Step(ours, 0, 3, {name: 2}), Step(theirs, 0, 4, {name: 40})]
    found = [*await counters.apply(both), *await counters.apply(both[:1])]
    # then the first has counted once, and the others learn where Redis stands.
    assert found == [APPLIED, 7, 3]
    assert await client.hget(COUNTERS, name) == b"2"
    assert await counters.offsets([theirs, ours, f"test/{run}/2"]) == [7, 3, 0]
    assert await counters.offsets([]) == []
    await client.aclose()


async def test_a_redis_that_has_forgotten_the_script_is_given_it_again(client: redis.Redis) -> None:
    counters, run = JobCounters(client), secrets.token_hex(4)
    await client.script_flush()
    steps = [Step(f"test/{run}/{number}", 0, 1, {f"test_{run}": 1}) for number in range(3)]
    assert await counters.apply(steps) == [APPLIED] * 3
    assert await client.hget(COUNTERS, f"test_{run}") == b"3"
    await client.aclose()
