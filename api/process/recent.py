"""A value that is expensive to compute: computed once for all callers within a moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """The result of `find`, at most `seconds` old. Callers that arrive while it is being computed wait for it."""

    def __init__(
        self, find: Callable[[], Awaitable[Value]], *, seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._find = find
        self._seconds = seconds
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._found: tuple[float, Value] | None = None

    async def get(self) -> Value:
        """Raises what `find` raises; the next caller tries again."""
        async with self._lock:
            if self._found is None or self._monotonic() - self._found[0] >= self._seconds:
                value = await self._find()
                self._found = self._monotonic(), value
            return self._found[1]
