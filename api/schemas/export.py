"""Payments as CSV (RFC 4180), safe to open in a spreadsheet.

A cell that begins like a formula gets an apostrophe in front: a payer chooses the VPA, and `=HYPERLINK(…)` in a
merchant's spreadsheet would run with the merchant's rights.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import datetime

from api.schemas.instant import rfc3339
from domain.instrument import FORM_FIELDS, public_form
from domain.payment import Payment

COLUMNS = (
    "id", "order_id", "amount", "currency", "method", "status", "captured", "amount_refunded", "vpa", "card_network",
    "card_last4", "error_code", "error_description", "created_at", "updated_at",
    "amount_owed", "reversed", "bank",
)  # fmt: skip
INSTRUMENT_COLUMNS = frozenset(name for names in FORM_FIELDS.values() for name in names)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""The full-width forms count too: some spreadsheets take them for the same."""


def csv_head() -> bytes:
    return _lines([COLUMNS])


def csv_rows(payments: Iterable[Payment]) -> bytes:
    return _lines([_cell(_value(payment, name)) for name in COLUMNS] for payment in payments)


def _value(payment: Payment, name: str) -> object:
    """A field of the payment or of its instrument; None where its method has no such field."""
    if name in INSTRUMENT_COLUMNS:
        return public_form(payment.instrument).get(name)
    return getattr(payment, name)


def _cell(value: object) -> str:
    match value:
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
