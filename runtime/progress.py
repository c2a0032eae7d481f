"""Whether a reader makes progress: one that has records to read and takes none is unhealthy, however regular its
heartbeat.

progress = Progress(clock)
facts["stalled_seconds"] = progress.stalled_seconds(position=taken, lag=unread)     at every turn
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runtime.clock import SYSTEM_CLOCK, Clock

STALLED_SECONDS = 30.0
"""Longer than a restart of the broker or a rebalance, shorter than payers wait for a payment."""
FACT = "stalled_seconds"


class Progress:
    """The progress of one reader. `position` is any number that grows with its work."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._position = -1
        self._moved_at = clock.monotonic()

    def stalled_seconds(self, *, position: int, lag: int) -> float:
        """How long there have been records to read without progress; 0.0 while it progresses or has read everything."""
        at = self._clock.monotonic()
        if lag == 0 or position != self._position:
            self._position, self._moved_at = position, at
        return round(at - self._moved_at, 1)


def unread(places: Iterable[tuple[int | None, int | None]]) -> int:
    """Records that a reader has not read yet, by (end, next to read) of its partitions; None is not known yet."""
    return sum(max(0, end - following) for end, following in places if end is not None and following is not None)


def is_stalled(facts: Mapping[str, Any]) -> bool:
    """By a worker's facts, as its heartbeat or its health page shows them."""
    return float(facts.get(FACT, 0.0)) > STALLED_SECONDS
