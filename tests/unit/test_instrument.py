"""The instrument: a closed type whose public form reads back, whatever stands beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from domain.evolution import evolve
from domain.instrument import (
    FORM_FIELDS,
    Card,
    Instrument,
    Method,
    Netbanking,
    Upi,
    UpiScan,
    instrument_of,
    public_form,
)
from domain.machine import decide
from domain.payment import Payment
from domain.resource import payment_resource
from tests.unit.orders import AT, create_order, pay
from topics.codec import command_envelope, command_of
from topics.envelope import UndecodableError, decode, encode

INSTRUMENTS: tuple[Instrument, ...] = (Upi("a@upi"), UpiScan(), Card("visa", "4242"), Netbanking("HDFC"))


def test_every_method_has_one_variant_and_is_in_these_tests() -> None:
    assert {type(one) for one in INSTRUMENTS} == set(get_args(Instrument))
    assert {one.method for one in INSTRUMENTS} == set(Method)
    fields: dict[Method, tuple[str, ...]] = {}
    for one in INSTRUMENTS:
        fields[one.method] = (*fields.get(one.method, ()), *public_form(one))
    assert fields == FORM_FIELDS


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda one: type(one).__name__)
def test_an_instrument_reads_back_from_its_public_form(instrument: Instrument) -> None:
    beside = {"id": "pay_1", "vpa": None, "card_network": None, "card_last4": None}
    assert instrument_of(instrument.method, beside | public_form(instrument)) == instrument


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda one: type(one).__name__)
def test_an_instrument_comes_through_the_log_into_the_payment(instrument: Instrument) -> None:
    command = replace(pay(), instrument=instrument)
    sent = command_envelope(command, command_id="cmd_1", at=AT, request_id=None)
    read = command_of(decode(encode(sent)))
    assert read == command
    order = evolve(None, decide(None, create_order(), AT).events[0])  # type: ignore[union-attr]
    payment = decide(order, read, AT).subject  # type: ignore[union-attr]
    assert isinstance(payment, Payment)
    resource = payment_resource(payment)
    assert resource["method"] == instrument.method
    assert {name: resource[name] for name in public_form(instrument)} == public_form(instrument)
    assert instrument_of(instrument.method, resource) == instrument


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize(
    "form",
    [
        {},
        {"bank": 1},
        {"bank": "HDFC", "vpa": "a@upi"},
        {"card_network": "visa"},
        {"vpa": 1, "card_last4": 4242},
        {"vpa": "a@upi", "card_network": "visa"},
        {"vpa": "a@upi", "flow": "qr"},
        {"flow": "collect"},
    ],
)
def test_a_command_with_another_form_is_undecodable(method: Method, form: dict[str, object]) -> None:
    sent = command_envelope(pay(), command_id="cmd_1", at=AT, request_id=None)
    broken = replace(sent, body=sent.body | {"method": method, "vpa": None} | form)
    with pytest.raises(UndecodableError):
        command_of(broken)
