"""Rows of a long result, a window at a time, in constant memory."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from store.driver import Cursor, Row
from store.errors import DatabaseError

FETCH_ROWS = 5_000


class Stream:
    """Rows of one query, a window at a time, as records. `ahead`: request the next window while one is processed."""

    def __init__(self, cursor: Cursor, *, ahead: bool) -> None:
        self._cursor = cursor
        self._ahead = ahead
        self._coming: asyncio.Task[list[Row]] | None = None
        self.ended = False

    async def next_rows(self) -> list[Row]:
        """At most FETCH_ROWS rows; empty at the end."""
        if self.ended:
            return []
        rows: list[Row] = await (self._coming or self._cursor.fetch(FETCH_ROWS))
        self._coming = None
        self.ended = len(rows) < FETCH_ROWS
        if self._ahead and not self.ended:
            self._coming = asyncio.create_task(self._cursor.fetch(FETCH_ROWS))
            await asyncio.sleep(0)  # the request leaves before the caller keeps the loop busy
        return rows

    async def close(self) -> None:
        """Abandon the window that is under way."""
        if self._coming is not None:
            self._coming.cancel()
            with suppress(asyncio.CancelledError, DatabaseError):
                await self._coming
