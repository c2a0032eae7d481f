"""Whether PostgreSQL responds: probed every second over a connection of its own, so that a busy pool is not reported as
an outage.

Nor is a restart: a server that is back within UNAVAILABLE_AFTER_SECONDS has only made the actors wait, and requests
that were not refused have their responses by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from runtime.logs import get_logger
from runtime.settings import Settings
from store.driver import Connection, connect
from store.errors import DatabaseError

log = get_logger("database-probe")

EVERY_SECONDS = 1.0
AGAIN_SECONDS = 0.1
"""Pause after a failed probe."""
UNAVAILABLE_AFTER_SECONDS = 1.0
TIMEOUT_SECONDS = 1.0


class DatabaseProbe:
    """`up` is false once no probe succeeded for UNAVAILABLE_AFTER_SECONDS."""

    def __init__(self, settings: Settings) -> None:
        self._dsn = settings.database_url.get_secret_value()
        self._connection: Connection | None = None
        self.up = True

    async def run(self) -> None:
        """Probe until cancelled."""
        try:
            silent_since: float | None = None
            while True:
                probed_at = time.monotonic()
                if await self._responds():
                    silent_since = None
                elif silent_since is None:
                    silent_since = probed_at
                self._set_up(silent_since is None or time.monotonic() - silent_since < UNAVAILABLE_AFTER_SECONDS)
                await asyncio.sleep(EVERY_SECONDS if silent_since is None else AGAIN_SECONDS)
        finally:
            self._drop()

    def _set_up(self, up: bool) -> None:
        if up is not self.up:
            log.warning("database_is_back" if up else "database_is_away")
        self.up = up

    async def _responds(self) -> bool:
        with contextlib.suppress(DatabaseError, TimeoutError, ValueError):
            async with asyncio.timeout(TIMEOUT_SECONDS):
                if self._connection is None:
                    self._connection = await connect(self._dsn, timeout=TIMEOUT_SECONDS)
                await self._connection.execute("SELECT 1")
                return True
        self._drop()
        return False

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
