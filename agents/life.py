"""What surrounds every worker's loop, whichever client reads its topic: heartbeat, counted lives, watchdog, an end.

begin() ─► it beats, and a life that lasts is calm (agents/quarantine.py) ─► end(): both stop, the heartbeat is gone
watch(stuck, why) ─► a thread ends the process once `stuck()`: an event loop that hangs cannot end itself
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import redis.asyncio as redis
from redis.exceptions import RedisError

from agents.quarantine import Quarantine
from runtime.worker import Worker, beside, exit_after
from store.redis.heartbeats import beat, clear

STUCK_SECONDS = 120.0
"""Longer than any bounded wait inside a turn of a role or a batch of an actor (database 45 s, broker 45 s)."""
WATCH_SECONDS = 5.0


class Life:
    """Of one worker. `facts`: what its heartbeat shows."""

    def __init__(
        self, worker: Worker, client: redis.Redis, quarantine: Quarantine, facts: Callable[[], dict[str, Any]]
    ) -> None:
        self._worker = worker
        self._redis = client
        self._quarantine = quarantine
        self._facts = facts
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        """Call before the first record is read."""
        await self._quarantine.begin_life()
        beating = beat(self._redis, self._worker.role, self._worker.name, self._facts)
        self._tasks = [beside(beating, "heartbeat"), beside(self._quarantine.live_calmly(), "calm")]

    async def end(self) -> None:
        """Call at an orderly end; no effect if it never began."""
        if not self._tasks:
            return
        for task in self._tasks:
            task.cancel()
        await self._quarantine.end_life()
        with contextlib.suppress(RedisError, OSError):
            await clear(self._redis, self._worker.role, self._worker.name)


def watch(is_stuck: Callable[[], bool], why: str) -> None:
    """Always end the process soon after `is_stuck()` returns true; it is called from another thread."""

    def look() -> None:
        while True:
            time.sleep(WATCH_SECONDS)
            if is_stuck():
                exit_after(0.0, why)

    threading.Thread(target=look, name="watchdog", daemon=True).start()
