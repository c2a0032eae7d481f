"""Orders, read for the API. Only the payment actor writes them (store/actor.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.order import Order
from domain.payment import Payment
from store.driver import Pool
from store.keyset import Conditions, Place, escaped, fetch_newest
from store.rows import assembled, order_of, payment_of, refund_of

# orders_pkey
FIND = "SELECT * FROM orders WHERE id = $1"
ALL_FAILED = "(SELECT bool_and(status = 'FAILED') FROM payments WHERE order_id = orders.id)"
"""Of an order without payments it is NULL."""
# payments_order_id, refunds_order_id
PAYMENTS = "SELECT * FROM payments WHERE order_id = $1 ORDER BY created_at, id"
REFUNDS = "SELECT * FROM refunds WHERE order_id = $1 ORDER BY created_at, id"
# payments_order_id
ATTEMPTS = "SELECT order_id, count(*) AS attempts FROM payments WHERE order_id = ANY($1::text[]) GROUP BY order_id"
LATEST_PAYMENT = "SELECT * FROM payments WHERE order_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """None: any. `text`: a whole id, or how a receipt begins.

    `abandoned`: not paid, with payments that all failed; `linked`: only payment links.
    """

    status: str | None = None
    receipt: str | None = None
    text: str | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None
    paid: bool | None = None
    abandoned: bool = False
    linked: bool = False
    currency: str | None = None


async def find_order(pool: Pool, order_id: str) -> Order | None:
    """The order alone, of any merchant."""
    row = await pool.fetchrow(FIND, order_id)
    return None if row is None else order_of(row)


async def find_whole_order(pool: Pool, order_id: str) -> Order | None:
    """The order with its payments and refunds: what a command is decided on."""
    async with pool.acquire() as connection:
        order = await connection.fetchrow(FIND, order_id)
        if order is None:
            return None
        payments = [payment_of(row) for row in await connection.fetch(PAYMENTS, order_id)]
        refunds = [refund_of(row) for row in await connection.fetch(REFUNDS, order_id)]
    return assembled(order_of(order), payments, refunds)


async def latest_payment(pool: Pool, order_id: str) -> Payment | None:
    row = await pool.fetchrow(LATEST_PAYMENT, order_id)
    return None if row is None else payment_of(row)


async def count_attempts(pool: Pool, order_ids: Sequence[str]) -> dict[str, int]:
    """Order -> how many payments of it have begun; every given order is there."""
    counted = {row["order_id"]: row["attempts"] for row in await pool.fetch(ATTEMPTS, order_ids)}
    return {order_id: counted.get(order_id, 0) for order_id in order_ids}


def order_conditions(merchant_id: str, filters: OrderFilter) -> Conditions:
    """orders_merchant_created, orders_unpaid, orders_receipt, orders_links, orders_pkey"""
    conditions = Conditions()
    conditions.add("merchant_id = {}", merchant_id)
    conditions.add_given("status = {}", filters.status)
    conditions.add_given("receipt = {}", filters.receipt)
    conditions.add_given("currency = {}", filters.currency)
    if filters.text is not None:
        conditions.add("(id = {} OR receipt LIKE {})", filters.text, f"{escaped(filters.text)}%")
    if filters.linked:
        conditions.clauses.append("link IS NOT NULL")
    conditions.add_given("created_at >= {}", filters.from_at)
    conditions.add_given("created_at < {}", filters.to_at)
    if filters.paid is not None:
        conditions.add("status = 'PAID'" if filters.paid else "status <> 'PAID'")
    if filters.abandoned:
        conditions.add(f"status <> 'PAID' AND {ALL_FAILED}")
    return conditions


async def list_orders(
    pool: Pool, merchant_id: str, filters: OrderFilter, *, after: Place | None, limit: int
) -> list[Order]:
    """A merchant's orders, each alone, newest first."""
    conditions = order_conditions(merchant_id, filters)
    conditions.after(after)
    return [order_of(row) for row in await fetch_newest(pool, "orders", conditions, limit)]
