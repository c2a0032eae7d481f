"""Refusals that are held back: a caller that continues above its limit waits for each response.

    first refusal ─► at once      the next within its Retry-After ─► after HOLD_SECONDS      too many held ─► at once

A client that sends the next request as soon as it has a response makes thousands of them a second if refusals are
immediate, and reading them alone takes processor time from everybody else. A held refusal costs a timer. A client that
keeps to Retry-After never notices.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from runtime.clock import SYSTEM_IDS

HOLD_SECONDS = 1.0
"""On average: sixteen connections in a closed loop make sixteen requests a second then."""
SPREAD = 0.4
"""A refusal is held for up to this much less or more: requests that were refused together do not return together. The
longest hold stays below ANSWER_SECONDS_BEYOND_DECISION (api/app.py), after which a response becomes 503."""
HELD_PER_CALLER = 1_000
"""Of one caller's refusals at once; each holds a connection of some 30 KB."""
HELD_IN_ALL = 2_000
REMEMBERED = 10_000
"""Callers whose last refusal is known; above it, those whose wait is over are forgotten."""


class Slowdown:
    """Holds refusals for one process."""

    def __init__(
        self,
        *,
        seconds: float = HOLD_SECONDS,
        per_caller: int = HELD_PER_CALLER,
        in_all: int = HELD_IN_ALL,
        fraction: Callable[[], float] = SYSTEM_IDS.fraction,
    ) -> None:
        self._seconds, self._per_caller, self._in_all = seconds, per_caller, in_all
        self._fraction = fraction
        self._held: Counter[str] = Counter()
        self._waits_until: dict[str, float] = {}

    async def hold(self, caller: str, retry_after: int) -> None:
        """Return when this refusal may be answered. `retry_after`: the seconds in the response."""
        now = time.monotonic()
        goes_on = now < self._waits_until.get(caller, 0.0)
        self._remember(caller, now, retry_after)
        if not goes_on or self._held[caller] >= self._per_caller or self._held.total() >= self._in_all:
            return
        self._held[caller] += 1
        try:
            await asyncio.sleep(self._seconds * (1 + SPREAD * (2 * self._fraction() - 1)))
        finally:
            self._held[caller] -= 1
            if not self._held[caller]:
                del self._held[caller]

    def _remember(self, caller: str, now: float, retry_after: int) -> None:
        if len(self._waits_until) >= REMEMBERED:
            self._waits_until = {one: until for one, until in self._waits_until.items() if until > now}
        if caller in self._waits_until or len(self._waits_until) < REMEMBERED:
            self._waits_until[caller] = now + retry_after
