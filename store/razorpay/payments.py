"""Payments as the double shows them: with their payer, whose data may be the payment's own or its checkout's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.payment import Payment
from store.driver import Pool, Row
from store.keyset import Conditions, planned
from store.razorpay.documents import packed, payer_column, payer_of, unpacked
from store.razorpay.slices import Slice
from store.rows import payment_of
from topics.razorpay.entities import Payer

# What the double keeps of a payment, else of the checkout that was opened for its order. Notes: as they were changed,
# else the payment's own, which are not the order's, else the checkout's, else the order's. orders_pkey,
# razorpay_payments_pkey, razorpay_orders_pkey
_SHOWN = """
SELECT p.*, coalesce(s.payer, r.payer) AS payer, coalesce(r.authorizes_late, false) AS authorizes_late,
       coalesce(s.notes, CASE WHEN p.notes NOT IN ('{}', o.notes) THEN p.notes::jsonb END,
                r.payer -> 'notes', r.notes, o.notes::jsonb) AS payer_notes
  FROM payments p
  JOIN orders o ON o.id = p.order_id
  LEFT JOIN razorpay_payments s ON s.payment_id = p.id
  LEFT JOIN razorpay_orders r ON r.order_id = p.order_id
"""
# payments_pkey
FIND = f"{_SHOWN} WHERE p.id = $1 AND p.merchant_id = $2"
# payments_order_id
OF_ORDER = f"{_SHOWN} WHERE p.order_id = $1 AND p.merchant_id = $2 ORDER BY p.created_at DESC, p.id DESC LIMIT 100"
OF_ORDERS = f"{_SHOWN} WHERE p.order_id = ANY($1::text[]) ORDER BY p.created_at DESC, p.id DESC LIMIT 1000"
_PAYERS = f"SELECT shown.id, shown.payer, shown.payer_notes FROM ({_SHOWN} WHERE p.id = ANY($1::text[])) AS shown"
_INSERT = "INSERT INTO razorpay_payments (payment_id, merchant_id, payer, notes) VALUES ($1, $2, $3, $4)"
_CHANGE_NOTES = """
INSERT INTO razorpay_payments (payment_id, merchant_id, notes)
SELECT id, merchant_id, $3 FROM payments WHERE id = $1 AND merchant_id = $2
    ON CONFLICT (payment_id) DO UPDATE SET notes = excluded.notes
RETURNING payment_id
"""


@dataclass(frozen=True, slots=True)
class ShownPayment:
    """`authorizes_late`: until the bank has answered it is shown as failed."""

    payment: Payment
    payer: Payer
    authorizes_late: bool = False


async def insert_payer(pool: Pool, payment_id: str, merchant_id: str, payer: Payer, *, notes: bool) -> None:
    """`notes`: the payment brings its own."""
    await pool.execute(_INSERT, payment_id, merchant_id, payer_column(payer), packed(payer.notes) if notes else None)


async def find_shown_payment(pool: Pool, payment_id: str, merchant_id: str) -> ShownPayment | None:
    row = await pool.fetchrow(FIND, payment_id, merchant_id)
    return None if row is None else _shown(row)


async def payments_of_order(pool: Pool, order_id: str, merchant_id: str) -> list[ShownPayment]:
    """Newest first, at most 100."""
    return [_shown(row) for row in await pool.fetch(OF_ORDER, order_id, merchant_id)]


async def payments_of_orders(pool: Pool, order_ids: Sequence[str]) -> dict[str, list[ShownPayment]]:
    """Order id -> its payments, newest first; each of the orders has an entry."""
    found: dict[str, list[ShownPayment]] = {order_id: [] for order_id in order_ids}
    for row in await pool.fetch(OF_ORDERS, list(order_ids)):
        found[row["order_id"]].append(_shown(row))
    return found


async def list_shown_payments(pool: Pool, merchant_id: str, part: Slice) -> list[ShownPayment]:
    """Newest first (payments_merchant_created)."""
    conditions = Conditions()
    conditions.add("p.merchant_id = {}", merchant_id)
    part.narrow(conditions, "p.created_at")
    async with planned(pool) as connection:
        rows = await connection.fetch(f"{_SHOWN} {conditions.sql} {part.newest_first('p')}", *conditions.parameters)
    return [_shown(row) for row in rows]


async def change_payment_notes(pool: Pool, payment_id: str, merchant_id: str, notes: Mapping[str, Any]) -> bool:
    """False if the merchant has no such payment."""
    return await pool.fetchval(_CHANGE_NOTES, payment_id, merchant_id, packed(notes)) is not None


async def payers_of(pool: Pool, payment_ids: Sequence[str]) -> dict[str, Payer]:
    """Payment id -> its payer, for webhooks."""
    rows = await pool.fetch(_PAYERS, list(payment_ids))
    return {row["id"]: payer_of(row["payer"], unpacked(row["payer_notes"]) or {}) for row in rows}


def _shown(row: Row) -> ShownPayment:
    payer = payer_of(row["payer"], unpacked(row["payer_notes"]) or {})
    return ShownPayment(payment_of(row), payer, row["authorizes_late"])
