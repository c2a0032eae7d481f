"""The forwarder's upkeep: releases what nothing holds any more, finds what the log lost, and keeps the counters.

Each round waits in proportion to what it cost (at most COST_SHARE of one connection), so it stays cheap at any size.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from prometheus_client import Gauge
from redis.exceptions import RedisError

from agents.role import Context
from domain.delivery import Due
from runtime.logs import get_logger
from store.driver import Pool
from store.errors import DatabaseError
from store.redis.heartbeats import alive
from store.webhooks.upkeep import count_deliveries, find_lost, release_held, store_counters
from topics.delivery import delivery_record
from topics.producer import LogProducer

log = get_logger("upkeep")

EVERY_SECONDS = 0.5
COST_SHARE = 0.05
RELEASED_MAX = 1_000
LOST_AFTER_SECONDS = 30.0
DELIVERIES_NOW = Gauge("gateway_webhook_deliveries", "Delivery rows by state", ["state"])


class Upkeep:
    """Three loops that never stop for a failure: each round tries again."""

    def __init__(self, context: Context, pool: Pool, producer: LogProducer) -> None:
        self._context = context
        self._pool = pool
        self._producer = producer

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for work in (self._release, self._find_lost, self._count):
                group.create_task(self._repeat(work))

    async def _repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        while not self._context.stopping.is_set():
            began_at = self._context.clock.monotonic()
            try:
                await work()
            except (DatabaseError, RedisError, OSError) as error:
                log.warning("upkeep_failed", work=work.__name__, error=repr(error))
            self._context.alive()
            await self._context.pause(max(EVERY_SECONDS, (self._context.clock.monotonic() - began_at) / COST_SHARE))

    async def _release(self) -> None:
        await self._publish(await release_held(self._pool, self._context.clock.now(), limit=RELEASED_MAX), "released")

    async def _find_lost(self) -> None:
        """Only where the dispatchers have read everything: what stands on the topic is not lost."""
        dispatchers = (await alive(self._context.redis)).get("dispatcher", {})
        if not dispatchers or not all(_has_read_all(facts) for facts in dispatchers.values()):
            return
        at = self._context.clock.now()
        overdue_since = at - timedelta(seconds=LOST_AFTER_SECONDS)
        lost = await find_lost(self._pool, at, overdue_since=overdue_since, limit=RELEASED_MAX)
        await self._publish(lost, "lost_found")

    async def _count(self) -> None:
        counters = await count_deliveries(self._pool)
        for state, count in counters.items():
            DELIVERIES_NOW.labels(state).set(count)
        await store_counters(self._context.redis, counters)

    async def _publish(self, dues: list[Due], said: str) -> None:
        if not dues:
            return
        log.info(said, deliveries=len(dues))
        at, partitions = self._context.clock.now(), self._context.settings.topic_partitions
        records = [delivery_record(due, at=at, partitions=partitions) for due in dues]
        await self._producer.publish(records)


def _has_read_all(facts: Mapping[str, Any]) -> bool:
    """A worker that has just begun does not know yet how much there is to read."""
    return facts.get("lag") == 0 and facts.get("up_seconds", 0) >= LOST_AFTER_SECONDS
