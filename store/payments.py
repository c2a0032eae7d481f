"""Payments, read for the API and the export. Written by the payment actor alone (store/actor.py)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.payment import Payment
from store.driver import Pool
from store.keyset import Conditions, Place, escaped, fetch_newest
from store.rows import payment_of

# payments_pkey
FIND = "SELECT * FROM payments WHERE id = $1"
VERSIONS = "SELECT id, version FROM payments WHERE id = ANY($1::text[])"


CODE_PART = re.compile(r"[A-Za-z_]+")
"""What may be a part of an error code."""


@dataclass(frozen=True, slots=True)
class PaymentFilter:
    """None: any. `text`: a whole id, how the payer's address or a card's last digits begin, a part of an error code."""

    status: str | None = None
    method: str | None = None
    order_id: str | None = None
    text: str | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None
    amount_min: int | None = None
    amount_max: int | None = None
    captured: bool | None = None
    currency: str | None = None
    receipt: str | None = None


def payment_conditions(merchant_id: str, wanted: PaymentFilter) -> Conditions:
    """WHERE clause and parameters of a merchant's payments that pass the filter."""
    conditions = Conditions()
    conditions.add("merchant_id = {}", merchant_id)
    conditions.add_given("status = {}", wanted.status)
    conditions.add_given("method = {}", wanted.method)
    conditions.add_given("order_id = {}", wanted.order_id)
    conditions.add_given("created_at >= {}", wanted.from_at)
    conditions.add_given("created_at < {}", wanted.to_at)
    conditions.add_given("amount >= {}", wanted.amount_min)
    conditions.add_given("amount <= {}", wanted.amount_max)
    conditions.add_given("captured = {}", wanted.captured)
    conditions.add_given("currency = {}", wanted.currency)
    if wanted.receipt is not None:
        # orders_receipt
        conditions.add(
            "order_id IN (SELECT id FROM orders WHERE merchant_id = {} AND receipt = {})", merchant_id, wanted.receipt
        )
    if wanted.text is not None:
        _add_text(conditions, wanted.text)
    return conditions


async def find_payment(pool: Pool, payment_id: str) -> Payment | None:
    """The payment, whoever's it is."""
    row = await pool.fetchrow(FIND, payment_id)
    return None if row is None else payment_of(row)


async def payment_versions(pool: Pool, payment_ids: Sequence[str]) -> dict[str, int]:
    """Payment id -> sequence of the last event that changed it."""
    return {row["id"]: row["version"] for row in await pool.fetch(VERSIONS, payment_ids)}


async def list_payments(
    pool: Pool, merchant_id: str, wanted: PaymentFilter, *, after: Place | None, limit: int
) -> list[Payment]:
    """A merchant's payments, newest first (payments_merchant_created and what 0010_payment_search.sql names)."""
    conditions = payment_conditions(merchant_id, wanted)
    conditions.after(after)
    rows = await fetch_newest(pool, "payments", conditions, limit)
    return [payment_of(row) for row in rows]


def _add_text(conditions: Conditions, text: str) -> None:
    """Each way to match has an index of its own, so that a text that nothing has is found missing at once."""
    begins = f"{escaped(text.lower())}%"
    found_by = "id = {0} OR order_id = {0} OR coalesce(lower(vpa), card_last4) LIKE {1}"
    if CODE_PART.fullmatch(text):
        conditions.add(
            f"({found_by} OR status = 'FAILED' AND error_code ILIKE {{2}})", text, begins, f"%{escaped(text)}%"
        )
    else:
        conditions.add(f"({found_by})", text, begins)
