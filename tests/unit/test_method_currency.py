"""Which method pays which currency."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.decision import Decision
from domain.instrument import Card, Instrument, Method, Upi, methods_for
from domain.machine import decide, evolve
from domain.order import Order
from domain.rejection import METHOD_UNAVAILABLE
from tests.unit.orders import AT, create_order, pay


def order_in(currency: str) -> Order:
    created = decide(None, create_order(currency=currency), AT)
    assert isinstance(created, Decision)
    order = None
    for event in created.events:
        order = evolve(order, event)
    assert order is not None
    return order


@pytest.mark.parametrize(
    ("currency", "instrument", "accepted"),
    [("INR", Upi("a@upi"), True), ("INR", Card("visa", "1111"), True),
     ("USD", Upi("a@upi"), False), ("USD", Card("visa", "1111"), True), ("JPY", Upi("a@upi"), False)],
)  # fmt: skip
def test_upi_pays_rupees_and_nothing_else(currency: str, instrument: Instrument, accepted: bool) -> None:
    decided = decide(order_in(currency), replace(pay(), instrument=instrument), AT)
    assert isinstance(decided, Decision) is accepted
    if not accepted:
        assert decided == METHOD_UNAVAILABLE and METHOD_UNAVAILABLE.field == "method"


def test_what_an_order_offers_is_what_the_rule_accepts() -> None:
    assert methods_for("INR") == tuple(Method)
    assert methods_for("USD") == (Method.CARD,)
