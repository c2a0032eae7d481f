"""Connections of the webhook roles, and their only reaction to a failed statement: a bounded retry."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from runtime.logs import get_logger
from runtime.settings import Settings
from store.connections import make_pool
from store.driver import Pool
from store.errors import DatabaseUnavailableError

log = get_logger("webhook_store")

T = TypeVar("T")
RETRY_SECONDS = 45.0
PAUSE_SECONDS = 0.2


async def make_webhook_pool(settings: Settings, *, size: int) -> Pool:
    """A pool whose lookups by key never turn into scans: a plan made while a table is small is kept for long."""
    return await make_pool(settings, size=size, lazy=True, name="gateway-webhooks", enable_seqscan="off")


async def persistently(work: Callable[[], Awaitable[T]], *, what: str) -> T:
    """Do `work`, and retry while the database is unavailable or after a deadlock.

    Raises DatabaseUnavailableError after RETRY_SECONDS, StatementRefusedError at once.

    `work` must be one transaction that can be repeated.
    """
    clock = asyncio.get_running_loop()
    ends_at = clock.time() + RETRY_SECONDS
    while True:
        try:
            return await work()
        except DatabaseUnavailableError as error:
            log.warning("statement_failed", what=what, error=repr(error))
            if clock.time() > ends_at:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
