"""Refunds as the double shows them: with the requested speed, and their changed notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.refund import Refund
from store.driver import Pool, Row
from store.keyset import Conditions, planned
from store.razorpay.documents import packed, unpacked
from store.razorpay.slices import Slice
from store.rows import refund_of
from topics.razorpay.entities import RefundTerms

# razorpay_refunds_pkey
_SHOWN = """
SELECT f.*, s.receipt AS own_receipt, s.speed AS own_speed, s.notes AS own_notes
  FROM refunds f
  LEFT JOIN razorpay_refunds s ON s.refund_id = f.id
"""
# refunds_pkey
FIND = f"{_SHOWN} WHERE f.id = $1 AND f.merchant_id = $2"
_TERMS = "SELECT refund_id, receipt, speed, notes FROM razorpay_refunds WHERE refund_id = ANY($1::text[])"
# The row of a repeat with the same key already exists with the same content.
_INSERT = """
INSERT INTO razorpay_refunds (refund_id, merchant_id, receipt, speed, notes) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (refund_id) DO NOTHING
"""
_CHANGE_NOTES = """
INSERT INTO razorpay_refunds (refund_id, merchant_id, notes)
SELECT id, merchant_id, $3 FROM refunds WHERE id = $1 AND merchant_id = $2
    ON CONFLICT (refund_id) DO UPDATE SET notes = excluded.notes
RETURNING refund_id
"""


@dataclass(frozen=True, slots=True)
class ShownRefund:
    refund: Refund
    terms: RefundTerms


async def insert_refund_terms(pool: Pool, refund_id: str, merchant_id: str, terms: RefundTerms) -> None:
    await pool.execute(_INSERT, refund_id, merchant_id, terms.receipt, terms.speed, packed(terms.notes))


async def find_shown_refund(pool: Pool, refund_id: str, merchant_id: str) -> ShownRefund | None:
    row = await pool.fetchrow(FIND, refund_id, merchant_id)
    return None if row is None else _shown(row)


async def list_shown_refunds(
    pool: Pool, merchant_id: str, part: Slice, *, payment_id: str | None = None
) -> list[ShownRefund]:
    """Newest first (refunds_merchant_created, refunds_payment_id)."""
    conditions = Conditions()
    conditions.add("f.merchant_id = {}", merchant_id)
    conditions.add_given("f.payment_id = {}", payment_id)
    part.narrow(conditions, "f.created_at")
    async with planned(pool) as connection:
        rows = await connection.fetch(f"{_SHOWN} {conditions.sql} {part.newest_first('f')}", *conditions.parameters)
    return [_shown(row) for row in rows]


async def change_refund_notes(pool: Pool, refund_id: str, merchant_id: str, notes: Mapping[str, Any]) -> bool:
    """False if the merchant has no such refund."""
    return await pool.fetchval(_CHANGE_NOTES, refund_id, merchant_id, packed(notes)) is not None


async def refund_terms_of(pool: Pool, refund_ids: Sequence[str]) -> dict[str, RefundTerms]:
    """Refund id -> its terms, for webhooks; refunds that the double did not make are omitted."""
    rows = await pool.fetch(_TERMS, list(refund_ids))
    return {row["refund_id"]: RefundTerms(row["receipt"], row["speed"], unpacked(row["notes"])) for row in rows}


def _shown(row: Row) -> ShownRefund:
    terms = RefundTerms(row["own_receipt"], row["own_speed"] or "normal", unpacked(row["own_notes"]))
    return ShownRefund(refund_of(row), terms)
