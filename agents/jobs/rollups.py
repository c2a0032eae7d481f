"""Keeps every merchant's analytics up to date: folds new events into rollups, from the database alone.

Beside the counting of jobs and independent of it: neither waits for the other's surroundings.
"""

from __future__ import annotations

import asyncio
import contextlib

import asyncpg
from prometheus_client import Counter

from agents.role import Context
from runtime.logs import get_logger
from store.connections import make_pool
from store.rollups import advance, due_merchants

log = get_logger("rollups")

EVERY_SECONDS = 1.0
FOLDED = Counter("gateway_rollup_events", "Events folded into the analytics")


class Rollups:
    """One worker. Several may run: a merchant is folded by one of them at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def run(self) -> None:
        pool = await make_pool(self._context.settings, size=1, lazy=True)
        try:
            while not self._context.stopping.is_set():
                await self._turn(pool)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._context.stopping.wait(), EVERY_SECONDS)
        finally:
            pool.terminate()

    async def _turn(self, pool: asyncpg.Pool) -> None:
        """One step for each merchant that has something new, so that a busy one does not keep the others waiting."""
        try:
            for merchant_id in await due_merchants(pool):
                FOLDED.inc(await advance(pool, merchant_id))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            log.warning("database_unavailable", error=repr(error))
