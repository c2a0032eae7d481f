"""The live workers: each writes `heartbeat:<role>:<worker>` every few seconds; the key expires automatically.

    heartbeats                   sorted set   <role>:<worker> -> when it last wrote, in seconds
    heartbeat:<role>:<worker>    string       its last facts, for EXPIRES_SECONDS

A reader takes the names from the set and their values by name: two round trips, however many keys Redis holds. The keys
alone decide who is alive. The set only names candidates, so the clocks of the machines need not agree.

The previous release writes keys and no names. A worker that starts adds the names it finds, and a reader that finds no
payment actor searches a bounded number of keys for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import orjson
import redis.asyncio as redis
from redis.exceptions import RedisError

from runtime.clock import now
from runtime.logs import get_logger

log = get_logger("heartbeat")
PREFIX = "heartbeat:"
NAMES = "heartbeats"
EVERY_SECONDS = 2.0
EXPIRES_SECONDS = 8
REMEMBERED_SECONDS = 86_400
"""A name outlives its worker by this, so that the same worker of the previous release is found after a way back."""
NEEDED = "payments"
SEARCH_CALLS_MAX = 10
SEARCH_KEYS = 5_000
"""Keys a call looks at, some 2 ms of Redis: a search looks at 50,000 of them at most."""

Workers = dict[str, dict[str, dict[str, Any]]]


async def beat(client: redis.Redis, role: str, worker: str, facts: Callable[[], dict[str, Any]]) -> None:
    """Write the heartbeat until cancelled. `facts` are small numbers for the status page (lag, rates)."""
    # Beside the beat: among many keys it may last longer than a heartbeat does.
    searching = asyncio.create_task(_remember_others(client), name="heartbeat search")
    try:
        while not _is_cancelled():
            value = orjson.dumps({"at": now(), **facts()}, option=orjson.OPT_UTC_Z)
            try:
                await _write(client, f"{role}:{worker}", value)
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("heartbeat_not_written", error=repr(error))
            if not _is_cancelled():
                await asyncio.sleep(EVERY_SECONDS)
    finally:
        searching.cancel()
        await asyncio.gather(searching, return_exceptions=True)


async def _remember_others(client: redis.Redis) -> None:
    """Once: add the names of the previous release's workers."""
    while not _is_cancelled():
        try:
            await _remember(client, await _search(client, calls_max=None))
            return
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("heartbeats_not_searched", error=repr(error))
        if not _is_cancelled():
            await asyncio.sleep(EVERY_SECONDS)


def _is_cancelled() -> bool:
    """Python 3.11's asyncio.wait_for, with which redis-py sends, loses a cancellation that meets the end of a command:
    the loop would write a heartbeat after clear(), and a caller that waits for its end would never end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _write(client: redis.Redis, name: str, value: bytes) -> None:
    at = now().timestamp()
    pipeline = client.pipeline(transaction=False)
    pipeline.set(PREFIX + name, value, ex=EXPIRES_SECONDS)
    pipeline.zadd(NAMES, {name: at})
    pipeline.zremrangebyscore(NAMES, "-inf", at - REMEMBERED_SECONDS)
    pipeline.expire(NAMES, REMEMBERED_SECONDS)
    await pipeline.execute()


async def clear(client: redis.Redis, role: str, worker: str) -> None:
    """Delete the heartbeat at an orderly stop, so that no one waits for the key to expire."""
    pipeline = client.pipeline(transaction=False)
    pipeline.delete(f"{PREFIX}{role}:{worker}")
    pipeline.zrem(NAMES, f"{role}:{worker}")
    await pipeline.execute()


async def alive(client: redis.Redis) -> Workers:
    """role -> worker -> its last facts, for every heartbeat that has not expired.

    At most 4 + SEARCH_CALLS_MAX commands. While two releases run, a worker of the previous one may be missing that
    started after every worker of this one and under a new name. Raises RedisError, OSError.
    """
    workers = await _read(client, await _names(client))
    if NEEDED in workers:
        return workers
    found = await _search(client, calls_max=SEARCH_CALLS_MAX)
    await _remember(client, found)
    return _merged(workers, await _read(client, found))


async def _names(client: redis.Redis) -> list[str]:
    return [name.decode() for name in await client.zrange(NAMES, 0, -1)]  # type: ignore[union-attr]  # never decoded


async def alive_of_any_release(client: redis.Redis) -> Workers:
    """As alive(), with every worker of the previous release; looks at every key that Redis holds, for an operator's
    command. Raises RedisError, OSError."""
    return await _read(client, await _search(client, calls_max=None))


async def _read(client: redis.Redis, names: Iterable[str]) -> Workers:
    workers: Workers = {}
    chosen = sorted(names)
    values = await client.mget([PREFIX + name for name in chosen]) if chosen else []
    for name, value in zip(chosen, values, strict=True):
        if value is not None:
            role, worker = name.split(":", 1)
            workers.setdefault(role, {})[worker] = orjson.loads(value)
    return workers


def _merged(some: Workers, others: Workers) -> Workers:
    return {role: some.get(role, {}) | others.get(role, {}) for role in some.keys() | others.keys()}


async def _search(client: redis.Redis, *, calls_max: int | None) -> set[str]:
    """Names of heartbeats among all keys, or among those that so many calls look at."""
    names: set[str] = set()
    cursor, calls = 0, 0
    while (calls_max is None or calls < calls_max) and not _is_cancelled():
        cursor, keys = await client.scan(cursor, match=f"{PREFIX}*", count=SEARCH_KEYS)
        names.update(key.decode().removeprefix(PREFIX) for key in keys)  # type: ignore[union-attr]  # never decoded
        calls += 1
        if cursor == 0:
            break
    return names


async def _remember(client: redis.Redis, names: Iterable[str]) -> None:
    if found := dict.fromkeys(names, now().timestamp()):
        await client.zadd(NAMES, found)
