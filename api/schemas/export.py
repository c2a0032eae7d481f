"""Payments as CSV (RFC 4180), safe to open in a spreadsheet.

A cell that begins like a formula gets an apostrophe in front: a payer chooses the VPA, and `=HYPERLINK(…)` in a
merchant's spreadsheet would run with the merchant's rights. So does a card's last four digits, or 0042 would become 42.
Amounts are there twice: in minor units, as everywhere, and as the decimal numbers that people add up.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from api.schemas.instant import rfc3339
from domain.currency import decimal_text
from domain.instrument import FORM_FIELDS, public_form
from domain.payment import Payment

COLUMNS = (
    "id", "order_id", "amount", "currency", "method", "status", "captured", "amount_refunded", "vpa", "card_network",
    "card_last4", "error_code", "error_description", "created_at", "updated_at",
    "amount_owed", "reversed", "bank", "amount_decimal", "amount_refunded_decimal",
)  # fmt: skip
DECIMAL = "_decimal"
TEXT_COLUMNS = frozenset({"card_last4"})
"""Digits that are not a number."""
INSTRUMENT_COLUMNS = frozenset(name for names in FORM_FIELDS.values() for name in names)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""The full-width forms count too: some spreadsheets take them for the same."""


def csv_head() -> bytes:
    return _lines([COLUMNS])


def csv_rows(payments: Iterable[Payment]) -> bytes:
    return _lines([_cell(name, _value(payment, name)) for name in COLUMNS] for payment in payments)


def _value(payment: Payment, name: str) -> object:
    """A field of the payment or of its instrument; None where its method has no such field."""
    if name in INSTRUMENT_COLUMNS:
        return public_form(payment.instrument).get(name)
    if name.endswith(DECIMAL):
        return Decimal(decimal_text(getattr(payment, name.removesuffix(DECIMAL)), payment.currency))
    return getattr(payment, name)


def _cell(name: str, value: object) -> str:
    match value:
        case str() if name in TEXT_COLUMNS:
            return f"'{value}"
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return rfc3339(value)
        case str():
            return harmless(value)
    return str(value)


def harmless(text: str) -> str:
    """The text, or the text behind an apostrophe where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text


def _lines(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
