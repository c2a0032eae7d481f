"""Every filter of the payment and order lists goes by keyset along a named index: plans on a big table, not times."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson
import pytest

from store.keyset import Conditions, Place
from store.orders import OrderFilter, order_conditions
from store.payments import PaymentFilter, payment_conditions
from tests.support.stack import Stack

MERCHANT_ID = "mrc_lists00000000000"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
BY_TIME = {"payments_merchant_created"}
BY_ORDER = {"payments_order_id", "payments_one_success_per_order"}

FILL = """
INSERT INTO payments (id, order_id, merchant_id, amount, currency, method, status, captured, amount_refunded, vpa,
                      error_code, token, deadline_at, version, created_at, name, email, contact, receipt)
SELECT 'pay_lists' || lpad(n::text, 11, '0'), 'order_lists' || lpad(n::text, 11, '0'),
       CASE WHEN n % 3 = 0 THEN $1 ELSE 'mrc_other' || n % 50 END, 100 + n, 'INR', 'upi',
       CASE WHEN n % 20 = 0 THEN 'FAILED' ELSE 'SUCCESS' END, false, 0, 'a' || n || '@upi',
       CASE WHEN n % 20 = 0 THEN 'UPI_DECLINED' END, '', $2, 4,
       $2::timestamptz - n * interval '1 minute', 'Payer ' || n, 'payer' || n || '@Example.com',
       '+9198' || lpad(n::text, 8, '0'), 'invoice_' || n
  FROM generate_series(1, 30000) n
"""
FILL_ORDERS = """
INSERT INTO orders (id, merchant_id, amount, currency, receipt, status, version, last_event_at, created_at, updated_at)
SELECT 'order_lists' || lpad(n::text, 11, '0'), CASE WHEN n % 3 = 0 THEN $1 ELSE 'mrc_other' || n % 50 END, 100 + n,
       'INR', 'invoice_' || n, CASE WHEN n % 20 = 0 THEN 'CREATED' ELSE 'PAID' END, 4, $2,
       $2::timestamptz - n * interval '1 minute', NULL
  FROM generate_series(1, 30000) n
