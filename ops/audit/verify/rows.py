"""The rows that must exist, given a book: columns listed a second time, on purpose (the actor's list may be wrong).

Events of earlier versions lack later fields: `amount_owed`, `reversed` and the bank's `turn` are 0 or false there,
`next_action`, `cancellation` and an order's `expires_at` are null. `amount_captured` is null in the row as well.
Nothing was released or voided, orders were captured manually, and a payment had neither its payer's data nor its
order's reference.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import orjson

from ops.audit.verify.fold import Book, Part

ORDER = (
    "id", "merchant_id", "amount", "currency", "receipt", "notes", "status", "version", "last_event_at",
    "created_at", "updated_at", "expires_at", "capture", "capture_within_minutes", "link",
    "return_url",
)  # fmt: skip
PAYMENT = (
    "id", "order_id", "merchant_id", "amount", "currency", "method", "status", "captured", "amount_refunded", "vpa",
    "card_network", "card_last4", "error_code", "error_description", "token", "bank_reference", "deadline_at",
    "version", "created_at", "updated_at", "amount_owed", "reversed", "bank_turn", "next_action", "cancellation",
    "instrument", "amount_captured", "amount_released", "voided", "void_reason", "capture_before",
    "name", "email", "contact", "description", "receipt", "notes",
)  # fmt: skip
REFUND = (
    "id", "payment_id", "order_id", "merchant_id", "amount", "currency", "reason", "status", "automatic", "error_code",
    "error_description", "bank_reference", "deadline_at", "version", "created_at", "processed_at", "updated_at",
    "bank_turn", "receipt", "notes",
)  # fmt: skip
COLUMNS = {"orders": ORDER, "payments": PAYMENT, "refunds": REFUND}
INSTRUMENT_FIELDS = {"upi": ("vpa", "flow"), "card": ("card_last4", "card_network"), "netbanking": ("bank",)}
PERSONAL = ("name", "email", "contact", "description", "link")
Row = tuple[Any, ...]


def order_row(book: Book) -> Row:
    """Columns of ORDER. The row is rewritten when the order's status changes, not at every event below it."""
    order = book.order
    assert order is not None
    return (
        order["id"],
        order["merchant_id"],
        order["amount"],
        order["currency"],
        order["receipt"],
        orjson.dumps(order["notes"]).decode(),
        order["status"],
        book.order_version,
        _instant(book.order_changed_at),
        _instant(order["created_at"]),
        _instant(order["updated_at"]),
        _instant(order.get("expires_at")),
        order.get("capture", "manual"),
        order.get("capture_within_minutes"),
        _link(order.get("payment_link")),
        order.get("return_url"),
    )


def _link(link: dict[str, Any] | None) -> str | None:
    if link is None:
        return None
    flat = {"url": link["url"], "description": link["description"], **link["customer"], "resent": link["resent"]}
    return orjson.dumps(flat).decode()


def payment_row(part: Part) -> Row:
    """Columns of PAYMENT."""
    payment, bank = part.resource, part.bank
    return (
        payment["id"],
        payment["order_id"],
        payment["merchant_id"],
        payment["amount"],
        payment["currency"],
        payment["method"],
        payment["status"],
        payment["captured"],
        payment["amount_refunded"],
        payment.get("vpa"),
        payment.get("card_network"),
        payment.get("card_last4"),
        payment["error_code"],
        payment["error_description"],
        bank["token"],
        bank["reference"],
        _instant(bank["deadline_at"]),
        part.version,
        _instant(payment["created_at"]),
        _instant(payment["updated_at"]),
        payment.get("amount_owed", 0),
        payment.get("reversed", False),
        bank.get("turn", 0),
        _next_action(payment.get("next_action")),
        payment.get("cancellation"),
        _instrument(payment),
        payment.get("amount_captured"),
        payment.get("amount_released", 0),
        payment.get("voided", False),
        payment.get("void_reason"),
        _instant(payment.get("capture_before")),
        payment.get("name"),
        payment.get("email"),
        payment.get("contact"),
        payment.get("description"),
        payment.get("receipt"),
        orjson.dumps(payment.get("notes", {})).decode(),
    )


def _next_action(action: dict[str, Any] | None) -> str | None:
    """As PostgreSQL writes a jsonb object: shorter keys first."""
    if action is None:
        return None
    return json.dumps({name: action[name] for name in ("url", "type", "expires_at")}, ensure_ascii=False)


def _instrument(payment: dict[str, Any]) -> str:
    """As PostgreSQL writes a jsonb object: shorter keys first."""
    names = INSTRUMENT_FIELDS[payment["method"]]
    return json.dumps({name: payment[name] for name in names if name in payment}, ensure_ascii=False)


def refund_row(part: Part, order_id: str) -> Row:
    """Columns of REFUND."""
    refund, bank = part.resource, part.bank
    return (
        refund["id"],
        refund["payment_id"],
        order_id,
        refund["merchant_id"],
        refund["amount"],
        refund["currency"],
        refund["reason"],
        refund["status"],
        refund["automatic"],
        refund["error_code"],
        refund["error_description"],
        bank["reference"],
        _instant(bank["deadline_at"]),
        part.version,
        _instant(refund["created_at"]),
        _instant(refund["processed_at"]),
        _instant(refund["updated_at"]),
        bank.get("turn", 0),
        refund.get("receipt"),
        orjson.dumps(refund.get("notes", {})).decode(),
    )


def differing(columns: tuple[str, ...], stored: Row, expected: Row) -> str:
    """`status is 'FAILED', the events say 'SUCCESS'; …` Findings appear in logs, so they omit a payer's name."""
    return "; ".join(
        f"{name} is another than the events say"
        if name in PERSONAL
        else f"{name} is {_shown(found)}, the events say {_shown(rebuilt)}"
        for name, found, rebuilt in zip(columns, stored, expected, strict=True)
        if found != rebuilt
    )


def _shown(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(value)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
