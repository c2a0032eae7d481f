"""Which events of a partition were counted already, in bounded memory.

An event can be on the log twice (the actor crashed between commit and ack), or a thousand times (somebody rewound
a consumer group). Within an order, sequences tell. For an order that was dropped from memory, time tells: its events
are no younger than the youngest event ever dropped, and nothing new is that old.
"""

from __future__ import annotations

from collections import OrderedDict

ORDERS_MAX = 5_000
"""As many as a window of `WINDOW_RECORDS` holds: four events an order."""


class Seen:
    """The orders of one partition that were met last, with their highest counted sequence."""

    def __init__(self, orders_max: int = ORDERS_MAX) -> None:
        self._orders_max = orders_max
        self._orders: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self._dropped_at = ""

    def is_new(self, order_id: str, sequence: int, at: str) -> bool:
        """True the first time an event is read. `at` is RFC 3339 in UTC with a fixed number of digits: it sorts."""
        known = self._orders.get(order_id)
        if known is not None:
            if sequence <= known[0]:
                return False
        elif at <= self._dropped_at:
            return False
        self._orders[order_id] = (sequence, at)
        self._orders.move_to_end(order_id)
        if len(self._orders) > self._orders_max:
            _, (_, dropped_at) = self._orders.popitem(last=False)
            self._dropped_at = max(self._dropped_at, dropped_at)
        return True
