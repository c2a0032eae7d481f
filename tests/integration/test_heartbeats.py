"""Heartbeats in a real Redis: found in a bounded number of commands among 200,000 keys, whatever release wrote them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
import redis.asyncio as redis

from runtime.clock import now
from store.redis.clients import make_redis
from store.redis.heartbeats import (
    EXPIRES_SECONDS,
    NAMES,
    PREFIX,
    REMEMBERED_SECONDS,
    SEARCH_CALLS_MAX,
    alive,
    alive_of_any_release,
    beat,
    clear,
)
from tests.support.eventually import eventually
from tests.support.stack import Stack

OTHERS = 200_000
ROLES = {"payments", "jobs", "processor"}


@pytest_asyncio.fixture
async def client(services: Stack) -> AsyncIterator[redis.Redis]:
    """Of a database of its own in that Redis, so that no role of another test writes into it."""
    async with own_database(services) as made:
        await made.flushdb()
        yield made
        await made.flushdb()


@pytest_asyncio.fixture
async def reader(services: Stack) -> AsyncIterator[redis.Redis]:
    """Of the same database; the commands of workers are not this client's."""
    async with own_database(services) as made:
        yield made


@asynccontextmanager
async def own_database(services: Stack) -> AsyncIterator[redis.Redis]:
    made = make_redis(services.settings)
    made.connection_pool.connection_kwargs["db"] = 9
    try:
        yield made
    finally:
        await made.aclose()


async def fill(client: redis.Redis) -> None:
    """With as many other keys as a busy day leaves."""
    await client.eval("for i = 1, tonumber(ARGV[1]) do redis.call('SET', 'rate:' .. i, '1') end", 0, OTHERS)


@asynccontextmanager
async def beating(client: redis.Redis, *names: tuple[str, str]) -> AsyncIterator[None]:
    async def at_work() -> bool:
        workers = await alive(client)
        return all(worker in workers.get(role, {}) for role, worker in names)

    tasks = [asyncio.create_task(beat(client, role, worker, lambda: {"lag": 1})) for role, worker in names]
    try:
        await eventually(at_work, what="the workers to beat")
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def write_as_previous_release(client: redis.Redis, role: str, worker: str) -> None:
    await client.set(f"{PREFIX}{role}:{worker}", b'{"lag": 2}', ex=EXPIRES_SECONDS)


async def commands_of_alive(client: redis.Redis) -> tuple[list[str], set[str]]:
    """The commands that one look sends, and the roles that it finds."""
    sent: list[str] = []
    execute = client.execute_command

    async def counted(*args: Any, **options: Any) -> Any:
        sent.append(args[0])
        return await execute(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "execute_command", counted)
        roles = set(await alive(client))
    return sent, roles


async def test_the_living_are_found_in_two_commands_among_many_keys(client: redis.Redis, reader: redis.Redis) -> None:
    await fill(client)
    async with beating(client, *((role, f"{role}-0") for role in sorted(ROLES))):
        assert await commands_of_alive(reader) == (["ZRANGE", "MGET"], ROLES)


async def test_without_an_actor_a_look_searches_a_bounded_number_of_keys(client: redis.Redis) -> None:
    await fill(client)
    sent, roles = await commands_of_alive(client)
    assert roles == set()
    assert sent == ["ZRANGE"] + SEARCH_CALLS_MAX * ["SCAN"]


async def test_workers_of_the_previous_release_are_found(client: redis.Redis) -> None:
    """They write keys and no names. An API of this release that starts among them finds their actors."""
    await write_as_previous_release(client, "payments", "payments-old")
    assert await alive(client) == {"payments": {"payments-old": {"lag": 2}}}
    assert await commands_of_alive(client) == (["ZRANGE", "MGET"], {"payments"}), "the second look knows the name"


async def test_a_worker_that_starts_remembers_those_of_the_previous_release(client: redis.Redis) -> None:
    """Beside an actor of this release as well, where a look has no reason to search."""
    await fill(client)
    await write_as_previous_release(client, "payments", "payments-old")
    await write_as_previous_release(client, "jobs", "jobs-old")

    async def remembered() -> bool:
        workers = await alive(client)
        return "jobs-old" in workers.get("jobs", {}) and set(workers["payments"]) == {"payments-old", "payments-new"}

    async with beating(client, ("payments", "payments-new")):
        await eventually(remembered, what="the names of the others")


async def test_an_operators_look_finds_a_previous_worker_beside_a_known_actor(client: redis.Redis) -> None:
    async with beating(client, ("payments", "payments-new")):
        await eventually(lambda: client.zscore(NAMES, "payments:payments-new"), what="its name")
        await write_as_previous_release(client, "payments", "payments-older")
        assert "payments-older" in (await alive_of_any_release(client))["payments"]


async def test_a_worker_that_stopped_is_not_alive_and_its_name_goes(client: redis.Redis) -> None:
    async with beating(client, ("payments", "payments-0"), ("jobs", "jobs-0")):
        pass
    await clear(client, "payments", "payments-0")
    assert set(await alive(client)) == {"jobs"}
    await client.delete(f"{PREFIX}jobs:jobs-0")  # as it expires by itself
    assert await alive(client) == {}
    assert await client.zrange(NAMES, 0, -1) == [b"jobs:jobs-0"]


async def test_the_names_of_old_workers_vanish(client: redis.Redis) -> None:
    await client.zadd(NAMES, {"payments:long-gone": now().timestamp() - REMEMBERED_SECONDS - 1})
    async with beating(client, ("payments", "payments-0")):
        assert await client.zrange(NAMES, 0, -1) == [b"payments:payments-0"]
        assert 0 < await client.ttl(NAMES) <= REMEMBERED_SECONDS


async def test_a_flushed_redis_knows_them_again_with_their_next_beat(client: redis.Redis) -> None:
    async with beating(client, ("payments", "payments-0")):
        await client.flushdb()
        await eventually(lambda: alive(client), what="the next beat")
