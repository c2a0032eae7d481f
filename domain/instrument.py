"""What a payer pays with: one closed type, a variant for each method.

Instrument = Upi(vpa) | UpiScan() | Card(network, last4) | Netbanking(bank)
public_form(instrument) ⇄ instrument_of(method, form)      in the form of the API, the log and the table

A variant holds what may be stored and shown. Beyond that the bank needs only its token. Code that treats methods
differently uses a `match` closed by `assert_never`, so mypy lists every place that a new variant affects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never


class Method(StrEnum):
    UPI = "upi"
    CARD = "card"
    NETBANKING = "netbanking"


RUPEES_ONLY = frozenset({Method.UPI, Method.NETBANKING})
"""India's own schemes move only rupees."""


def methods_for(currency: str) -> tuple[Method, ...]:
    """The methods that can pay an order in this currency (ISO 4217)."""
    return tuple(method for method in Method if currency == "INR" or method not in RUPEES_ONLY)


@dataclass(frozen=True, slots=True)
class Upi:
    """An address in the form `name@handle` (see domain/upi.py)."""

    vpa: str

    @property
    def method(self) -> Method:
        return Method.UPI


@dataclass(frozen=True, slots=True)
class UpiScan:
    """A payer who scans the payment's QR code or opens its link: no address is known in advance."""

    @property
    def method(self) -> Method:
        return Method.UPI


@dataclass(frozen=True, slots=True)
class Card:
    """The parts of a card that may be stored (see domain/card.py)."""

    network: str
    last4: str

    @property
    def method(self) -> Method:
        return Method.CARD


@dataclass(frozen=True, slots=True)
class Netbanking:
    """The payer's bank (see domain/netbanking.py), on whose page they decide."""

    bank: str

    @property
    def method(self) -> Method:
        return Method.NETBANKING


Instrument = Upi | UpiScan | Card | Netbanking
SCAN_FLOW = "qr"
"""`flow` of a scan; a payment with an address has no such field."""

FORM_FIELDS: dict[Method, tuple[str, ...]] = {
    Method.UPI: ("vpa", "flow"),
    Method.CARD: ("card_network", "card_last4"),
    Method.NETBANKING: ("bank",),
}
"""Names of each method's public fields; no two methods share one."""


def public_form(instrument: Instrument) -> dict[str, str]:
    """The instrument's fields of a payment. Their names are those of the API, and the keys of the stored JSON."""
    match instrument:
        case Upi():
            return {"vpa": instrument.vpa}
        case UpiScan():
            return {"flow": SCAN_FLOW}
        case Card():
            return {"card_network": instrument.network, "card_last4": instrument.last4}
        case Netbanking():
            return {"bank": instrument.bank}
    assert_never(instrument)


def instrument_of(method: Method, form: Mapping[str, object]) -> Instrument:
    """The instrument with these public fields; others are ignored. Raises KeyError or TypeError for another form."""
    match method:
        case Method.UPI:
            return UpiScan() if form.get("flow") == SCAN_FLOW else Upi(vpa=_text(form, "vpa"))
        case Method.CARD:
            return Card(network=_text(form, "card_network"), last4=_text(form, "card_last4"))
        case Method.NETBANKING:
            return Netbanking(bank=_text(form, "bank"))
    assert_never(method)


def _text(form: Mapping[str, object], name: str) -> str:
    value = form[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text")
    return value
