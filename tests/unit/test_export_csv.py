"""Payments, orders and refunds as CSV: every field in its column, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.schemas.export import FORMULA_STARTS, ORDERS, PAYMENTS, REFUNDS, csv_head, csv_rows, harmless
from domain.instrument import Card, Instrument, Upi
from domain.payment import CreatePayment, Payment, PaymentStatus
from tests.unit.orders import FIRST, ORDER, REFUND, after, create_order, pay, refund, settle

CREATED_AT = datetime(2026, 3, 1, 12, 30, 15, 0, UTC)


def payment(
    *,
    vpa: str = "success@upi",
    error_description: str | None = None,
    instrument: Instrument | None = None,
    currency: str = "INR",
) -> Payment:
    return Payment(
        id="pay_0Xk3bR1aZpQ8wEsD",
        order_id="order_0Xk3bQ9sLmT2vRcY",
        merchant_id="test_merchant",
        amount=50_000,
        currency=currency,
        instrument=instrument or Upi(vpa),
        status=PaymentStatus.SUCCESS,
        captured=True,
        amount_refunded=100,
        error_code=None,
        error_description=error_description,
        token="never exported",
        bank_reference="never exported",
        deadline_at=CREATED_AT,
        version=3,
        created_at=CREATED_AT,
        updated_at=None,
    )


def parsed(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode(), newline="")))


def test_each_field_is_under_its_name() -> None:
    head, row = parsed(csv_head(PAYMENTS) + csv_rows(PAYMENTS, [payment()]))
    named = dict(zip(head, row, strict=True))
    assert head == list(PAYMENTS.columns)
    assert named["amount"] == "50000"
    assert (named["captured"], named["status"], named["method"]) == ("true", "SUCCESS", "upi")
    assert (named["created_at"], named["updated_at"]) == ("2026-03-01T12:30:15.000000Z", "")
    assert "never exported" not in row


def test_the_last_digits_of_a_card_stay_text_in_a_spreadsheet() -> None:
    (row,) = parsed(csv_rows(PAYMENTS, [payment(instrument=Card("visa", "0042"))]))
    assert row[PAYMENTS.columns.index("card_last4")] == "'0042"


@pytest.mark.parametrize(
    ("currency", "amount", "refunded"),
    [("INR", "500.00", "1.00"), ("JPY", "50000", "100"), ("KWD", "50.000", "0.100")],
)
def test_amounts_stand_there_as_numbers_of_their_currency_too(currency: str, amount: str, refunded: str) -> None:
    (row,) = parsed(csv_rows(PAYMENTS, [payment(currency=currency)]))
    named = dict(zip(PAYMENTS.columns, row, strict=True))
    assert (named["amount"], named["amount_decimal"]) == ("50000", amount)
    assert named["amount_refunded_decimal"] == refunded


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1@upi", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"])
def test_a_formula_is_disarmed(text: str) -> None:
    (row,) = parsed(csv_rows(PAYMENTS, [payment(vpa=text)]))
    assert row[PAYMENTS.columns.index("vpa")] == f"'{text}"


def test_the_payers_columns_follow_the_earlier_ones() -> None:
    received = replace(
        payment(), name="Asha, Rao", email="asha@example.com", contact="+919876543210", receipt="0042", notes={"a": "é"}
    )
    (row,) = parsed(csv_rows(PAYMENTS, [received]))
    named = dict(zip(PAYMENTS.columns, row, strict=True))
    assert (named["name"], named["email"], named["description"]) == ("Asha, Rao", "asha@example.com", "")
    assert (named["contact"], named["receipt"], named["notes"]) == ("'+919876543210", "'0042", '{"a": "é"}')
    assert PAYMENTS.columns[:3] == ("id", "order_id", "amount") and PAYMENTS.columns[19] == "amount_refunded_decimal"


@pytest.mark.parametrize(
    ("receipt", "cell"),
    [
        ("42", "42"),
        ("0", "0"),
        ("007", "'007"),
        ("1" * 15, "1" * 15),
        ("1" * 16, "'" + "1" * 16),
        ("0x1", "0x1"),
        ("12E5", "'12E5"),
        ("1e-3", "'1e-3"),
        ("3-4", "'3-4"),
        ("03/04/2026", "'03/04/2026"),
        ("2026-04", "'2026-04"),
        ("1.10", "'1.10"),
        ("10:30", "'10:30"),
        ("INV-3-4", "INV-3-4"),
        ("3 tickets", "3 tickets"),
        ("4a", "4a"),
    ],
)
def test_a_reference_that_is_not_a_number_stays_text(receipt: str, cell: str) -> None:
    (row,) = parsed(csv_rows(PAYMENTS, [replace(payment(), receipt=receipt)]))
    assert row[PAYMENTS.columns.index("receipt")] == cell


def test_orders_and_refunds_have_their_fields_under_their_names() -> None:
    order = after(
        create_order(currency="KWD"), pay_by_card(), settle(), refund(500, receipt="r-7", notes={"why": "torn"})
    )
    assert order is not None
    (shown,) = parsed(csv_rows(ORDERS, [order]))
    named = dict(zip(ORDERS.columns, shown, strict=True))
    assert (named["id"], named["amount"], named["amount_decimal"], named["status"]) == (
        ORDER,
        "50000",
        "50.000",
        "PAID",
    )
    assert (named["amount_paid_decimal"], named["notes"], named["expires_at"]) == ("50.000", "", "")
    (shown,) = parsed(csv_rows(REFUNDS, list(order.refunds)))
    named = dict(zip(REFUNDS.columns, shown, strict=True))
    assert (named["id"], named["payment_id"], named["order_id"]) == (REFUND, FIRST, ORDER)
    assert (named["amount_decimal"], named["receipt"], named["notes"]) == ("0.500", "r-7", '{"why": "torn"}')


def pay_by_card() -> CreatePayment:
    return replace(pay(), instrument=Card("visa", "0042"))


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_any_text_comes_back_as_it_was_and_never_begins_like_a_formula(text: str) -> None:
    (row,) = parsed(csv_rows(PAYMENTS, [payment(error_description=text)]))
    cell = row[PAYMENTS.columns.index("error_description")]
    assert cell.removeprefix("'") == text.removeprefix("'")
    assert not cell.lstrip(" ").startswith(FORMULA_STARTS)
    assert harmless(cell) == cell
