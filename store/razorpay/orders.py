"""Orders as the double shows them: with the paid amount, the number of attempts, and its own terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.order import Order
from domain.resource import order_resource
from store.driver import Pool, Row
from store.keyset import Conditions, planned
from store.razorpay.documents import packed, payer_column, unpacked
from store.razorpay.slices import Slice
from store.rows import order_of
from topics.razorpay.entities import Entity, Payer, Totals
from topics.razorpay.webhooks import paid_order

# payments_order_id, razorpay_orders_pkey
_SHOWN = """
SELECT o.*, r.notes AS changed_notes, r.callback_url, t.attempts, t.paid
  FROM orders o
  LEFT JOIN razorpay_orders r ON r.order_id = o.id
 CROSS JOIN LATERAL (
       SELECT count(*) AS attempts,
              coalesce(sum(coalesce(p.amount_captured, p.amount)) FILTER (WHERE p.captured), 0)::bigint AS paid
         FROM payments p WHERE p.order_id = o.id) AS t
"""
# orders_pkey
FIND = f"{_SHOWN} WHERE o.id = $1 AND o.merchant_id = $2"
_TERMS = """
INSERT INTO razorpay_orders (order_id, merchant_id, captures, authorizes_late, captures_within_minutes, customer_id,
                             notes, callback_url, callback_key_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
# orders_pkey
_CHANGE_NOTES = """
INSERT INTO razorpay_orders (order_id, merchant_id, captures, notes)
SELECT id, merchant_id, false, $3 FROM orders WHERE id = $1 AND merchant_id = $2
    ON CONFLICT (order_id) DO UPDATE SET notes = excluded.notes
RETURNING order_id
"""
_OPENED = """
INSERT INTO razorpay_orders (order_id, merchant_id, captures, payer)
SELECT id, merchant_id, false, $3 FROM orders WHERE id = $1 AND merchant_id = $2
    ON CONFLICT (order_id) DO UPDATE SET payer = excluded.payer
RETURNING order_id
"""
# razorpay_orders_pkey
_LATE = "SELECT order_id FROM razorpay_orders WHERE order_id = ANY($1::text[]) AND authorizes_late"
# orders_pkey, razorpay_orders_pkey, payments_order_id
_PAID = """
SELECT o.*, r.notes AS changed_notes,
       (SELECT count(*) FROM payments p WHERE p.order_id = o.id AND p.created_at <= paid.at) AS attempts
  FROM unnest($1::text[], $2::timestamptz[]) AS paid (order_id, at)
  JOIN orders o ON o.id = paid.order_id
  LEFT JOIN razorpay_orders r ON r.order_id = o.id
"""
_AUTHORIZED = "EXISTS (SELECT FROM payments p WHERE p.order_id = o.id AND p.status = 'SUCCESS' AND NOT p.captured)"


@dataclass(frozen=True, slots=True)
class Terms:
    """The fields of the double's orders beyond our own. `authorizes_late`: its payments are shown as failed until the
    bank has responded. `captures_within_minutes`: its payment is captured automatically if it succeeds by then
    (captures.py). `notes`: where they hold more than texts. `callback_url`: where the payer of a link goes, signed with
    the secret of the key `callback_key_id`.
    """

    authorizes_late: bool = False
    captures_within_minutes: int | None = None
    customer_id: str | None = None
    notes: Mapping[str, Any] | None = None
    callback_url: str | None = None
    callback_key_id: str | None = None


@dataclass(frozen=True, slots=True)
class ShownOrder:
    """`notes` None: the order's own."""

    order: Order
    totals: Totals
    notes: Mapping[str, Any] | None
    callback_url: str | None = None


@dataclass(frozen=True, slots=True)
class OrderWishes:
    """Filters of the list; None: any."""

    receipt: str | None = None
    authorized: bool | None = None
    linked: bool = False
    """Only payment links."""


async def insert_terms(pool: Pool, order_id: str, merchant_id: str, terms: Terms) -> None:
    """Nothing is written for an order without extra fields."""
    if terms == Terms():
        return
    within = terms.captures_within_minutes
    await pool.execute(
        _TERMS, order_id, merchant_id, within is not None, terms.authorizes_late, within, terms.customer_id,
        packed(terms.notes), terms.callback_url, terms.callback_key_id,
    )  # fmt: skip


async def find_shown_order(pool: Pool, order_id: str, merchant_id: str) -> ShownOrder | None:
    row = await pool.fetchrow(FIND, order_id, merchant_id)
    return None if row is None else _shown(row)


async def list_shown_orders(pool: Pool, merchant_id: str, wishes: OrderWishes, part: Slice) -> list[ShownOrder]:
    """Newest first (orders_merchant_created, orders_links)."""
    conditions = Conditions()
    conditions.add("o.merchant_id = {}", merchant_id)
    conditions.add_given("o.receipt = {}", wishes.receipt)
    if wishes.linked:
        conditions.clauses.append("o.link IS NOT NULL")
    if wishes.authorized is not None:
        conditions.clauses.append(_AUTHORIZED if wishes.authorized else f"NOT {_AUTHORIZED}")
    part.narrow(conditions, "o.created_at")
    async with planned(pool) as connection:
        rows = await connection.fetch(f"{_SHOWN} {conditions.sql} {part.newest_first('o')}", *conditions.parameters)
    return [_shown(row) for row in rows]


async def change_order_notes(pool: Pool, order_id: str, merchant_id: str, notes: Mapping[str, Any]) -> bool:
    """False if the merchant has no such order."""
    return await pool.fetchval(_CHANGE_NOTES, order_id, merchant_id, packed(notes)) is not None


async def remember_opening(pool: Pool, order_id: str, merchant_id: str, payer: Payer, *, notes: bool) -> bool:
    """What a checkout was opened with: payments of the order that bring nothing of their own take it over.

    `notes`: the checkout brought some. False if the merchant has no such order.
    """
    details = unpacked(payer_column(payer)) or {}
    if notes:
        details["notes"] = dict(payer.notes)
    return await pool.fetchval(_OPENED, order_id, merchant_id, packed(details)) is not None


async def late_orders(pool: Pool, order_ids: Sequence[str]) -> set[str]:
    """Of these orders, the ones whose payments are authorized late."""
    return {row["order_id"] for row in await pool.fetch(_LATE, list(order_ids))}


async def paid_orders(pool: Pool, paid: Sequence[tuple[str, datetime]]) -> dict[str, Entity]:
    """Order id -> the order as the capture at that time left it."""
    order_ids, instants = [order_id for order_id, _ in paid], [at for _, at in paid]
    return {
        row["id"]: paid_order(order_resource(order_of(row)), row["attempts"], unpacked(row["changed_notes"]))
        for row in await pool.fetch(_PAID, order_ids, instants)
    }


def _shown(row: Row) -> ShownOrder:
    totals = Totals(row["attempts"], row["paid"])
    return ShownOrder(order_of(row), totals, unpacked(row["changed_notes"]), row["callback_url"])
