"""Between rows and the domain's values. The columns of a table are the fields of its dataclass, defined only there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime
from operator import attrgetter
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import orjson

from domain.action import ActionType, NextAction, action_form
from domain.instrument import Instrument, Method, instrument_of, public_form
from domain.link import PaymentLink
from domain.order import CaptureMode, Order, OrderStatus
from domain.payment import Cancellation, Payment, PaymentStatus, VoidReason
from domain.refund import Refund, RefundStatus
from store.driver import Row
from topics.envelope import encode_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_SQL_TYPES: dict[object, str] = {
    int: "bigint",
    bool: "boolean",
    datetime: "timestamptz",
    Instrument: "jsonb",
    NextAction: "jsonb",
}
"""Of fields that are not text. An integer column of fewer bytes takes a bigint that fits, and refuses another."""


def column_names(table: type[DataclassInstance], *without: str) -> tuple[str, ...]:
    """The columns of a table whose rows are these dataclasses: its fields, in their order."""
    return tuple(field.name for field in fields(table) if field.name not in without)


def column_types(table: type[DataclassInstance]) -> dict[str, str]:
    """Column -> its type, for those that are not text; nullable ones have the type of their values."""
    found = {}
    for name, hint in get_type_hints(table).items():
        for one in (hint, *(kind for kind in get_args(hint) if kind is not NoneType)):
            if one in _SQL_TYPES:
                found[name] = _SQL_TYPES[one]
    return found


INSTRUMENT_COPIES = ("vpa", "card_network", "card_last4")
"""Columns that repeat a field of `instrument`; a CHECK keeps them equal."""
ORDER_COLUMNS = column_names(Order, "payments", "refunds")
PAYMENT_COLUMNS = (*column_names(Payment), "method", *INSTRUMENT_COPIES)
REFUND_COLUMNS = column_names(Refund)
_PAYMENT_FIELDS = column_names(Payment, "instrument", "next_action", "notes")
_order_fields, _refund_fields = attrgetter(*ORDER_COLUMNS), attrgetter(*REFUND_COLUMNS)
_payment_fields = attrgetter(*column_names(Payment))
_NOTES_OF_ORDER, _LINK_OF_ORDER = ORDER_COLUMNS.index("notes"), ORDER_COLUMNS.index("link")
_NOTES_OF_REFUND = REFUND_COLUMNS.index("notes")
_INSTRUMENT, _NEXT_ACTION, _NOTES = map(PAYMENT_COLUMNS.index, ("instrument", "next_action", "notes"))
"""The fields whose columns hold their JSON."""


def order_of(row: Row) -> Order:
    """An order alone: its payments and refunds are left empty."""
    values = {name: row[name] for name in ORDER_COLUMNS}
    values["status"] = OrderStatus(values["status"])
    values["capture"] = CaptureMode(values["capture"])
    values["notes"] = orjson.loads(values["notes"])
    values["link"] = None if values["link"] is None else PaymentLink(**orjson.loads(values["link"]))
    return Order(**values)


def payment_of(row: Row) -> Payment:
    values = {name: row[name] for name in _PAYMENT_FIELDS}
    values["status"] = PaymentStatus(values["status"])
    values["void_reason"] = None if values["void_reason"] is None else VoidReason(values["void_reason"])
    values["cancellation"] = None if values["cancellation"] is None else Cancellation(values["cancellation"])
    if values["amount_captured"] is None:  # written by an earlier version, which captured the whole payment
        values["amount_captured"] = values["amount"] if values["captured"] else 0
    return Payment(
        **values,
        instrument=_instrument_of(row),
        next_action=_next_action_of(row["next_action"]),
        notes=orjson.loads(row["notes"]),
    )


def _next_action_of(stored: str | None) -> NextAction | None:
    if stored is None:
        return None
    form = orjson.loads(stored)
    return NextAction(ActionType(form["type"]), form["url"], datetime.fromisoformat(form["expires_at"]))


def _instrument_of(row: Row) -> Instrument:
    """Of a row that an earlier version wrote, the copies are all there is."""
    stored = row["instrument"]
    return instrument_of(Method(row["method"]), dict(row) if stored is None else orjson.loads(stored))


def refund_of(row: Row) -> Refund:
    values = {name: row[name] for name in REFUND_COLUMNS}
    values["status"] = RefundStatus(values["status"])
    values["notes"] = orjson.loads(values["notes"])
    return Refund(**values)


def order_row(order: Order) -> tuple[Any, ...]:
    """Values in the order of ORDER_COLUMNS."""
    row = list(_order_fields(order))
    row[_NOTES_OF_ORDER] = orjson.dumps(order.notes).decode()
    row[_LINK_OF_ORDER] = None if order.link is None else orjson.dumps(order.link).decode()
    return tuple(row)


def payment_row(payment: Payment) -> tuple[Any, ...]:
    """Values in the order of PAYMENT_COLUMNS."""
    row, form = list(_payment_fields(payment)), public_form(payment.instrument)
    action = action_form(payment.next_action)
    row[_INSTRUMENT] = orjson.dumps(form).decode()
    row[_NEXT_ACTION] = None if action is None else encode_json(action).decode()
    row[_NOTES] = orjson.dumps(payment.notes).decode()
    return (*row, payment.instrument.method, *map(form.get, INSTRUMENT_COPIES))


def refund_row(refund: Refund) -> tuple[Any, ...]:
    """Values in the order of REFUND_COLUMNS."""
    row = list(_refund_fields(refund))
    row[_NOTES_OF_REFUND] = orjson.dumps(refund.notes).decode()
    return tuple(row)


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
