"""Fair shares: an endpoint has room for SHARE requests at a time, a merchant for MERCHANT_SHARE, so that a slow
receiver fills only its own share, and a merchant with many slow receivers only the merchant's.

    offer ─► starts | waits its turn | is parked      parked: the share is full and more than a quarter of its
                                                      requests are slow, or the queue does not move

A busy endpoint that responds quickly keeps its queue, even while a few requests are slow. One that hangs, or responds
just slowly enough, has its queue moved to the retry tier.
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
MERCHANT_SHARE = 256
"""Requests under way for one merchant: four endpoints' shares, an eighth of what a dispatcher takes on at a time."""
SLOW_AFTER_SECONDS = 2.0
LINE_SECONDS = 5.0
"""Work that waits longer than this is parked: receivers that are slow, yet never as slow as SLOW_AFTER_SECONDS, would
otherwise fill the dispatcher with their queues."""

Work = TypeVar("Work")


@dataclass(slots=True)
class _Share:
    """Requests under way by ticket, oldest first, with the instants at which they began."""

    size: int
    started: OrderedDict[int, float] = field(default_factory=OrderedDict)

    def is_full(self) -> bool:
        return len(self.started) >= self.size

    def is_slow(self, at: float) -> bool:
        """A full share of which more than a quarter are slow. A first burst, which must open connections, has some."""
        if not self.is_full():
            return False
        began_at = next(islice(self.started.values(), self.size // 4, None))
        return at - began_at > SLOW_AFTER_SECONDS


@dataclass(slots=True)
class _Lane(Generic[Work]):
    """An endpoint's share, and its queue: work with the instant at which it arrived."""

    share: _Share = field(default_factory=lambda: _Share(SHARE))
    waiting: deque[tuple[Work, float]] = field(default_factory=deque)

    def stands(self, at: float) -> bool:
        return bool(self.waiting) and at - self.waiting[0][1] > LINE_SECONDS


@dataclass(slots=True)
class _Merchant(Generic[Work]):
    share: _Share = field(default_factory=lambda: _Share(MERCHANT_SHARE))
    lanes: OrderedDict[str, _Lane[Work]] = field(default_factory=OrderedDict)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request under way; hand it to `ended`."""

    merchant_id: str
    endpoint_id: str
    number: int


class Lanes(Generic[Work]):
    """All lanes of a dispatcher. `start(work, ticket)` begins a request; `ended(ticket)` marks its end."""

    def __init__(
        self,
        start: Callable[[Work, Ticket], None],
        park: Callable[[Work], None],
        *,
        may_park: bool,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._start = start
        self._park = park
        self._may_park = may_park
        self._clock = clock
        self._merchants: dict[str, _Merchant[Work]] = {}
        self._tickets = 0

    def offer(self, merchant_id: str, endpoint_id: str, work: Work) -> None:
        """Start the work, let it wait, or park it."""
        merchant = self._merchants.setdefault(merchant_id, _Merchant())
        lane = merchant.lanes.setdefault(endpoint_id, _Lane())
        at = self._clock.monotonic()
        if not lane.share.is_full() and not merchant.share.is_full():
            self._begin(merchant_id, endpoint_id, work)
        elif self._may_park and (lane.share.is_slow(at) or merchant.share.is_slow(at) or lane.stands(at)):
            self._park(work)
        else:
            lane.waiting.append((work, at))

    def ended(self, ticket: Ticket) -> None:
        """A request is over: its slot goes to the next in the queue, of its endpoint first, then of its merchant."""
        merchant = self._merchants[ticket.merchant_id]
        lane = merchant.lanes[ticket.endpoint_id]
        del merchant.share.started[ticket.number]
        del lane.share.started[ticket.number]
        following = ticket.endpoint_id if lane.waiting else self._next_in_line(merchant)
        if following is not None:
            work, _ = merchant.lanes[following].waiting.popleft()
            merchant.lanes.move_to_end(following)
            self._begin(ticket.merchant_id, following, work)
        if not lane.share.started and not lane.waiting:
            del merchant.lanes[ticket.endpoint_id]
        if not merchant.lanes:
            del self._merchants[ticket.merchant_id]

    def close(self) -> None:
        """Start nothing more."""
        for merchant in self._merchants.values():
            for lane in merchant.lanes.values():
                lane.waiting.clear()

    def park_slow(self) -> None:
        """Park what waits behind slow requests. Called a few times a second."""
        if not self._may_park:
            return
        at = self._clock.monotonic()
        for merchant in self._merchants.values():
            for lane in merchant.lanes.values():
                if lane.share.is_slow(at) or merchant.share.is_slow(at) or lane.stands(at):
                    while lane.waiting:
                        self._park(lane.waiting.popleft()[0])

    def _next_in_line(self, merchant: _Merchant[Work]) -> str | None:
        """A lane with free slots waits only if its merchant's share is full; the endpoint served longest ago comes
        first."""
        return next((name for name, lane in merchant.lanes.items() if lane.waiting and not lane.share.is_full()), None)

    def _begin(self, merchant_id: str, endpoint_id: str, work: Work) -> None:
        self._tickets += 1
        merchant, at = self._merchants[merchant_id], self._clock.monotonic()
        merchant.share.started[self._tickets] = merchant.lanes[endpoint_id].share.started[self._tickets] = at
        self._start(work, Ticket(merchant_id, endpoint_id, self._tickets))
