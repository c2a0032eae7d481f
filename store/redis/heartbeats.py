"""The live workers: each writes `heartbeat:<role>:<worker>` every few seconds; the key expires automatically."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import redis.asyncio as redis
from redis.exceptions import RedisError

from runtime.clock import now
from runtime.logs import get_logger

log = get_logger("heartbeat")
PREFIX = "heartbeat:"
EVERY_SECONDS = 2.0
EXPIRES_SECONDS = 8


async def beat(client: redis.Redis, role: str, worker: str, facts: Callable[[], dict[str, Any]]) -> None:
    """Write the heartbeat until cancelled. `facts` are small numbers for the status page (lag, rates)."""
    while True:
        value = orjson.dumps({"at": now(), **facts()}, option=orjson.OPT_UTC_Z)
        try:
            await client.set(f"{PREFIX}{role}:{worker}", value, ex=EXPIRES_SECONDS)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("heartbeat_not_written", error=repr(error))
        await asyncio.sleep(EVERY_SECONDS)


async def clear(client: redis.Redis, role: str, worker: str) -> None:
    """Delete the heartbeat at an orderly stop, so that no one waits for the key to expire."""
    await client.delete(f"{PREFIX}{role}:{worker}")


async def alive(client: redis.Redis) -> dict[str, dict[str, dict[str, Any]]]:
    """role -> worker -> its last facts, for every heartbeat that has not expired."""
    workers: dict[str, dict[str, dict[str, Any]]] = {}
    keys = [key async for key in client.scan_iter(match=f"{PREFIX}*", count=500)]
    values = await client.mget(keys) if keys else []
    for key, value in zip(keys, values, strict=True):
        if value is not None:
            _, role, worker = key.decode().split(":", 2)
            workers.setdefault(role, {})[worker] = orjson.loads(value)
    return workers
