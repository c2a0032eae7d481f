"""All rows that pass a filter, newest first, in chunks: memory stays the same however many there are.

Each portion is a short query of its own (keyset), not a cursor in one long transaction: that would hold back the
event feed, which shows nothing younger than the oldest transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from domain.order import Order
from domain.payment import Payment
from domain.refund import Refund
from store.keyset import Place

PORTION = 1_000
Resource = TypeVar("Resource", Order, Payment, Refund)


async def portions(
    page: Callable[[Place | None, int], Awaitable[list[Resource]]],
) -> AsyncIterator[list[Resource]]:
    """Lists of at most PORTION. `page`: the rows after a place, at most so many.

    Rows created in between are not included, changed ones occur once.
    """
    after: Place | None = None
    while True:
        found = await page(after, PORTION)
        if found:
            yield found
        if len(found) < PORTION:
            return
        after = Place(found[-1].created_at, found[-1].id)
