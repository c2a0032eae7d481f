"""Whether PostgreSQL answers: asked every second over a connection of its own, so that a busy pool is no outage."""

from __future__ import annotations

import asyncio
import contextlib

import asyncpg

from runtime.logs import get_logger
from runtime.settings import Settings

log = get_logger("database-probe")

EVERY_SECONDS = 1.0
PATIENCE_SECONDS = 1.0


class DatabaseProbe:
    """`up` is what the last question found."""

    def __init__(self, settings: Settings) -> None:
        self._dsn = settings.database_url.get_secret_value()
        self._connection: asyncpg.Connection | None = None
        self.up = True

    async def run(self) -> None:
        """Ask for ever; cancel to stop."""
        try:
            while True:
                found = await self._ask()
                if found is not self.up:
                    log.warning("database_is_back" if found else "database_is_away")
                self.up = found
                await asyncio.sleep(EVERY_SECONDS)
        finally:
            self._drop()

    async def _ask(self) -> bool:
        with contextlib.suppress(
            asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, ValueError
        ):
            async with asyncio.timeout(PATIENCE_SECONDS):
                if self._connection is None:
                    self._connection = await asyncpg.connect(self._dsn, timeout=PATIENCE_SECONDS)
                await self._connection.execute("SELECT 1")
                return True
        self._drop()
        return False

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
