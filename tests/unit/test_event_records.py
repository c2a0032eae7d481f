"""`read_event`: typed events at the door, and nothing but UndecodableError for what is not one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from ops.log.schemas import sample_of
from topics.envelope import UndecodableError
from topics.events import OrderRecord, PaymentRecord, RefundRecord, read_any_event, read_event


def read(sample: dict[str, Any]) -> PaymentRecord:
    return read_event(orjson.dumps(sample))


def test_a_payments_event_names_its_payment_order_and_merchant() -> None:
    sample = sample_of("payment.processing")
    event, body = read(sample), sample["body"]
    assert type(event) is PaymentRecord
    assert (event.id, event.type, event.request_id) == (sample["id"], sample["type"], sample["request_id"])
    assert (event.order_id, event.merchant_id, event.sequence) == (
        body["order_id"], body["merchant_id"], body["sequence"],
    )  # fmt: skip
    assert (event.payment.id, event.payment.json) == (body["payment"]["id"], body["payment"])
    assert event.token() == body["bank"]["token"]


def test_a_refunds_event_is_about_its_payment_too() -> None:
    sample = sample_of("refund.created")
    event = read(sample)
    assert isinstance(event, RefundRecord)
    assert event.refund.json == sample["body"]["refund"]
    assert event.payment.json == sample["body"]["payment"]
    assert event.refund.text("payment_id") == event.payment.id


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sequence", 0), ("sequence", "1"), ("sequence", True), ("sequence", 2**31), ("order_id", None),
        ("order_id", "a\0b"), ("merchant_id", 7), ("merchant_id", "m" * 256), ("payment", None), ("payment", []),
        ("payment", {}), ("payment", {"id": 5}), ("refund", None), ("refund", {"id": None}), ("refund", "x"),
    ],
)  # fmt: skip
def test_a_body_of_another_shape_is_undecodable(name: str, value: object) -> None:
    sample = sample_of("refund.created")
    with pytest.raises(UndecodableError):
        read(sample | {"body": sample["body"] | {name: value}})


@pytest.mark.parametrize("name", ["sequence", "order_id", "merchant_id", "payment"])
def test_a_body_that_lacks_a_part_is_undecodable(name: str) -> None:
    sample = sample_of("payment.success")
    with pytest.raises(UndecodableError):
        read(sample | {"body": {key: value for key, value in sample["body"].items() if key != name}})


def test_a_field_that_is_missing_or_no_text_is_named() -> None:
    payment = read(sample_of("payment.success")).payment
    with pytest.raises(UndecodableError, match=f"{payment.id} has no colour"):
        payment.text("colour")
    with pytest.raises(UndecodableError, match="amount must be a string"):
        payment.text("amount")


@pytest.mark.parametrize("bank", [None, {}, {"token": None}, "x"])
def test_a_payment_without_a_token_cannot_be_charged(bank: object) -> None:
    sample = sample_of("payment.processing")
    event = read(sample | {"body": sample["body"] | {"bank": bank}})
    with pytest.raises(UndecodableError, match=r"bank\.token"):
        event.token()


def test_an_orders_own_event_is_read_by_readers_of_any_event() -> None:
    sample = sample_of("order.paid")
    event = read_any_event(orjson.dumps(sample))
    assert isinstance(event, OrderRecord)
    assert (event.order_id, event.subject()) == (sample["body"]["order_id"], {"order": sample["body"]["order"]})
    assert isinstance(read_any_event(orjson.dumps(sample_of("refund.created"))), RefundRecord)
    with pytest.raises(UndecodableError):
        read(sample)
    with pytest.raises(UndecodableError):
        read_any_event(orjson.dumps(sample | {"body": sample["body"] | {"order": {"id": None}}}))
