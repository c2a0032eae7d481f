"""Whether the services that a payment needs respond right now; checked once a second at most.

A service that has not responded within a second is checked once more, by another request: a pause of this process or of
the service is not an outage, and a load balancer that removes an API for it turns a slow second into refused payments.
Two seconds in a row without a response are shown, and an error is shown at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import redis.asyncio as redis
from redis.exceptions import RedisError

from api.process.recent import Recent
from runtime.clock import now
from runtime.fenced import is_fenced
from runtime.outdated import is_outdated
from runtime.progress import is_stalled
from store.driver import Pool
from store.errors import DatabaseError
from store.redis.heartbeats import alive
from topics.producer import LogProducer, LogUnavailableError

CHECK_SECONDS = 1.0
CHECKS = 2
"""Of a service that does not respond within CHECK_SECONDS."""
FRESH_SECONDS = 1.0
"""GET /health needs no credentials: however often it is called, the services are checked no more often than this."""
CONNECTED, DISCONNECTED = "connected", "disconnected"

Response = TypeVar("Response")


class Condition:
    """The condition of the process's environment."""

    def __init__(self, pool: Pool, client: redis.Redis, producer: LogProducer) -> None:
        self._pool, self._redis, self._producer = pool, client, producer
        self._recent = Recent(self._check, seconds=FRESH_SECONDS)

    async def report(self) -> dict[str, Any]:
        """The body of GET /health; `timestamp`: when the services were checked."""
        return await self._recent.get()

    async def _check(self) -> dict[str, Any]:
        database, cache, log, worker = await asyncio.gather(
            _responds(self._pool.ping),
            _responds(self._redis.ping),
            _responds(self._producer.check),
            self._worker(),
        )
        healthy = database and cache and log and worker == "running"
        return {
            "status": "healthy" if healthy else "unhealthy",
            "database": CONNECTED if database else DISCONNECTED,
            "redis": CONNECTED if cache else DISCONNECTED,
            "log": CONNECTED if log else DISCONNECTED,
            "worker": worker,
            "timestamp": now(),
        }

    async def _worker(self) -> str:
        """`running` with a payment actor, `fenced` where PostgreSQL is behind the log, `outdated` where one waits
        before a record newer than itself, `stalled` where one does nothing, `stopped` without; else `unknown`."""
        try:
            workers = await _response(lambda: alive(self._redis))
        except (RedisError, OSError):
            return "unknown"
        actors = workers.get("payments") or {}
        if any(is_fenced(facts) for facts in actors.values()):
            return "fenced"
        if any(is_outdated(facts) for facts in actors.values()):
            return "outdated"
        if any(is_stalled(facts) for facts in actors.values()):
            return "stalled"
        return "running" if actors else "stopped"


async def _responds(check: Callable[[], Awaitable[object]]) -> bool:
    try:
        await _response(check)
    except (DatabaseError, RedisError, LogUnavailableError, OSError):
        return False
    return True


async def _response(check: Callable[[], Awaitable[Response]]) -> Response:
    """Raises what `check` raises, and TimeoutError after the last of CHECKS that took too long."""
    for _ in range(CHECKS - 1):
        with contextlib.suppress(TimeoutError):
            return await _in_time(check)
    return await _in_time(check)


async def _in_time(check: Callable[[], Awaitable[Response]]) -> Response:
    async with asyncio.timeout(CHECK_SECONDS):
        return await check()
