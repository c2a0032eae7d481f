"""Work of a command that needs the database alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from ops.console.exit_codes import run
from runtime.settings import Settings
from store.connections import make_pool
from store.driver import Pool

T = TypeVar("T")


def run_with_pool(work: Callable[[Settings, Pool], Awaitable[T]]) -> T:
    """Run it with the settings of this environment and two connections. Ends in a value or in a GatewayError."""

    async def connected(settings: Settings) -> T:
        pool = await make_pool(settings, size=2)
        try:
            return await work(settings, pool)
        finally:
            await pool.close()

    return run(connected)
