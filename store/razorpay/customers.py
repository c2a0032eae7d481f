"""Customers of the double: a name, an address and a number that orders may point at. Nothing else reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from store.driver import Pool, Row
from store.errors import DuplicateError
from store.keyset import Conditions
from store.razorpay.documents import packed, unpacked
from store.razorpay.slices import Slice

_COLUMNS = "c.id, c.name, c.email, c.contact, c.gstin, c.notes, c.created_at"
# razorpay_customers_one_each
_INSERT = f"""
INSERT INTO razorpay_customers AS c (id, merchant_id, name, email, contact, gstin, notes)
VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (merchant_id, email, contact) WHERE email IS NOT NULL OR contact IS NOT NULL DO NOTHING
RETURNING {_COLUMNS}
"""
_SAME = f"""
SELECT {_COLUMNS} FROM razorpay_customers c
 WHERE merchant_id = $1 AND email IS NOT DISTINCT FROM $2 AND contact IS NOT DISTINCT FROM $3
"""
# razorpay_customers_pkey
_FIND = f"SELECT {_COLUMNS} FROM razorpay_customers c WHERE id = $1 AND merchant_id = $2"
_CHANGE = f"""
UPDATE razorpay_customers AS c
   SET name = coalesce($3, c.name), email = coalesce($4, c.email), contact = coalesce($5, c.contact),
       gstin = coalesce($6, c.gstin), notes = coalesce($7, c.notes)
 WHERE c.id = $1 AND c.merchant_id = $2
RETURNING {_COLUMNS}
"""


class CustomerExistsError(ValueError):
    """Another customer of the merchant has this address and number."""


@dataclass(frozen=True, slots=True)
class Customer:
    id: str
    name: str | None
    email: str | None
    contact: str | None
    gstin: str | None
    notes: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CustomerFields:
    """A customer's fields in a request; None: absent."""

    name: str | None = None
    email: str | None = None
    contact: str | None = None
    gstin: str | None = None
    notes: Mapping[str, Any] | None = None


async def insert_customer(
    pool: Pool, customer_id: str, merchant_id: str, details: CustomerFields
) -> tuple[Customer, bool]:
    """(the customer, whether it is new): one with the same address and number is there already."""
    values = (details.name, details.email, details.contact, details.gstin, packed(details.notes or {}))
    row = await pool.fetchrow(_INSERT, customer_id, merchant_id, *values)
    if row is not None:
        return _customer(row), True
    return _customer(await pool.fetchrow(_SAME, merchant_id, details.email, details.contact)), False


async def find_customer(pool: Pool, customer_id: str, merchant_id: str) -> Customer | None:
    row = await pool.fetchrow(_FIND, customer_id, merchant_id)
    return None if row is None else _customer(row)


async def change_customer(pool: Pool, customer_id: str, merchant_id: str, details: CustomerFields) -> Customer | None:
    """None leaves a field unchanged. Raises CustomerExistsError."""
    values = (details.name, details.email, details.contact, details.gstin, packed(details.notes))
    try:
        row = await pool.fetchrow(_CHANGE, customer_id, merchant_id, *values)
    except DuplicateError as error:
        raise CustomerExistsError from error
    return None if row is None else _customer(row)


async def list_customers(pool: Pool, merchant_id: str, part: Slice) -> list[Customer]:
    """Newest first (razorpay_customers_merchant)."""
    conditions = Conditions()
    conditions.add("c.merchant_id = {}", merchant_id)
    part.narrow(conditions, "c.created_at")
    query = f"SELECT {_COLUMNS} FROM razorpay_customers c {conditions.sql} {part.newest_first('c')}"
    return [_customer(row) for row in await pool.fetch(query, *conditions.parameters)]


def _customer(row: Row | None) -> Customer:
    assert row is not None
    values = {one.name: row[one.name] for one in fields(Customer)}
    return Customer(**values | {"notes": unpacked(row["notes"]) or {}})
