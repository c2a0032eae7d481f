"""Counts the requests of one process, in Redis together with all the others. Without Redis nothing is counted, and all
pass.

    take ─► waiting ─► one call of Redis at a time, for all that wait ─► the state of each

A bucket that Redis reported empty stays so until it has refilled, which needs no call: others can only take more.

A request alone is counted at once. Those that arrive while Redis counts are counted together afterwards: a call for
each request was a quarter of the API's processor time.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import redis.asyncio as redis
from redis.exceptions import RedisError

from runtime.logs import get_logger
from store.redis.rate_limits import Bucket, Standing, refill, take

log = get_logger("limits")
TIMEOUT_SECONDS = 0.5
"""For one call. A request waits for two at most."""
UNAVAILABLE_SECONDS = 1.0
"""After a failure nothing is counted for this long: a Redis that hangs must not delay every request by the timeout."""
EMPTY_SECONDS = 1.0
"""The longest that a bucket counts as empty without a call: a success may refill it (api/access/logins.py)."""
EMPTY_BUCKETS = 10_000
"""Remembered at most."""
AT_ONCE = 500
"""Requests a call: more would hold up everybody else's commands in Redis."""


class Limiter:
    """Counts for one process."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._unavailable_until = 0.0
        self._waiting: deque[tuple[tuple[Bucket, ...], asyncio.Future[Standing | None]]] = deque()
        self._counting: asyncio.Task[None] | None = None
        self._empty: dict[Bucket, tuple[float, Standing]] = {}

    async def take(self, *buckets: Bucket) -> Standing | None:
        """Count one request; None if Redis cannot count it, which lets it pass."""
        if not buckets or time.monotonic() < self._unavailable_until:
            return None
        if self._empty and (empty := self._known_empty(buckets)):
            return empty
        pending: asyncio.Future[Standing | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((buckets, pending))
        if self._counting is None:
            self._counting = asyncio.create_task(self._count())
        return await pending

    async def refill(self, bucket: Bucket) -> None:
        """Forget what the bucket has counted, here as well. Raises RedisError."""
        await refill(self._client, bucket)
        self._empty.pop(bucket, None)

    async def _count(self) -> None:
        """Run until no request waits."""
        try:
            while self._waiting:
                together = [buckets for buckets, _ in islice(self._waiting, AT_ONCE)]
                for standing in await self._counted(together):
                    if standing is not None and standing.wait_seconds > 0:
                        self._note_empty(standing)
                    self._resolve(standing)
        finally:
            self._counting = None
            while self._waiting:
                self._resolve(None)

    def _known_empty(self, buckets: tuple[Bucket, ...]) -> Standing | None:
        now = time.monotonic()
        for bucket in buckets:
            counted_at, standing = self._empty.get(bucket, (0.0, None))
            if standing is None:
                continue
            since = now - counted_at
            if since < min(standing.wait_seconds, EMPTY_SECONDS):
                wait, full_in = standing.wait_seconds - since, standing.full_in_seconds - since
                return replace(standing, wait_seconds=wait, full_in_seconds=full_in)
            del self._empty[bucket]
        return None

    def _note_empty(self, standing: Standing) -> None:
        if len(self._empty) >= EMPTY_BUCKETS:
            self._empty.clear()
        self._empty[standing.bucket] = (time.monotonic(), standing)

    def _resolve(self, standing: Standing | None) -> None:
        """Pass the state to the request that has waited longest."""
        _, pending = self._waiting.popleft()
        if not pending.done():
            pending.set_result(standing)

    async def _counted(self, requests: list[tuple[Bucket, ...]]) -> Sequence[Standing | None]:
        if time.monotonic() >= self._unavailable_until:
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    return await take(self._client, requests)
            except (RedisError, OSError) as error:
                self._unavailable_until = time.monotonic() + UNAVAILABLE_SECONDS
                names = sorted({bucket.name for buckets in requests for bucket in buckets})
                log.warning("limit_not_counted", names=names, requests=len(requests), error=repr(error))
        return [None] * len(requests)
