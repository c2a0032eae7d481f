"""Seats for event streams in one process: bounded for each merchant and in all, payers apart from dashboards.

A seat is taken before the response begins and returned when it ends, so that a crowd at one moment is counted too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

from fastapi.sse import EventSourceResponse
from starlette.types import Receive, Scope, Send


class Seats:
    """The streams of one kind."""

    def __init__(self, *, in_all: int, per_merchant: int) -> None:
        self._in_all, self._per_merchant = in_all, per_merchant
        self._taken: Counter[str] = Counter()

    def take(self, merchant_id: str) -> bool:
        """Whether there was a seat; it must be returned."""
        if self._taken.total() >= self._in_all or self._taken[merchant_id] >= self._per_merchant:
            return False
        self._taken[merchant_id] += 1
        return True

    def give_back(self, merchant_id: str) -> None:
        self._taken[merchant_id] -= 1
        if not self._taken[merchant_id]:
            del self._taken[merchant_id]


class SeatedResponse(EventSourceResponse):
    """A stream on a taken seat, which is returned however the stream ends."""

    def __init__(self, frames: AsyncIterator[bytes], seats: Seats, merchant_id: str) -> None:
        super().__init__(frames, headers={"X-Accel-Buffering": "no"})
        self._seats, self._merchant_id = seats, merchant_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._seats.give_back(self._merchant_id)
