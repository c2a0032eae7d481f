"""Counting requests for one process, in Redis with all the others. Without Redis nothing is counted, and all pass.

    take ─► waiting ─► one call of Redis at a time, for all that wait ─► the standing of each

A request alone is counted at once. Those that arrive while Redis counts are counted together afterwards: a call for
each request was a quarter of the API's processor time.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice

import redis.asyncio as redis
from redis.exceptions import RedisError

from runtime.logs import get_logger
from store.redis.rate_limits import Bucket, Standing, take

log = get_logger("limits")
PATIENCE_SECONDS = 0.5
"""For one call. A request waits for two at most."""
AWAY_SECONDS = 1.0
"""After a failure nothing is counted for so long: a Redis that hangs must not cost every request its patience."""
AT_ONCE = 500
"""Requests a call: more would hold up everybody else's commands in Redis."""


class Limiter:
    """Counts for one process."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._away_until = 0.0
        self._waiting: deque[tuple[tuple[Bucket, ...], asyncio.Future[Standing | None]]] = deque()
        self._counting: asyncio.Task[None] | None = None

    async def take(self, *buckets: Bucket) -> Standing | None:
        """Count one request; None where Redis cannot count it, which lets it pass."""
        if not buckets or time.monotonic() < self._away_until:
            return None
        answer: asyncio.Future[Standing | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((buckets, answer))
        if self._counting is None:
            self._counting = asyncio.create_task(self._count())
        return await answer

    async def _count(self) -> None:
        """Until nobody waits any more."""
        try:
            while self._waiting:
                together = [buckets for buckets, _ in islice(self._waiting, AT_ONCE)]
                for standing in await self._counted(together):
                    self._answer(standing)
        finally:
            self._counting = None
            while self._waiting:
                self._answer(None)

    def _answer(self, standing: Standing | None) -> None:
        """For the one that has waited longest."""
        _, answer = self._waiting.popleft()
        if not answer.done():
            answer.set_result(standing)

    async def _counted(self, requests: list[tuple[Bucket, ...]]) -> Sequence[Standing | None]:
        if time.monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    return await take(self._client, requests)
            except (RedisError, OSError) as error:
                self._away_until = time.monotonic() + AWAY_SECONDS
                names = sorted({bucket.name for buckets in requests for bucket in buckets})
                log.warning("limit_not_counted", names=names, requests=len(requests), error=repr(error))
        return [None] * len(requests)
