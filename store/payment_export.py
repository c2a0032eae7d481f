"""All payments that pass a filter, newest first, a portion at a time: memory stays the same however many there are.

Each portion is a short query of its own (keyset), not a cursor in one long transaction: that would hold back the
event feed, which shows nothing younger than the oldest transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from domain.payment import Payment
from store.driver import Pool
from store.keyset import Place
from store.payments import PaymentFilter, list_payments

PORTION = 1_000


async def portions(pool: Pool, merchant_id: str, wanted: PaymentFilter) -> AsyncIterator[list[Payment]]:
    """Lists of at most PORTION payments. A payment made meanwhile is not in them, one that changes is there once."""
    after: Place | None = None
    while True:
        found = await list_payments(pool, merchant_id, wanted, after=after, limit=PORTION)
        if found:
            yield found
        if len(found) < PORTION:
            return
        after = Place(found[-1].created_at, found[-1].id)
