"""The forwarder's upkeep: releases deliveries whose endpoint is enabled again, finds those that the log lost, and
maintains the counters.

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
IDLE_SECONDS = 2.0
"""Between two rounds that find nothing to do: how late the next work may begin."""
COST_SHARE = 0.05
PAUSE_SECONDS_MAX = 60.0
"""Upper bound of the wait after an expensive round: deliveries that the log lost wait too."""
RELEASED_MAX = 1_000
LOST_AFTER_SECONDS = 30.0
DELIVERIES_NOW = Gauge("gateway_webhook_deliveries", "Delivery rows by state", ["state"])


class Upkeep:
    """Three loops that no failure stops: each round tries again."""

    def __init__(self, context: Context, pool: Pool, producer: LogProducer) -> None:
        self._context = context
        self._pool = pool
        self._producer = producer
        self._counted: dict[str, int] = {}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for work in (self._release, self._find_lost, self._count):
                group.create_task(self._repeat(work))

    async def _repeat(self, work: Callable[[], Awaitable[bool]]) -> None:
        """`work` returns whether it found something to do."""
        pause_seconds = EVERY_SECONDS
        while not self._context.stopping.is_set():
            began_at = self._context.clock.monotonic()
            try:
                found = await work()
                pause_seconds = EVERY_SECONDS if found else min(pause_seconds * 2, IDLE_SECONDS)
                cost_seconds = self._context.clock.monotonic() - began_at
            except (DatabaseError, RedisError, OSError) as error:
                # A statement that hung has cost only time: it is not a reason to pause for minutes.
                log.warning("upkeep_failed", work=work.__name__, error=repr(error))
                cost_seconds = 0.0
            self._context.alive()
            await self._context.pause(max(pause_seconds, min(cost_seconds / COST_SHARE, PAUSE_SECONDS_MAX)))

    async def _release(self) -> bool:
        released = await release_held(self._pool, self._context.clock.now(), limit=RELEASED_MAX)
        return await self._publish(released, "released")

    async def _find_lost(self) -> bool:
        """Only if the dispatchers have read everything: a delivery on the topic is not lost."""
        dispatchers = (await alive(self._context.redis)).get("dispatcher", {})
        if not dispatchers or not all(_has_read_all(facts) for facts in dispatchers.values()):
            return False
        at = self._context.clock.now()
        overdue_since = at - timedelta(seconds=LOST_AFTER_SECONDS)
        lost = await find_lost(self._pool, at, overdue_since=overdue_since, limit=RELEASED_MAX)
        return await self._publish(lost, "lost_found")

    async def _count(self) -> bool:
        counters = await count_deliveries(self._pool)
        for state, count in counters.items():
            DELIVERIES_NOW.labels(state).set(count)
        await store_counters(self._context.redis, counters)
        changed, self._counted = counters != self._counted, counters
        return changed

    async def _publish(self, dues: list[Due], event: str) -> bool:
        if not dues:
            return False
        log.info(event, deliveries=len(dues))
        at, partitions = self._context.clock.now(), self._context.settings.topic_partitions
        records = [delivery_record(due, at=at, partitions=partitions) for due in dues]
        await self._producer.publish(records)
        return True


def _has_read_all(facts: Mapping[str, Any]) -> bool:
    """A worker that has just begun cannot report yet how much there is to read."""
    return facts.get("lag") == 0 and facts.get("up_seconds", 0) >= LOST_AFTER_SECONDS
