"""Callers above their limit: their refusals are held back, and what they may do is done in rounds.

    first refusal ─► at once      the next within its Retry-After ─► held           too many held ─► at once
    a request of a merchant that sends more than it may, and has room for this one ─► the next round

A client that sends the next request as soon as it has a response makes thousands of them a second if refusals are
immediate, and reading them alone takes processor time from everybody else. A held refusal costs a timer. The more
of a caller's refusals are held, the longer: about RELEASED_PER_SECOND of them leave, and from 200 connections on more,
because none is held much longer than HOLD_SECONDS_MAX. Requests that come one by one cost several times what a batch
costs: those of one round share the actor's batch, its commit and its wakes. A client that keeps to Retry-After never
notices.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from runtime.clock import SYSTEM_IDS

HOLD_SECONDS = 1.0
"""On average: sixteen connections in a closed loop make sixteen requests a second then."""
HOLD_SECONDS_MAX = 10.0
"""On average, for a merchant with hundreds of connections; most clients wait longer for a response."""
RELEASED_PER_SECOND = 20
SPREAD = 0.4
"""A refusal is held for up to this much less or more: requests that were refused together do not return together."""
HELD_PER_CALLER = 1_000
"""Of one caller's refusals at once; each holds a connection of some 30 KB."""
HELD_IN_ALL = 2_000
REMEMBERED = 10_000
"""Callers whose last refusal is known; above it, those whose wait is over are forgotten."""
ROUND_SECONDS = 2.14
"""Between two rounds, by the clock of the host, so that its processes have them at one moment. No multiple of a second:
clients that send at fixed times do not meet every round."""


class Slowdown:
    """Holds refusals and requests for one process."""

    def __init__(
        self,
        *,
        seconds: float = HOLD_SECONDS,
        per_caller: int = HELD_PER_CALLER,
        in_all: int = HELD_IN_ALL,
        round_seconds: float = ROUND_SECONDS,
        fraction: Callable[[], float] = SYSTEM_IDS.fraction,
    ) -> None:
        self._seconds, self._per_caller, self._in_all = seconds, per_caller, in_all
        self._round_seconds = round_seconds
        self._fraction = fraction
        self._held: Counter[str] = Counter()
        self._waits_until: dict[str, float] = {}
        self._round: asyncio.Future[None] | None = None
        self._closing = asyncio.Event()

    def goes_on(self, caller: str) -> bool:
        """Whether it was refused and did not wait for Retry-After, or has used up its limit in rounds since."""
        return time.monotonic() < self._waits_until.get(caller, 0.0)

    async def hold(self, caller: str, retry_after: int, *, longest: float = HOLD_SECONDS_MAX) -> None:
        """Return when this refusal may be answered. `retry_after`: the seconds in the response. `longest`: seconds, on
        average; HOLD_SECONDS if many people may be behind one caller, as behind a network's address."""
        goes_on = self.goes_on(caller)
        self._remember(caller, retry_after)
        if not goes_on or self._held[caller] >= self._per_caller or self._held.total() >= self._in_all:
            return
        self._held[caller] += 1
        seconds = min(max(self._seconds, self._held[caller] / RELEASED_PER_SECOND), longest)
        try:
            async with asyncio.timeout(seconds * (1 + SPREAD * (2 * self._fraction() - 1))):
                await self._closing.wait()
        except TimeoutError:
            pass
        finally:
            self._held[caller] -= 1
            if not self._held[caller]:
                del self._held[caller]

    async def join_round(self, caller: str, *, little_left: bool) -> None:
        """Return at once, or for a caller that was refused and continues, when the next round begins.

        `little_left`: it has used most of its limit, so the next request begins in a round as well.
        """
        if not self.goes_on(caller) or self._closing.is_set():
            return
        if little_left:
            self._remember(caller, 2 * self._round_seconds)
        if self._round is None:
            loop = asyncio.get_running_loop()
            self._round = loop.create_future()
            loop.call_later(self._round_seconds - time.time() % self._round_seconds, self._begin_round)
        await asyncio.shield(self._round)

    def close(self) -> None:
        """The process stops: nothing is held any longer."""
        self._closing.set()
        self._begin_round()

    def _begin_round(self) -> None:
        if self._round is not None:
            self._round.set_result(None)
            self._round = None

    def _remember(self, caller: str, seconds: float) -> None:
        now = time.monotonic()
        if len(self._waits_until) >= REMEMBERED:
            self._waits_until = {one: until for one, until in self._waits_until.items() if until > now}
        if caller in self._waits_until or len(self._waits_until) < REMEMBERED:
            self._waits_until[caller] = now + seconds
