"""Refunds, read for the API. Only the payment actor writes them (store/actor.py)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.refund import Refund
from store.driver import Pool
from store.keyset import Conditions, Place, fetch_newest
from store.rows import refund_of

# refunds_pkey
FIND = "SELECT * FROM refunds WHERE id = $1"


@dataclass(frozen=True, slots=True)
class RefundFilter:
    """None: any."""

    payment_id: str | None = None
    status: str | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None
    currency: str | None = None


async def find_refund(pool: Pool, refund_id: str) -> Refund | None:
    """The refund, of any merchant."""
    row = await pool.fetchrow(FIND, refund_id)
    return None if row is None else refund_of(row)


async def list_refunds(
    pool: Pool, merchant_id: str, filters: RefundFilter, *, after: Place | None, limit: int
) -> list[Refund]:
    """A merchant's refunds, newest first (refunds_merchant_created, refunds_payment_id)."""
    conditions = Conditions()
    conditions.add("merchant_id = {}", merchant_id)
    conditions.add_given("payment_id = {}", filters.payment_id)
    conditions.add_given("status = {}", filters.status)
    conditions.add_given("currency = {}", filters.currency)
    conditions.add_given("created_at >= {}", filters.from_at)
    conditions.add_given("created_at < {}", filters.to_at)
    conditions.after(after)
    rows = await fetch_newest(pool, "refunds", conditions, limit)
    return [refund_of(row) for row in rows]
