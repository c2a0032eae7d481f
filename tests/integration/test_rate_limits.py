"""Buckets in a real Redis: how many pass, how long the others wait, and that several are taken together or not."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio
import redis.asyncio as redis
from pydantic import SecretStr

from api.access.limiter import Limiter
from runtime.settings import Settings
from store.redis.clients import make_redis
from store.redis.rate_limits import Bucket, Rate, refill, take
from tests.support.stack import Stack

SLOW = Rate(per_minute=1, burst=5)
"""Refills too slowly to matter within a test."""


@pytest_asyncio.fixture
async def client(services: Stack) -> AsyncIterator[redis.Redis]:
    made = make_redis(services.settings)
    yield made
    await made.aclose()


def bucket(rate: Rate = SLOW) -> Bucket:
    return Bucket("test", secrets.token_hex(8), rate)


async def test_a_burst_passes_and_not_one_more_however_many_come_at_once(client: redis.Redis) -> None:
    one = bucket()
    standings = await asyncio.gather(*(take(client, [one]) for _ in range(40)))
    passed = [standing for standing in standings if standing.wait_seconds == 0]
    assert sorted(standing.remaining for standing in passed) == [0, 1, 2, 3, 4]
    assert all(0 < standing.wait_seconds <= 60 for standing in standings if standing not in passed)


async def test_a_refused_request_costs_nothing(client: redis.Redis) -> None:
    one = bucket(Rate(per_minute=1, burst=1))
    first = await take(client, [one])
    waits = [(await take(client, [one])).wait_seconds for _ in range(20)]
    assert first.wait_seconds == 0
    assert max(waits) <= 60


async def test_a_bucket_refills_at_its_rate(client: redis.Redis) -> None:
    fast = bucket(Rate(per_minute=60_000, burst=2))
    passed = 0
    async with asyncio.timeout(10):
        while passed < 50:
            passed += (await take(client, [fast])).wait_seconds == 0


async def test_several_buckets_are_taken_together_or_not_at_all(client: redis.Redis) -> None:
    wide, narrow = bucket(), bucket(Rate(per_minute=1, burst=1))
    await take(client, [wide, narrow])
    for _ in range(10):
        refused = await take(client, [wide, narrow])
        assert (refused.bucket, refused.wait_seconds > 0) == (narrow, True)
    assert (await take(client, [wide])).remaining == 3


async def test_a_refilled_bucket_is_full_and_others_stay_as_they_are(client: redis.Redis) -> None:
    one, other = bucket(), bucket()
    for _ in range(5):
        await take(client, [one, other])
    await refill(client, one)
    assert (await take(client, [one])).remaining == 4
    assert (await take(client, [other])).wait_seconds > 0


async def test_counting_goes_on_after_redis_forgot_the_script(client: redis.Redis) -> None:
    one = bucket()
    await take(client, [one])
    await client.script_flush()
    assert (await take(client, [one])).remaining == 3


async def test_a_key_ends_when_its_bucket_is_full_and_names_nobody(client: redis.Redis) -> None:
    one = replace(bucket(), subject="owner@example.com")
    await refill(client, one)
    await take(client, [one])
    assert "owner" not in one.key
    assert 0 < await client.pttl(one.key) <= 60_000


async def test_without_redis_everybody_passes_and_the_next_requests_do_not_wait_for_it() -> None:
    connections: list[asyncio.StreamWriter] = []

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        client = make_redis(Settings(test_mode=True, redis_url=SecretStr(f"redis://127.0.0.1:{port}/0")))
        limiter = Limiter(client)
        assert [await limiter.take(bucket()) for _ in range(20)] == [None] * 20
        assert len(connections) == 1
        await client.aclose()
        for writer in connections:
            writer.close()
