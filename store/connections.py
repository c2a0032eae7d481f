"""Pools of connections to PostgreSQL with bounded waits, and reads that outlast a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from runtime.settings import Settings
from store.driver import Connection, Pool
from store.errors import ConnectionLostError

RESTART_SECONDS = 1.0
AGAIN_SECONDS = 0.05
Result = TypeVar("Result")


async def make_pool(
    settings: Settings, *, size: int, lazy: bool = False, name: str = "gateway", **session: str
) -> Pool:
    """Pool for reads and control-plane writes. `lazy` opens nothing yet: a process may start without it.

    `name` is what PostgreSQL calls its sessions; `session`: more settings of theirs.
    """
    return await Pool.open(
        settings.database_url.get_secret_value(),
        min_size=0 if lazy else 1,
        max_size=size,
        timeout=3,
        command_timeout=15,
        max_inactive_connection_lifetime=300,
        server_settings={"application_name": name, "jit": "off", **session},
        reset=leave_session,
    )


async def leave_session(_connection: Connection) -> None:
    """What a pool does with a returned connection; asyncpg itself has rolled back an open transaction.

    asyncpg's default makes the server reset settings, cursors, listeners and locks: one more round trip for every
    query. Nothing here leaves any of them in a pool's session (`SET LOCAL`; locks that outlive a transaction are
    taken on connections of their own).
    """


async def through_restart(read: Callable[[], Awaitable[Result]]) -> Result:
    """The result of `read`, retried for RESTART_SECONDS while connections break or are refused.

    For reads that a request depends on: a server that is merely restarting costs a moment, not an error. A server that
    hangs is not retried.
    """
    clock = asyncio.get_running_loop()
    ends_at = clock.time() + RESTART_SECONDS
    while True:
        try:
            return await read()
        except ConnectionLostError:
            if clock.time() >= ends_at:
                raise
        await asyncio.sleep(AGAIN_SECONDS)
