"""Counting requests for one process, in Redis with all the others. Without Redis nothing is counted, and all pass."""

from __future__ import annotations

import asyncio
import time

import redis.asyncio as redis
from redis.exceptions import RedisError

from runtime.logs import get_logger
from store.redis.rate_limits import Bucket, Standing, take

log = get_logger("limits")
PATIENCE_SECONDS = 0.5
AWAY_SECONDS = 1.0
"""After a failure nothing is counted for so long: a Redis that hangs must not cost every request its patience."""


class Limiter:
    """Counts for one process."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._away_until = 0.0

    async def take(self, *buckets: Bucket) -> Standing | None:
        """Count one request; None where Redis cannot count it, which lets it pass."""
        if not buckets or time.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await take(self._client, buckets)
        except (RedisError, OSError) as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            log.warning("limit_not_counted", names=[bucket.name for bucket in buckets], error=repr(error))
            return None
