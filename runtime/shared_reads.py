"""One read for many concurrent callers.

    get(key, read) ─► is this key being read? ─ yes ─► the result of that read, for all callers
                                              └ no ──► read()

For caches whose entries expire: without it every request in flight would read the entry again at that moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class SharedReads(Generic[Key, Value]):
    """Stores nothing: a finished read is forgotten."""

    def __init__(self) -> None:
        self._reading: dict[Key, asyncio.Task[Value]] = {}

    async def get(self, key: Key, read: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """The result or exception of `read`, for all concurrent callers of this key.

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
            reading.exception()  # retrieved, even if every caller has left
