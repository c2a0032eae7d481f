"""Making connections to PostgreSQL: asyncpg pools with bounded waits."""

from __future__ import annotations

import asyncpg

from runtime.settings import Settings


async def make_pool(settings: Settings, *, size: int, lazy: bool = False) -> asyncpg.Pool:
    """Pool for reads and control-plane writes. `lazy` opens nothing yet: a process may start without it."""
    return await asyncpg.create_pool(
        settings.database_url.get_secret_value(),
        min_size=0 if lazy else 1,
        max_size=size,
        timeout=3,
        command_timeout=15,
        max_inactive_connection_lifetime=300,
        server_settings={"application_name": "gateway", "jit": "off"},
        reset=leave_session,
    )


async def leave_session(_connection: asyncpg.Connection) -> None:
    """What a pool does with a connection that comes back; asyncpg itself has rolled back an open transaction.

    asyncpg's default asks the server to undo settings, cursors, listeners and locks: one more round trip for every
    query. Nothing here leaves any of them in a pool's session (`SET LOCAL`; locks that outlive a transaction are
    taken on connections of their own).
    """
