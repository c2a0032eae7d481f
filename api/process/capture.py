"""A merchant's capture setting, for orders that do not set their own, cached for a moment.

A lookup costs one query in TTL_SECONDS for each merchant, not one for each order, and orders that arrive while it runs
share it. A change takes up to TTL_SECONDS to reach every process. Bounded.
"""

from __future__ import annotations

from collections import OrderedDict

from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.shared_reads import SharedReads
from store.accounts.merchants import CaptureTerms, find_capture_terms
from store.connections import through_restart
from store.driver import Pool

TTL_SECONDS = 2.0
MERCHANTS_MAX = 10_000


class CaptureCache:
    """Settings by merchant."""

    def __init__(self, pool: Pool, clock: Clock = SYSTEM_CLOCK) -> None:
        self._pool = pool
        self._clock = clock
        self._kept: OrderedDict[str, tuple[CaptureTerms, float]] = OrderedDict()
        self._reads: SharedReads[str, CaptureTerms] = SharedReads()

    async def find(self, merchant_id: str) -> CaptureTerms:
        """Raises the database's errors."""
        kept = self._kept.get(merchant_id)
        if kept is not None and kept[1] > self._clock.monotonic():
            return kept[0]
        return await self._reads.get(merchant_id, lambda: self._read(merchant_id))

    async def _read(self, merchant_id: str) -> CaptureTerms:
        found = await through_restart(lambda: find_capture_terms(self._pool, merchant_id))
        self._kept[merchant_id] = found, self._clock.monotonic() + TTL_SECONDS
        self._kept.move_to_end(merchant_id)
        while len(self._kept) > MERCHANTS_MAX:
            self._kept.popitem(last=False)
        return found
