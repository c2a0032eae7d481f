"""The table of personal fields: complete, and without effect on any decision."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from typing import get_type_hints

import orjson
import pytest

from domain.decision import Command, Decision
from domain.instrument import Card, Netbanking, Upi
from domain.link import PaymentLink
from domain.machine import decide, evolve
from domain.order import CreateOrder, Order
from domain.payment import CreatePayment, Payment
from domain.personal import NOTES, PARTS, TEXTS, changed, is_personal
from domain.purchase import PayNewOrder
from domain.refund import CreateRefund, Refund
from ops.audit.verify.erasures import readable
from runtime.order_keys import MARK, key_below, opened, path_of
from tests.unit.orders import AT, ORDER, create_order, pay, refund, settle, settle_refund
from topics.codec import command_envelope, command_of, encode_event
from topics.envelope import SEALED_VERSION, decode, encode

KEY = key_below(bytes(32), path_of(ORDER), ORDER)
PAYER = {"name": "marker name", "email": "marker@example.com", "contact": "+910000000000", "description": "marker tea"}
LINK = PaymentLink("http://localhost/link", **PAYER)
MERCHANTS = replace(create_order(), receipt="marker receipt", notes={"marker": "note"}, link=LINK)
PAID = replace(pay(**PAYER), instrument=Upi("marker@upi"), token="marker@upi", notes={"marker": "of the payment"})
RETURNED = replace(refund(), receipt="marker back", reason="marker reason", notes={"marker": "why"})
HISTORY: tuple[Command, ...] = (MERCHANTS, PAID, settle(), RETURNED, settle_refund())
NOT_PERSONAL = {
    CreateOrder: {"order_id", "merchant_id", "currency", "return_url"},
    Order: {"id", "merchant_id", "currency", "return_url"},
    PaymentLink: {"url"},
    CreatePayment: {"order_id", "payment_id", "merchant_id", "currency", "token"},
    Payment: {
        "id", "order_id", "merchant_id", "currency", "token", "error_code", "error_description", "bank_reference",
    },
    CreateRefund: {"order_id", "payment_id", "refund_id", "merchant_id"},
    Refund: {
        "id", "payment_id", "order_id", "merchant_id", "currency", "error_code", "error_description", "bank_reference",
    },
}  # fmt: skip
"""Texts that say nothing about a payer; a UPI payment's token is sealed with its instrument."""


def sealed(command: Command) -> Command:
    return changed(command, text=KEY.seal, notes=KEY.seal_notes)


def decided(history: tuple[Command, ...]) -> list[bytes]:
    order: Order | None = None
    values = []
    for number, command in enumerate(history):
        decision = decide(order, command, AT + timedelta(seconds=number, microseconds=1))
        assert isinstance(decision, Decision)
        for event in decision.events:
            order = evolve(order, event)
            values.append(encode_event(event, caused_by=f"cmd_{number}", request_id=None))
    return values


@pytest.mark.parametrize("kind", TEXTS)
def test_every_text_is_personal_or_known_not_to_be(kind: type) -> None:
    types = get_type_hints(kind)
    texts = {field.name for field in fields(kind) if types[field.name] in (str, str | None)}
    assert texts == set(TEXTS[kind]) | NOT_PERSONAL[kind]
    assert ("notes" in types) == (kind in NOTES)
    assert all(name in types for name in PARTS.get(kind, ()))


def test_no_marker_is_left_in_any_command_or_event_and_the_decisions_are_the_same() -> None:
    plain, hidden = decided(HISTORY), decided(tuple(map(sealed, HISTORY)))
    assert len(plain) == len(hidden)
    for before, after in zip(plain, hidden, strict=True):
        assert b"marker" not in after
        again = opened(after, {ORDER: KEY})
        assert again == before.replace(b'"v":1,', b'"v":%d,' % SEALED_VERSION)


@pytest.mark.parametrize("only", [*(name for names in TEXTS.values() for name in names), "vpa", "notes"])
def test_the_audit_of_an_erased_order_finds_every_field_that_is_left_readable(only: str) -> None:
    def seal_others(command: Command) -> Command:
        hidden = sealed(command)
        if only == "vpa" and isinstance(command, CreatePayment):
            assert isinstance(hidden, CreatePayment)
            return replace(hidden, instrument=command.instrument, token=command.token)
        if not hasattr(command, only):
            return hidden
        return replace(hidden, **{only: getattr(command, only)})

    assert not any(_readable(event) for event in decided(tuple(map(sealed, HISTORY))))
    shown = {"receipt", "reference"} if only == "receipt" else {only}  # a link's reference is its order's receipt
    assert shown == {name for event in decided(tuple(map(seal_others, HISTORY))) for name in _readable(event)}


def test_the_audit_of_an_erased_order_looks_into_its_link_and_not_at_reasons_of_ours() -> None:
    event = decided((replace(create_order(), receipt=None, notes={}, link=LINK),))[0]
    assert set(_readable(event)) == {"name", "email", "contact", "description"}
    assert list(readable({"refund": {"reason": "The order was paid twice", "automatic": True}})) == []


def _readable(event: bytes) -> list[str]:
    return list(readable(orjson.loads(event)["body"]))


@pytest.mark.parametrize("command", [MERCHANTS, PAID, RETURNED, PayNewOrder(MERCHANTS, PAID)])
def test_a_sealed_command_is_read_as_it_was_written(command: Command) -> None:
    hidden = sealed(command)
    value = encode(command_envelope(hidden, command_id="cmd_1", at=AT, request_id=None))
    assert b"marker" not in value
    envelope = decode(value)
    assert envelope.version == SEALED_VERSION
    assert command_of(envelope) == hidden
    assert changed(hidden, text=KEY.seal, notes=KEY.seal_notes) == hidden


def test_the_largest_notes_and_the_longest_address_can_be_sealed() -> None:
    notes = {f"{number:03}" + "अ" * 253: "\x01" * 256 for number in range(15)}
    big = replace(PAID, notes=notes, instrument=Upi("a" * 250 + "@upi"), token="a" * 250 + "@upi")
    hidden = sealed(big)
    envelope = decode(encode(command_envelope(hidden, command_id="cmd_1", at=AT, request_id=None)))
    assert command_of(envelope) == hidden


@pytest.mark.parametrize("instrument", [Card("visa", "1111"), Netbanking("HDFC")])
def test_a_command_without_personal_fields_is_left_alone(instrument: Card | Netbanking) -> None:
    payment = replace(pay(), instrument=instrument, token="tok_1")
    for command in (payment, create_order(), refund(), settle()):
        if isinstance(command, CreateOrder):
            command = replace(command, receipt=None, notes={})
        if isinstance(command, CreateRefund):
            command = replace(command, reason=None)
        assert not is_personal(command)
        assert sealed(command) is command
        value = encode(command_envelope(command, command_id="cmd_1", at=AT, request_id=None))
        assert MARK not in value
        assert decode(value).version < SEALED_VERSION
