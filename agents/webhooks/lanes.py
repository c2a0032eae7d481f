"""Fair shares: each endpoint has a lane with room for so many requests at a time, so a slow one fills only its own.

    offer ─► starts | waits its turn | is parked      parked: the lane is full and a quarter of its requests are slow

A busy endpoint that answers quickly keeps its waiting line, also while a few of its requests straggle; one that hangs
sends the line away to the retry tier.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

from runtime.clock import SYSTEM_CLOCK, Clock

SHARE = 64
"""Requests under way for one endpoint."""
STRAGGLERS_MAX = SHARE // 4
"""More slow requests than these make a lane slow. A first burst, connections to be made for all of it, has some."""
SLOW_AFTER_SECONDS = 2.0

Work = TypeVar("Work")


@dataclass(slots=True)
class _Lane(Generic[Work]):
    started: OrderedDict[int, float] = field(default_factory=OrderedDict)
    waiting: deque[Work] = field(default_factory=deque)

    def is_slow(self, at: float) -> bool:
        if len(self.started) < SHARE:
            return False
        began_at = next(islice(self.started.values(), STRAGGLERS_MAX, None))
        return at - began_at > SLOW_AFTER_SECONDS


class Lanes(Generic[Work]):
    """All lanes of a dispatcher. `start(work, ticket)` begins a request; its end is told by `ended`."""

    def __init__(
        self,
        start: Callable[[str, Work, int], None],
        park: Callable[[Work], None],
        *,
        may_park: bool,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._start = start
        self._park = park
        self._may_park = may_park
        self._clock = clock
        self._lanes: dict[str, _Lane[Work]] = {}
        self._tickets = 0

    def offer(self, endpoint_id: str, work: Work) -> None:
        """Start the work, let it wait, or park it."""
        lane = self._lanes.setdefault(endpoint_id, _Lane())
        if len(lane.started) < SHARE:
            self._begin(endpoint_id, lane, work)
        elif self._may_park and lane.is_slow(self._clock.monotonic()):
            self._park(work)
        else:
            lane.waiting.append(work)

    def ended(self, endpoint_id: str, ticket: int) -> None:
        """A request is over: its room goes to the next in line."""
        lane = self._lanes[endpoint_id]
        del lane.started[ticket]
        if lane.waiting:
            self._begin(endpoint_id, lane, lane.waiting.popleft())
        elif not lane.started:
            del self._lanes[endpoint_id]

    def close(self) -> None:
        """Start nothing more."""
        for lane in self._lanes.values():
            lane.waiting.clear()

    def park_slow(self) -> None:
        """Send away what waits behind slow requests. Called a few times a second."""
        if not self._may_park:
            return
        at = self._clock.monotonic()
        for lane in self._lanes.values():
            if lane.waiting and lane.is_slow(at):
                while lane.waiting:
                    self._park(lane.waiting.popleft())

    def _begin(self, endpoint_id: str, lane: _Lane[Work], work: Work) -> None:
        self._tickets += 1
        lane.started[self._tickets] = self._clock.monotonic()
        self._start(endpoint_id, work, self._tickets)
