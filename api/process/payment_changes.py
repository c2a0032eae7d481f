"""The safety net under the live updates: finds watched payments that changed in the database, with or without Redis.

One query every EVERY_SECONDS for all that is watched in the process, however many streams there are.
"""

from __future__ import annotations

import asyncio

from api.process.live import LiveUpdates
from runtime.logs import get_logger
from store.driver import Pool
from store.errors import DatabaseError
from store.payments import payment_versions
from store.redis.replies import payment_channel

log = get_logger("payment-changes")
EVERY_SECONDS = 2.0
IDS_MAX = 1_000
"""Payments in one query."""
PREFIX = payment_channel("")
LOOK = b"look"


class PaymentChanges:
    """Wakes the watchers of a payment when its version differs from the previous round's."""

    def __init__(self, pool: Pool, live: LiveUpdates) -> None:
        self._pool = pool
        self._live = live
        self._versions: dict[str, int] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self._round()
            except DatabaseError as error:
                log.warning("payments_not_checked", error=repr(error))

    async def _round(self) -> None:
        watched = [name.removeprefix(PREFIX) for name in self._live.channels if name.startswith(PREFIX)]
        found: dict[str, int] = {}
        for first in range(0, len(watched), IDS_MAX):
            found |= await payment_versions(self._pool, watched[first : first + IDS_MAX])
        for payment_id, version in found.items():
            if self._versions.get(payment_id) != version:
                self._live.hand_out(payment_channel(payment_id), LOOK)
        self._versions = found
