"""Job counters in Redis, each record counted exactly once, and the job status that evaluators read.

    jobs:counters   name -> integer
    jobs:offsets    topic/partition -> next offset to count

One Lua call applies a partition's deltas and moves its offset, or does nothing if the stored offset is not the
expected one: after a flush, a failover or a second worker, counting continues from the offset in Redis. Counters and
offsets can only be lost together. The calls of several partitions travel together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

import redis.asyncio as redis
from redis.exceptions import NoScriptError

from runtime.fenced import is_fenced
from runtime.outdated import is_outdated
from runtime.progress import is_stalled
from runtime.settings import Settings
from store.redis.heartbeats import alive
from topics.catalogue import COMMANDS

COUNTERS, OFFSETS = "jobs:counters", "jobs:offsets"
WEBHOOK_COUNTERS = "jobs:webhooks"

APPLY = """
local expected, next_offset, count = ARGV[2], ARGV[3], tonumber(ARGV[4])
local stored = redis.call('HGET', KEYS[2], ARGV[1]) or '0'
if stored ~= expected then return tonumber(stored) end
for i = 0, count - 1 do
  redis.call('HINCRBY', KEYS[1], ARGV[5 + 2 * i], ARGV[6 + 2 * i])
end
redis.call('HSET', KEYS[2], ARGV[1], next_offset)
return -1
"""
APPLY_SHA = sha1(APPLY.encode(), usedforsecurity=False).hexdigest()
"""The script's name in Redis."""
APPLIED = -1


@dataclass(frozen=True, slots=True)
class Step:
    """What the records of one `topic/partition` come to, from the `expected` offset to the next."""

    place: str
    expected: int
    next_offset: int
    deltas: Mapping[str, int]

    def arguments(self) -> list[Any]:
        """ARGV of APPLY."""
        found: list[Any] = [self.place, self.expected, self.next_offset, len(self.deltas)]
        for name, delta in self.deltas.items():
            found += (name, delta)
        return found


class JobCounters:
    """Writing side: the jobs role."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    async def offsets(self, places: Sequence[str]) -> list[int]:
        """Next offset to count of each `topic/partition`; 0 if nothing is known."""
        if not places:
            return []
        return [int(stored or 0) for stored in await self._client.hmget(OFFSETS, list(places))]

    async def apply(self, steps: Sequence[Step]) -> list[int]:
        """Apply each step by itself. Of each: APPLIED, or the offset that Redis has instead of `expected`.

        Raises RedisError or OSError: what was applied is unknown then, and the next call will show it.
        """
        try:
            return await self._apply(steps)
        except NoScriptError:
            await self._client.script_load(APPLY)
            return await self._apply(steps)

    async def _apply(self, steps: Sequence[Step]) -> list[int]:
        """By the script's name: the client's own Script would check before each pipeline whether Redis has it."""
        pipeline = self._client.pipeline(transaction=False)
        for step in steps:
            pipeline.evalsha(APPLY_SHA, 2, COUNTERS, OFFSETS, *step.arguments())
        return [int(result) for result in await pipeline.execute()]


async def job_status(client: redis.Redis, settings: Settings) -> dict[str, Any]:
    """The response of GET /test/jobs/status. Raises RedisError or OSError if Redis is unavailable."""
    stored = await _counters(client, COUNTERS)
    webhooks = await _counters(client, WEBHOOK_COUNTERS)
    workers = await alive(client)
    counts = {name: max(0, stored.get(name, 0)) for name in ("pending", "processing", "completed", "failed")}
    return {
        **counts,
        "worker_status": worker_status(workers),
        "queue": COMMANDS,
        **{f"{name}_jobs": value for name, value in counts.items()},
        "refund_stats": {
            name: max(0, stored.get(f"refund_{name}", 0)) for name in ("pending", "processed", "failed", "total")
        },
        "webhook_stats": {
            name: max(0, webhooks.get(name, 0)) for name in ("pending", "held", "delivered", "failed", "attempts")
        },
        "workers": workers,
        "lag": {role: sum(int(facts.get("lag", 0)) for facts in members.values()) for role, members in workers.items()},
    }


async def _counters(client: redis.Redis, key: str) -> dict[str, int]:
    return {bytes(name).decode(): int(value) for name, value in (await client.hgetall(key)).items()}  # type: ignore[arg-type]


def worker_status(workers: Mapping[str, Mapping[str, Any]]) -> str:
    """`stopped` without a payment actor; `degraded` without one of its helpers, or where one makes no progress, is
    fenced, or waits before a record newer than itself."""
    if not workers.get("payments"):
        return "stopped"
    needed = [workers.get(role) or {} for role in ("payments", "processor", "jobs")]
    stalled = any(
        is_stalled(facts) or is_fenced(facts) or is_outdated(facts) for members in needed for facts in members.values()
    )
    return "running" if all(needed) and not stalled else "degraded"