"""


@pytest.fixture(scope="module")
async def filled(services: Stack) -> AsyncIterator[asyncpg.Connection]:
    """Rows that are gone with the transaction: no event speaks of them."""
    connection = await asyncpg.connect(services.database_url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(FILL, MERCHANT_ID, NOW)
    await connection.execute(FILL_ORDERS, MERCHANT_ID, NOW)
    await connection.execute("ANALYZE payments, orders")
    # 30,000 rows are few: reading all of them, or a merchant's in any order, can look cheaper than an index in order.
    await connection.execute("SET LOCAL enable_seqscan = off")
    await connection.execute("SET LOCAL enable_bitmapscan = off")
    yield connection
    await transaction.rollback()
    await connection.close()


@pytest.mark.parametrize(
    ("expected", "indexes"),
    [
        (PaymentFilter(), BY_TIME),
        (PaymentFilter(status="SUCCESS"), BY_TIME),
        (PaymentFilter(status="FAILED"), {"payments_merchant_failed", *BY_TIME}),
        (PaymentFilter(status="PROCESSING"), {"payments_undecided", *BY_TIME}),
        (PaymentFilter(method="card"), BY_TIME),
        (PaymentFilter(captured=True), {"payments_merchant_captured"}),
        (PaymentFilter(amount_min=500, amount_max=600), BY_TIME),
        (PaymentFilter(from_at=NOW - timedelta(days=9), to_at=NOW - timedelta(days=8)), BY_TIME),
        (PaymentFilter(captured=False), BY_TIME),
        (PaymentFilter(order_id="order_lists00000000077"), BY_ORDER),
    ],
    ids=lambda value: "|".join(sorted(value)) if isinstance(value, set) else str(value),
)
@pytest.mark.parametrize("after", [None, Place(NOW - timedelta(days=5), "pay_lists00000007200")], ids=["first", "next"])
async def test_a_page_reads_one_index_range_of_the_merchants_own(
    filled: asyncpg.Connection, expected: PaymentFilter, indexes: set[str], after: Place | None
) -> None:
    scans, sorts = _scans_of(await _plan(filled, expected, after))
    assert {scan.get("Index Name", scan["Node Type"]) for scan in scans} <= indexes
    for scan in scans:
        if scan["Index Name"].startswith("payments_merchant_"):
            assert "merchant_id" in scan["Index Cond"]
            assert not sorts, "the index gives the order"
            assert after is None or "ROW(created_at, id)" in scan["Index Cond"], "a later page begins at its place"


BY_TEXT = {"payments_pkey", "payments_payer", "payments_email", "payments_name", "payments_receipt", *BY_ORDER}


@pytest.mark.parametrize(
    ("text", "indexes"),
    [
        ("a78@upi", BY_TEXT),
        ("nobody@upi", BY_TEXT),
        ("4242", BY_TEXT),
        ("payer78@example.com", BY_TEXT),
        ("Payer 78", BY_TEXT),
        ("invoice_78", BY_TEXT),
        ("+919800000078", BY_TEXT | {"payments_contact"}),
        ("98000000", BY_TEXT | {"payments_contact"}),
        ("pay_lists00000000078", BY_TEXT | {"payments_merchant_failed"}),
        ("nothing", BY_TEXT | {"payments_merchant_failed"}),
    ],
)
async def test_each_way_to_match_a_text_has_its_index(filled: asyncpg.Connection, text: str, indexes: set[str]) -> None:
    await filled.execute("SET LOCAL enable_bitmapscan = on")
    try:
        scans, _ = _scans_of(await _plan(filled, PaymentFilter(text=text), None))
    finally:
        await filled.execute("SET LOCAL enable_bitmapscan = off")
    assert {scan.get("Index Name", scan["Node Type"]) for scan in scans} <= indexes


@pytest.mark.parametrize("text", ["a78@upi", "pay_lists00000000078", "nothing has this"])
async def test_a_text_is_expected_in_few_payments_also_where_none_names_its_payer(
    filled: asyncpg.Connection, text: str
) -> None:
    """An index without rows has no statistics: by the planner's guess, one payment in a hundred would match any text,
    and among a million that are many enough to read all of them in order of time."""
    undone = filled.transaction()
    await undone.start()
    try:
        await filled.execute("UPDATE payments SET name = NULL, email = NULL, contact = NULL")
        await filled.execute("ANALYZE payments")
        conditions = payment_conditions(MERCHANT_ID, PaymentFilter(text=text))
        query = f"EXPLAIN (FORMAT JSON) SELECT * FROM payments {conditions.sql}"
        plan = orjson.loads(await filled.fetchval(query, *conditions.parameters))[0]["Plan"]
        assert plan["Plan Rows"] < 20
    finally:
        await undone.rollback()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a78@upi", [78]),
        ("A78@", [78]),
        ("a2997", [2997, 29970, 29973, 29976, 29979]),
        ("78@upi", []),
        ("a_8@upi", []),
        ("%", []),
        ("pay_lists00000000078", [78]),
        ("order_lists00000000078", [78]),
        ("declined", [60, 120, 180]),
        ("UPI_DECL", [60, 120, 180]),
        ("UPI%DECL", []),
        ("PAYER78@e", [78]),
        ("payer 78", [78, 780, 783, 786, 789]),
        ("Payer_78", []),
        ("invoice_78", [78, 780, 783, 786, 789]),
        ("Invoice_78", []),
        ("+91 98 0000 0078", [78]),
        ("9800000078", [78]),
        ("919800000078", []),
    ],
)
async def test_a_text_is_found_in_the_documented_fields(
    filled: asyncpg.Connection, text: str, found: list[int]
) -> None:
    conditions = payment_conditions(MERCHANT_ID, PaymentFilter(text=text))
    rows = await filled.fetch(conditions.newest_first("payments", 5), *conditions.parameters)
    assert [row["id"] for row in rows][: len(found) or None] == [f"pay_lists{number:011d}" for number in found]


@pytest.mark.parametrize(
    ("expected", "index"),
    [
        (OrderFilter(), "orders_merchant_created"),
        (OrderFilter(paid=True), "orders_merchant_created"),
        (OrderFilter(paid=False), "orders_unpaid"),
        (OrderFilter(abandoned=True), "orders_unpaid"),
        (OrderFilter(abandoned=True, from_at=NOW - timedelta(days=9)), "orders_unpaid"),
        (OrderFilter(linked=True), "orders_links"),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "after", [None, Place(NOW - timedelta(days=5), "order_lists00000007200")], ids=["first", "next"]
)
async def test_a_page_of_orders_reads_one_index_range_of_the_merchants_own(
    filled: asyncpg.Connection, expected: OrderFilter, index: str, after: Place | None
) -> None:
    plan = await _plan_of(filled, "orders", order_conditions(MERCHANT_ID, expected), after)
    scans, sorts = _scans_of(plan)
    of_orders = [scan for scan in scans if scan["Relation Name"] == "orders"]
    assert [scan["Index Name"] for scan in of_orders] == [index]
    assert "merchant_id" in of_orders[0]["Index Cond"]
    assert not sorts, "the index gives the order"
    assert {scan["Index Name"] for scan in scans if scan["Relation Name"] == "payments"} <= BY_ORDER


async def _plan(connection: asyncpg.Connection, expected: PaymentFilter, after: Place | None) -> dict[str, Any]:
    return await _plan_of(connection, "payments", payment_conditions(MERCHANT_ID, expected), after)


async def _plan_of(
    connection: asyncpg.Connection, table: str, conditions: Conditions, after: Place | None
) -> dict[str, Any]:
    conditions.after(after)
    query = conditions.newest_first(table, 51)
    plan: dict[str, Any] = orjson.loads(
        await connection.fetchval("EXPLAIN (FORMAT JSON) " + query, *conditions.parameters)
    )[0]["Plan"]
    return plan


def _scans_of(plan: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """The parts of the plan that read a table or an index, and how many sorts there are."""
    children = plan.get("Plans", [])
    found = [] if children and "Index Name" not in plan else [plan]
    sorts = int("Sort" in plan["Node Type"])
    for child in children:
        scans, below = _scans_of(child)
        found += scans
        sorts += below
    return found, sorts
