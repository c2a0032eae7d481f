"""How often workers died, and on which record: the counts that must outlive the process, in Redis.

    lives:<worker>          lives begun since the last one that was calm or ended in order
    deaths:<place>          times that a worker began on this record alone and did not finish

Redis may lose them: then the counting begins again, and a record that kills costs three more deaths.
"""

from __future__ import annotations

import redis.asyncio as redis

LIVES, DEATHS = "lives:", "deaths:"
KEPT_SECONDS = 86_400


async def begin_life(client: redis.Redis, worker: str) -> int:
    """Number of this life; 1 if the previous one was calm or ended in order."""
    return await _counted(client, f"{LIVES}{worker}")


async def end_life(client: redis.Redis, worker: str) -> None:
    await client.delete(f"{LIVES}{worker}")


async def begin_record(client: redis.Redis, place: str) -> int:
    """Record that work on this record begins; returns how often it has begun without an end."""
    return await _counted(client, f"{DEATHS}{place}")


async def end_record(client: redis.Redis, place: str) -> None:
    """The record did not kill the worker."""
    await client.delete(f"{DEATHS}{place}")


async def _counted(client: redis.Redis, key: str) -> int:
    async with client.pipeline(transaction=True) as pipeline:
        pipeline.incr(key)
        pipeline.expire(key, KEPT_SECONDS)
        count, _ = await pipeline.execute()
    return int(count)
