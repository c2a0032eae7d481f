"""Payments, read for the API and the export. Only the payment actor writes them (store/actor.py)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.payer import normalized_contact
from domain.payment import Payment
from store.driver import Pool
from store.keyset import Conditions, Place, escaped, fetch_newest
from store.rows import payment_of

# payments_pkey
FIND = "SELECT * FROM payments WHERE id = $1"
VERSIONS = "SELECT id, version FROM payments WHERE id = ANY($1::text[])"


# payments_pkey, payments_order_id, payments_payer, payments_email, payments_name, payments_receipt, payments_contact
FOUND_BY = (
    "id = {0}", "order_id = {0}", "coalesce(lower(vpa), card_last4) LIKE {1}", "lower(email) LIKE {1}",
    "lower(name) LIKE {1}", "receipt LIKE {2}",
)  # fmt: skip
COUNTRY = "+91"
"""Users omit it when they type a number from a call list."""
CODE_PART = re.compile(r"[A-Za-z_]+")
"""A text that may be part of an error code."""


@dataclass(frozen=True, slots=True)
class PaymentFilter:
    """None: any. `text`: a whole id; how a VPA, a card's last digits, the order's receipt, or the payer's e-mail
    address, name or telephone number begin; a part of an error code."""

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


def payment_conditions(merchant_id: str, filters: PaymentFilter) -> Conditions:
    """WHERE clause and parameters of a merchant's payments that pass the filter."""
    conditions = Conditions()
    conditions.add("merchant_id = {}", merchant_id)
    conditions.add_given("status = {}", filters.status)
    conditions.add_given("method = {}", filters.method)
    conditions.add_given("order_id = {}", filters.order_id)
    conditions.add_given("created_at >= {}", filters.from_at)
    conditions.add_given("created_at < {}", filters.to_at)
    conditions.add_given("amount >= {}", filters.amount_min)
    conditions.add_given("amount <= {}", filters.amount_max)
    conditions.add_given("captured = {}", filters.captured)
    conditions.add_given("currency = {}", filters.currency)
    if filters.receipt is not None:
        # orders_receipt
        conditions.add(
            "order_id IN (SELECT id FROM orders WHERE merchant_id = {} AND receipt = {})", merchant_id, filters.receipt
        )
    if filters.text is not None:
        _add_text(conditions, filters.text)
    return conditions


async def find_payment(pool: Pool, payment_id: str) -> Payment | None:
    """The payment, of any merchant."""
    row = await pool.fetchrow(FIND, payment_id)
    return None if row is None else payment_of(row)


async def payment_versions(pool: Pool, payment_ids: Sequence[str]) -> dict[str, int]:
    """Payment id -> sequence of the last event that changed it."""
    return {row["id"]: row["version"] for row in await pool.fetch(VERSIONS, payment_ids)}


async def list_payments(
    pool: Pool, merchant_id: str, filters: PaymentFilter, *, after: Place | None, limit: int
) -> list[Payment]:
    """A merchant's payments, newest first (payments_merchant_created and what FOUND_BY names)."""
    conditions = payment_conditions(merchant_id, filters)
    conditions.after(after)
    rows = await fetch_newest(pool, "payments", conditions, limit)
    return [payment_of(row) for row in rows]


def _add_text(conditions: Conditions, text: str) -> None:
    """Each way to match has its own index, so that a text without a match ends the search at once."""
    values = [text, f"{escaped(text.lower())}%", f"{escaped(text)}%"]
    ways = [*FOUND_BY]
    if CODE_PART.fullmatch(text):
        ways.append("status = 'FAILED' AND error_code ILIKE {3}")
        values.append(f"%{escaped(text)}%")
    elif (number := normalized_contact(text)) is not None:
        ways += ["contact LIKE {3}", "contact LIKE {4}"]
        values += [f"{number}%", f"{COUNTRY}{number.removeprefix('+')}%"]
    conditions.add(f"({' OR '.join(ways)})", *values)
