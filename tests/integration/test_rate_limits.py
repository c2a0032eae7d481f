"""Buckets in a real Redis: how many pass, how long the others wait, and that several are taken together or not."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio
import redis.asyncio as redis
from pydantic import SecretStr

from api.process.limiter import Limiter
from runtime.settings import Settings
from store.redis.clients import make_redis
from store.redis.rate_limits import Bucket, Rate, Standing, refill, take
from tests.support.eventually import eventually
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


async def taken(client: redis.Redis, *buckets: Bucket) -> Standing:
    """One request, counted by itself."""
    (standing,) = await take(client, [buckets])
    return standing


async def test_a_burst_passes_and_not_one_more_however_many_come_at_once(client: redis.Redis) -> None:
    one = bucket()
    standings = await asyncio.gather(*(taken(client, one) for _ in range(40)))
    passed = [standing for standing in standings if standing.wait_seconds == 0]
    assert sorted(standing.remaining for standing in passed) == [0, 1, 2, 3, 4]
    assert all(0 < standing.wait_seconds <= 60 for standing in standings if standing not in passed)


async def test_requests_that_come_together_are_counted_one_by_one_in_one_call(client: redis.Redis) -> None:
    # Given two merchants' buckets, and one request that needs room in both,
    one, other, narrow = bucket(), bucket(), bucket(Rate(per_minute=1, burst=1))
    await taken(client, bucket())  # Redis knows the script now
    limiter, before = Limiter(client), await scripts_run(client)
    # when forty requests arrive at once, then each is counted in its own buckets and nowhere else,
    many = await asyncio.gather(
        *(limiter.take(one) for _ in range(30)), *(limiter.take(other, narrow) for _ in range(9)), limiter.take(other)
    )
    passed = [index for index, standing in enumerate(many) if standing is not None and standing.wait_seconds == 0]
    assert passed == [0, 1, 2, 3, 4, 30, 39]
    standing = many[39]
    assert standing is not None and standing.remaining == 3, "what narrow refused cost the other bucket nothing"
    # and Redis was asked once.
    assert await scripts_run(client) == before + 1


async def test_redis_is_not_queried_about_a_bucket_that_it_reported_empty(client: redis.Redis) -> None:
    limiter, one, other = Limiter(client), bucket(), bucket()
    for _ in range(SLOW.burst + 1):
        refused = await limiter.take(one, other)
    before = await scripts_run(client)
    again = await limiter.take(other, one)
    assert refused is not None and again is not None
    assert again.bucket == refused.bucket
    assert 0 < again.wait_seconds <= refused.wait_seconds
    assert await scripts_run(client) == before
    assert (await limiter.take(bucket())) is not None, "another bucket is counted"
    assert await scripts_run(client) == before + 1


async def test_a_bucket_that_was_refilled_is_not_taken_for_empty(client: redis.Redis) -> None:
    limiter, one = Limiter(client), bucket()
    for _ in range(SLOW.burst + 1):
        await limiter.take(one)
    await limiter.refill(one)
    standing = await limiter.take(one)
    assert standing is not None and standing.wait_seconds == 0


async def test_a_bucket_that_has_refilled_is_counted_again(client: redis.Redis) -> None:
    limiter, fast = Limiter(client), bucket(Rate(per_minute=6_000, burst=1))

    async def has_room() -> bool:
        standing = await limiter.take(fast)
        return standing is not None and standing.wait_seconds == 0

    assert await has_room()
    await eventually(has_room, timeout=10, interval=0.002)


async def scripts_run(client: redis.Redis) -> int:
    """How often Redis has run a script by its hash."""
    return int((await client.info("commandstats"))["cmdstat_evalsha"]["calls"])


async def test_a_request_that_is_cancelled_while_it_waits_stops_no_other(client: redis.Redis) -> None:
    limiter, one = Limiter(client), bucket()
    requested = [asyncio.create_task(limiter.take(one)) for _ in range(10)]
    await asyncio.sleep(0)
    for task in requested[::2]:
        task.cancel()
    standings = await asyncio.gather(*requested[1::2])
    assert [standing is not None for standing in standings] == [True] * 5
    assert (await limiter.take(one)) is not None


async def test_a_refused_request_costs_nothing(client: redis.Redis) -> None:
    one = bucket(Rate(per_minute=1, burst=1))
    first = await taken(client, one)
    waits = [(await taken(client, one)).wait_seconds for _ in range(20)]
    assert first.wait_seconds == 0
    assert max(waits) <= 60


async def test_a_bucket_refills_at_its_rate(client: redis.Redis) -> None:
    fast = bucket(Rate(per_minute=60_000, burst=2))
    passed = 0
    async with asyncio.timeout(10):
        while passed < 50:
            passed += (await taken(client, fast)).wait_seconds == 0


async def test_several_buckets_are_taken_together_or_not_at_all(client: redis.Redis) -> None:
    wide, narrow = bucket(), bucket(Rate(per_minute=1, burst=1))
    await taken(client, wide, narrow)
    for _ in range(10):
        refused = await taken(client, wide, narrow)
        assert (refused.bucket, refused.wait_seconds > 0) == (narrow, True)
    assert (await taken(client, wide)).remaining == 3


async def test_a_refilled_bucket_is_full_and_others_stay_as_they_are(client: redis.Redis) -> None:
    one, other = bucket(), bucket()
    for _ in range(5):
        await taken(client, one, other)
    await refill(client, one)
    assert (await taken(client, one)).remaining == 4
    assert (await taken(client, other)).wait_seconds > 0


async def test_counting_continues_after_redis_lost_the_script(client: redis.Redis) -> None:
    one = bucket()
    await taken(client, one)
    await client.script_flush()
    assert (await taken(client, one)).remaining == 3


async def test_a_key_expires_when_its_bucket_is_full_and_names_no_person(client: redis.Redis) -> None:
    one = replace(bucket(), subject="owner@example.com")
    await refill(client, one)
    await taken(client, one)
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
