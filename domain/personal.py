"""Personal fields: a payer's data in the gateway, in one table. They are sealed before they reach the log.

    CreateOrder    receipt · notes · link (description, name, email, contact)
    CreatePayment  name · email · contact · description · notes · vpa, and the bank's token if it is the vpa
    CreateRefund   receipt · reason · notes                        and of Order, Payment, Refund the same

changed(value, text=…, notes=…) ─► the value with each of them changed     is_personal(value) ─► whether it has any

No rule reads any of them, so a decision is the same whether they are sealed, open or erased. A card's token is
meaningful only to the bank.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from domain.instrument import Upi
from domain.link import PaymentLink
from domain.order import CreateOrder, Order
from domain.payer import PAYER_FIELDS
from domain.payment import CreatePayment, Payment
from domain.purchase import PayNewOrder
from domain.refund import CreateRefund, Refund

Change = Callable[[str], str]
ChangeNotes = Callable[[dict[str, str]], dict[str, str]]
Value = TypeVar("Value")

TEXTS: Mapping[type, tuple[str, ...]] = {
    CreateOrder: ("receipt",),
    Order: ("receipt",),
    PaymentLink: PAYER_FIELDS,
    CreatePayment: PAYER_FIELDS,
    Payment: (*PAYER_FIELDS, "receipt"),
    CreateRefund: ("receipt", "reason"),
    Refund: ("receipt", "reason"),
}
"""Fields that are text or None."""
NOTES: frozenset[type] = frozenset({CreateOrder, Order, CreatePayment, Payment, CreateRefund, Refund})
"""Those with `notes`: the merchant chooses names and values, so both are personal."""
PARTS: Mapping[type, tuple[str, ...]] = {
    CreateOrder: ("link",),
    Order: ("link",),
    PayNewOrder: ("order", "payment"),
}
"""Fields that hold another value of this table, or None."""
PAID_BY_ADDRESS = frozenset({CreatePayment, Payment})


def changed(value: Value, *, text: Change, notes: ChangeNotes) -> Value:
    """The value with each non-empty personal field changed; the same value if there is none."""
    kind = type(value)
    new: dict[str, Any] = {}
    for name in TEXTS.get(kind, ()):
        if held := getattr(value, name):
            new[name] = text(held)
    if kind in NOTES and (held := getattr(value, "notes")):  # noqa: B009  # a field of some kinds only
        new["notes"] = notes(held)
    for name in PARTS.get(kind, ()):
        part = getattr(value, name)
        other = changed(part, text=text, notes=notes)
        if other is not part:
            new[name] = other
    if kind in PAID_BY_ADDRESS:
        new |= _address(value, text)
    return replace(value, **new) if new else value  # type: ignore[type-var]  # every kind of the table is a dataclass


def is_personal(value: object) -> bool:
    """Whether the value holds any personal data."""
    kind = type(value)
    return (
        any(getattr(value, name) for name in TEXTS.get(kind, ()))
        or (kind in NOTES and bool(getattr(value, "notes")))  # noqa: B009
        or any(is_personal(getattr(value, name)) for name in PARTS.get(kind, ()))
        or (kind in PAID_BY_ADDRESS and isinstance(getattr(value, "instrument"), Upi))  # noqa: B009
    )


def _address(value: Any, text: Change) -> dict[str, object]:
    """A UPI address is its own token (agents/bank): both are the payer's."""
    if not isinstance(value.instrument, Upi):
        return {}
    other = text(value.instrument.vpa)
    token = {"token": other} if value.token == value.instrument.vpa else {}
    return {"instrument": Upi(other), **token}
