"""Which request is begun next: in each turn of the event loop a limited number of one caller's, and then the others'.

    arrives ─► fewer than BEGUN_PER_TURN of this caller begun in this turn ─► at once
               otherwise ─► its caller's queue ─► a later turn, all callers alike

Otherwise a caller that opens a thousand connections at one moment would be served before anybody who arrives a
millisecond later. Nothing waits while the loop is idle, and the number of requests under way is not limited. It
protects from greed, not from malice: a caller that names another key in each request has as many queues as names.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque

BEGUN_PER_TURN = 4
"""A request takes a fraction of a millisecond until it waits for the first time."""
WAIT_SECONDS_MAX = 0.5
"""If a turn takes long, as with ten thousand streams open, this many turns would make a request time out."""
WAITING_MAX = 10_000
"""In all queues together; above this, requests are begun as they arrive."""


class Turns:
    """The order of one process."""

    def __init__(
        self,
        *,
        per_turn: int = BEGUN_PER_TURN,
        waiting_max: int = WAITING_MAX,
        seconds_max: float = WAIT_SECONDS_MAX,
    ) -> None:
        self._per_turn, self._waiting_max, self._seconds_max = per_turn, waiting_max, seconds_max
        self._begun: Counter[bytes] = Counter()
        self._queues: dict[bytes, deque[tuple[float, asyncio.Future[None]]]] = {}
        self._waiting = 0

    async def take(self, caller: bytes) -> None:
        """Return when a request of this caller may be begun."""
        loop = asyncio.get_running_loop()
        if not self._begun and not self._queues:
            loop.call_soon(self._turn)
        if self._waiting >= self._waiting_max or (caller not in self._queues and self._begun[caller] < self._per_turn):
            self._begun[caller] += 1
            return
        place: asyncio.Future[None] = loop.create_future()
        self._queues.setdefault(caller, deque()).append((loop.time(), place))
        self._waiting += 1
        await place

    def _turn(self) -> None:
        """The next turn of the loop begins: for each caller the first of its queue, and all that have waited long."""
        loop = asyncio.get_running_loop()
        long_ago = loop.time() - self._seconds_max
        self._begun.clear()
        for caller in list(self._queues):
            queue = self._queues[caller]
            while queue and (self._begun[caller] < self._per_turn or queue[0][0] <= long_ago):
                _, place = queue.popleft()
                self._waiting -= 1
                if not place.done():  # its client has not hung up
                    place.set_result(None)
                    self._begun[caller] += 1
            if not queue:
                del self._queues[caller]
        if self._begun or self._queues:
            loop.call_soon(self._turn)
