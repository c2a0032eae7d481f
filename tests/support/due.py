"""A loop of the sweeper that polls for what is due, running beside a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from agents.kafka import Kafka
from agents.role import Context
from agents.sweeper.due import DueLoop
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.worker import Worker
from store.connections import make_pool
from store.driver import Pool
from tests.support.actor import Bench


def never() -> bool:
    return False


@asynccontextmanager
async def looking(
    bench: Bench,
    make: Callable[[Context, Kafka, Pool], DueLoop],
    *,
    log_is_closed: Callable[[], bool] = never,
    clock: Clock = SYSTEM_CLOCK,
) -> AsyncIterator[None]:
    """The loop that `make` makes runs until the end of the block, on a host with this clock."""
    settings = bench.command_client.settings
    context = Context(settings, Worker("sweeper", 0, "sweeper-test", 0), bench.redis, clock=clock)
    context.log_is_closed = log_is_closed
    pool = await make_pool(settings, size=1)
    running = asyncio.create_task(make(context, Kafka(settings), pool).run())
    try:
        yield
    finally:
        context.stopping.set()
        await running
        await pool.close()
