"""Keeps every merchant's analytics up to date: folds new events into rollups, from the database alone.

Beside the counting of jobs and independent of it: neither waits for the other's services.
"""

from __future__ import annotations

import asyncio
import contextlib

from prometheus_client import Counter

from agents.role import Context
from runtime.logs import get_logger
from store.analytics.rollups import STEP_EVENTS_MAX, advance, due_merchants
from store.connections import make_pool
from store.driver import Pool
from store.errors import DatabaseError, ValueRefusedError

log = get_logger("rollups")

EVERY_SECONDS = 1.0
"""Between two turns, however much is numbered."""
IDLE_SECONDS = 5.0
"""Without a wake from the feeder. It may be active in another process, whose rollups it wakes; a merchant whose events
that process did not get to fold is found here."""
FOLDED = Counter("gateway_rollup_events", "Events folded into the analytics")


class Rollups:
    """One worker. Several may run: a merchant is folded by one of them at a time."""

    def __init__(self, context: Context, numbered: asyncio.Event) -> None:
        """`numbered`: set by this process's feeder when events have got their places."""
        self._context = context
        self._numbered = numbered

    async def run(self) -> None:
        pool = await make_pool(self._context.settings, size=1, lazy=True)
        try:
            while not self._context.stopping.is_set():
                self._numbered.clear()
                if await self._turn(pool):
                    continue
                await self._context.pause(EVERY_SECONDS)
                await self._context.unless_stopping(self._wait())
        finally:
            pool.terminate()

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(IDLE_SECONDS):
                await self._numbered.wait()

    async def _turn(self, pool: Pool) -> bool:
        """One step for each merchant that has something new, so that a busy one does not keep the others waiting.

        True if a merchant has more than a step: then the next turn does not wait.
        """
        try:
            steps = [await self._step(pool, merchant_id) for merchant_id in await due_merchants(pool)]
        except DatabaseError as error:
            log.warning("database_unavailable", error=repr(error))
            return False
        return STEP_EVENTS_MAX in steps

    async def _step(self, pool: Pool, merchant_id: str) -> int:
        """A merchant whose numbers the database refuses does not hold up the others."""
        try:
            folded = await advance(pool, merchant_id)
        except ValueRefusedError as error:
            log.error("rollup_refused", merchant_id=merchant_id, error=repr(error))
            return 0
        FOLDED.inc(folded)
        return folded
