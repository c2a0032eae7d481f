"""Between rows and the domain's values: the columns of orders, payments and refunds, named once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from domain.instrument import Instrument, Method, instrument_of, public_form
from domain.order import Order, OrderStatus
from domain.payment import Payment, PaymentStatus
from domain.refund import Refund, RefundStatus
from store.driver import Row

ORDER_COLUMNS = (
    "id", "merchant_id", "amount", "currency", "receipt", "notes", "status", "version", "last_event_at",
    "created_at", "updated_at",
)  # fmt: skip
PAYMENT_COLUMNS = (
    "id", "order_id", "merchant_id", "amount", "currency", "method", "status", "captured", "amount_refunded", "vpa",
    "card_network", "card_last4", "error_code", "error_description", "token", "bank_reference", "deadline_at",
    "version", "created_at", "updated_at", "amount_owed", "reversed", "bank_turn", "instrument",
)  # fmt: skip
INSTRUMENT_COPIES = ("vpa", "card_network", "card_last4")
"""Columns that repeat a field of `instrument`; a CHECK keeps them equal."""
_PAYMENT_FIELDS = tuple(name for name in PAYMENT_COLUMNS if name not in ("method", "instrument", *INSTRUMENT_COPIES))
REFUND_COLUMNS = (
    "id", "payment_id", "order_id", "merchant_id", "amount", "currency", "reason", "status", "automatic", "error_code",
    "error_description", "bank_reference", "deadline_at", "version", "created_at", "processed_at", "updated_at",
    "bank_turn",
)  # fmt: skip


def order_of(row: Row) -> Order:
    """An order alone: its payments and refunds are left empty."""
    values = {name: row[name] for name in ORDER_COLUMNS}
    values["status"] = OrderStatus(values["status"])
    values["notes"] = orjson.loads(values["notes"])
    return Order(**values)


def payment_of(row: Row) -> Payment:
    values = {name: row[name] for name in _PAYMENT_FIELDS}
    values["status"] = PaymentStatus(values["status"])
    return Payment(**values, instrument=_instrument_of(row))


def _instrument_of(row: Row) -> Instrument:
    """Of a row that an earlier version wrote, the copies are all there is."""
    stored = row["instrument"]
    return instrument_of(Method(row["method"]), dict(row) if stored is None else orjson.loads(stored))


def refund_of(row: Row) -> Refund:
    values = {name: row[name] for name in REFUND_COLUMNS}
    values["status"] = RefundStatus(values["status"])
    return Refund(**values)


def order_row(order: Order) -> tuple[Any, ...]:
    """Values in the order of ORDER_COLUMNS."""
    return (
        order.id,
        order.merchant_id,
        order.amount,
        order.currency,
        order.receipt,
        orjson.dumps(order.notes).decode(),
        order.status,
        order.version,
        order.last_event_at,
        order.created_at,
        order.updated_at,
    )


def payment_row(payment: Payment) -> tuple[Any, ...]:
    """Values in the order of PAYMENT_COLUMNS."""
    form = public_form(payment.instrument)
    derived = {"instrument": orjson.dumps(form).decode(), **{name: form.get(name) for name in INSTRUMENT_COPIES}}
    return tuple(derived[name] if name in derived else getattr(payment, name) for name in PAYMENT_COLUMNS)


def refund_row(refund: Refund) -> tuple[Any, ...]:
    """Values in the order of REFUND_COLUMNS."""
    return tuple(getattr(refund, name) for name in REFUND_COLUMNS)


def assembled(order: Order, payments: Sequence[Payment], refunds: Sequence[Refund]) -> Order:
    """The order with what is below it; its version and last event time are the highest among all its rows."""
    version, last_event_at = order.version, order.last_event_at
    parts: list[Payment | Refund] = [*payments, *refunds]
    for part in parts:
        version = max(version, part.version)
        last_event_at = max(last_event_at, part.updated_at or part.created_at)
    return replace(
        order, version=version, last_event_at=last_event_at, payments=tuple(payments), refunds=tuple(refunds)
    )
