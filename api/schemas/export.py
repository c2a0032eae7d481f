"""Payments, orders and refunds as CSV (RFC 4180), safe to open in a spreadsheet.

A cell that begins like a formula gets an apostrophe in front: a payer chooses the VPA, and `=HYPERLINK(…)` in a
merchant's spreadsheet would run with the merchant's rights. So do digits that are not a number (a card's last four, a
telephone number, a reference such as 0042, 12E5 or 3-4), or 0042 would become 42. Amounts are there twice: in minor
units, as everywhere, and as the decimal numbers that people add up. New columns are added at the end.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from api.schemas.instant import rfc3339
from domain.currency import decimal_text
from domain.instrument import FORM_FIELDS, public_form
from domain.order import Order
from domain.payment import Payment
from domain.refund import Refund

Resource = Order | Payment | Refund


@dataclass(frozen=True, slots=True)
class Sheet:
    """A kind of file: its name, and its columns in order."""

    name: str
    columns: tuple[str, ...]


PAYMENTS = Sheet(
    "payments",
    (
        "id", "order_id", "amount", "currency", "method", "status", "captured", "amount_refunded", "vpa",
        "card_network", "card_last4", "error_code", "error_description", "created_at", "updated_at",
        "amount_owed", "reversed", "bank", "amount_decimal", "amount_refunded_decimal",
        "receipt", "name", "email", "contact", "description", "notes", "amount_captured", "amount_released", "voided",
    ),
)  # fmt: skip
ORDERS = Sheet(
    "orders",
    (
        "id", "amount", "amount_decimal", "currency", "receipt", "notes", "status", "amount_paid",
        "amount_paid_decimal", "capture", "capture_within_minutes", "expires_at", "created_at", "updated_at",
    ),
)  # fmt: skip
REFUNDS = Sheet(
    "refunds",
    (
        "id", "payment_id", "order_id", "amount", "amount_decimal", "currency", "receipt", "notes", "reason", "status",
        "automatic", "error_code", "error_description", "created_at", "processed_at", "updated_at",
    ),
)  # fmt: skip
DECIMAL = "_decimal"
TEXT_COLUMNS = frozenset({"card_last4", "contact"})
"""Digits that are not a number."""
NUMERIC = re.compile(r"[0-9][0-9.,:/%eE -]*")
"""What a spreadsheet may read as a number, a date or a time."""
KEPT_EXACTLY = re.compile(r"0|[1-9][0-9]{0,14}")
INSTRUMENT_COLUMNS = frozenset(name for names in FORM_FIELDS.values() for name in names)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""The full-width forms count too: some spreadsheets take them for the same."""


def csv_head(sheet: Sheet) -> bytes:
    return _lines([sheet.columns])


def csv_rows(sheet: Sheet, resources: Iterable[Resource]) -> bytes:
    return _lines([_cell(name, _value(one, name)) for name in sheet.columns] for one in resources)


def _value(resource: Resource, name: str) -> object:
    """A field of the resource or of its instrument; None if its method has no such field."""
    if name in INSTRUMENT_COLUMNS and isinstance(resource, Payment):
        return public_form(resource.instrument).get(name)
    if name.endswith(DECIMAL):
        return Decimal(decimal_text(getattr(resource, name.removesuffix(DECIMAL)), resource.currency))
    return getattr(resource, name)


def _cell(name: str, value: object) -> str:
    match value:
        case str() if name in TEXT_COLUMNS or _is_no_number(value):
            return f"'{value}"
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return rfc3339(value)
        case str():
            return harmless(value)
        case dict():
            return json.dumps(value, ensure_ascii=False) if value else ""
    return str(value)


def _is_no_number(text: str) -> bool:
    """True for what a spreadsheet would change: zeros in front and behind the point are dropped, the sixteenth digit is
    rounded, 12E5 becomes 1200000, and 3-4, 3/4 and 10:30 become a date or a time."""
    return NUMERIC.fullmatch(text) is not None and KEPT_EXACTLY.fullmatch(text) is None


def harmless(text: str) -> str:
    """The text, or the text behind an apostrophe where a spreadsheet would take it for a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) else text


def _lines(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
