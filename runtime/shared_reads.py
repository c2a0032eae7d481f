"""Reads that many callers need at once, made once.

    get(key, read) ─► is this key being read? ─ yes ─► the answer of that read, for all who wait
                                              └ no ──► read()

For caches whose entries end: without it every request in flight reads the entry anew in that moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class SharedReads(Generic[Key, Value]):
    """Keeps nothing: a read that has ended is forgotten."""

    def __init__(self) -> None:
        self._reading: dict[Key, asyncio.Task[Value]] = {}

    async def get(self, key: Key, read: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """What `read` returns, or raises, for everybody who asks for this key meanwhile.

        A caller that is cancelled leaves the read to the others.
        """
        reading = self._reading.get(key)
        if reading is None:
            reading = self._reading[key] = asyncio.create_task(read())
            reading.add_done_callback(lambda ended: self._ended(key, ended))
        return await asyncio.shield(reading)

    def _ended(self, key: Key, reading: asyncio.Task[Value]) -> None:
        del self._reading[key]
        if not reading.cancelled():
            reading.exception()  # seen, also where every caller has gone
