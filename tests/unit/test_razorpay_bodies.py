"""What the Razorpay double makes of the bodies that its clients send, pretty or not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from starlette.requests import Request

from api.razorpay.bodies import DEPTH_MAX, FIELDS_MAX, checked, form_fields, read_fields
from api.razorpay.errors import DoubleError, of_validation
from api.razorpay.ignored import HEADER, header_of, without_effect
from api.razorpay.queries import expanded, read_query
from api.razorpay.schemas import ORDERS_BEYOND, Changed, NewOrder, NewWebhook, PageQuery


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        ("amount=500&currency=INR", {"amount": "500", "currency": "INR"}),
        ("notes[a]=b&notes[c d]=%E2%82%B9", {"notes": {"a": "b", "c d": "₹"}}),
        ("payment[capture]=manual&payment[capture_options][refund_speed]=normal",
         {"payment": {"capture": "manual", "capture_options": {"refund_speed": "normal"}}}),
        ("events[]=order.paid&events[]=payment.failed", {"events": ["order.paid", "payment.failed"]}),
        ("events[0]=order.paid&events[1]=payment.failed", {"events": ["order.paid", "payment.failed"]}),
        ("events[order.paid]=1", {"events": {"order.paid": "1"}}),
        ("notes=", {"notes": ""}),
        ("a]b=1", {"a]b": "1"}),
        ("", {}),
    ],
)  # fmt: skip
def test_a_form_is_nested_by_its_brackets(form: str, fields: dict[str, Any]) -> None:
    assert form_fields(form.encode()) == fields


@pytest.mark.parametrize(
    "form",
    [
        b"notes=1&notes[a]=b",
        b"amount=500&amount=900",
        b"notes[a]=b&notes[a]=c",
        b"events[1]=a&events[]=b",
        b"a" + b"[b]" * DEPTH_MAX + b"=1",
        b"&".join(b"a%d=1" % number for number in range(FIELDS_MAX + 1)),
        b"a=%ff\xff",
    ],
)
def test_a_form_that_cannot_be_read_is_refused(form: bytes) -> None:
    with pytest.raises(DoubleError):
        form_fields(form)


@pytest.mark.parametrize("body", [b'{"amount": 500, "amount": 900}', b'{"amount": 500, "notes": {"a": 1, "a": 1}}'])
async def test_a_name_that_stands_twice_in_json_is_refused(body: bytes) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    with pytest.raises(DoubleError, match="is in the body more than once"):
        await read_fields(Request({"type": "http", "headers": []}, receive))


@pytest.mark.parametrize(
    ("said", "captures"),
    [
        ({}, True), ({"payment_capture": 1}, True), ({"payment_capture": "1"}, True), ({"payment_capture": True}, True),
        ({"payment_capture": 0}, False), ({"payment_capture": "0"}, False),
        ({"payment": {"capture": "manual"}}, False), ({"payment": {"capture": "automatic"}}, True),
    ],
)  # fmt: skip
def test_whether_an_order_captures_is_read_in_every_spelling(said: dict[str, Any], captures: bool) -> None:
    assert checked(NewOrder, {"amount": "500", **said}, beyond=ORDERS_BEYOND).captures is captures


def test_what_the_double_cannot_do_is_refused_unless_it_is_switched_off() -> None:
    for nothing in (False, 0, "0", "", None, []):
        checked(NewOrder, {"amount": 500, "partial_payment": nothing}, beyond=ORDERS_BEYOND)
    with pytest.raises(DoubleError, match="partial_payment is not part of this test double"):
        checked(NewOrder, {"amount": 500, "partial_payment": "1"}, beyond=ORDERS_BEYOND)


@pytest.mark.parametrize(
    ("fields", "text", "field"),
    [
        ({}, "The amount field is required.", "amount"),
        ({"amount": "many"}, "The amount must be an integer.", "amount"),
        ({"amount": 1.5}, "The amount must be an integer.", "amount"),
        ({"amount": 99}, "The amount must be at least INR 1.00", "amount"),
        ({"amount": 500, "currency": "XXX"}, "Currency is not supported", "currency"),
        ({"amount": 500, "receipt": "r" * 41}, "The receipt may not be greater than 40 characters.", "receipt"),
        ({"amount": 500, "colour": "red"}, "colour is/are not required and should not be sent", "colour"),
        ({"amount": 500, "notes": "text"}, "The notes must be an object", "notes"),
        ({"amount": 500, "notes": {"a": {"b": "c"}}}, "The notes value of a must be a text", "notes"),
        ({"amount": 500, "notes": {"a": "x" * 257}}, "more than 256 characters each", "notes"),
        ({"amount": 500, "receipt": "a\0b"}, "NUL", "receipt"),
        ({"amount": True}, "The amount must be an integer.", "amount"),
        ({"amount": "500.0"}, "The amount must be an integer.", "amount"),
        ({"amount": "5_00"}, "The amount must be an integer.", "amount"),
        ({"amount": 2**63}, "The amount may not be greater than", "amount"),
        ({"amount": -500}, "The amount must be at least INR 1.00", "amount"),
        ({"amount": 500, "currency": ["INR"]}, "Currency is not supported", "currency"),
        ({"amount": 500, "currency": {"a": "b"}}, "Currency is not supported", "currency"),
        ({"amount": 500, "payment_capture": 2}, "The payment_capture must be true or false.", "payment_capture"),
        ({"amount": 500, "payment": "manual"}, "The payment must be an object.", "payment"),
        ({"amount": 500, "customer_id": []}, "The customer_id must be a text.", "customer_id"),
    ],
)
def test_a_bad_field_is_named_in_a_sentence(fields: dict[str, Any], text: str, field: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        checked(NewOrder, fields, beyond=ORDERS_BEYOND)
    error = of_validation(refusal.value)
    assert text in error.body["description"]
    assert error.body["field"] == field


@pytest.mark.parametrize("empty", [[], {}, "", None])
def test_empty_notes_come_in_four_spellings(empty: Any) -> None:
    assert checked(Changed, {"notes": empty}).notes == {}


@pytest.mark.parametrize("amount", [500, 5e2, "500", " 500 "])
def test_a_number_is_read_from_digits_and_from_a_whole_float(amount: Any) -> None:
    assert checked(NewOrder, {"amount": amount}).amount == 500


@pytest.mark.parametrize(
    ("events", "names"),
    [
        (["order.paid"], ["order.paid"]),
        (
            {"order.paid": True, "payment.failed": "1", "refund.created": 0, "x": "false"},
            ["order.paid", "payment.failed"],
        ),
    ],
)
def test_events_are_a_list_or_an_object_of_switches(events: Any, names: list[str]) -> None:
    assert checked(NewWebhook, {"url": "http://a.example", "events": events}).events == names


@pytest.mark.parametrize(
    "events", ["order.paid", None, 5, True, [1], [["a"]], {"a": "maybe"}, {"a": None}, {"a": {"b": 1}}]
)
def test_events_of_another_kind_are_refused_with_a_sentence(events: Any) -> None:
    with pytest.raises(ValidationError) as refusal:
        checked(NewWebhook, {"url": "http://a.example", "events": events})
    error = of_validation(refusal.value).body
    assert error["field"] == "events"
    assert "a list of names or an object of switches" in error["description"] or "true or false" in error["description"]


def _request(query: str) -> Request:
    return Request({"type": "http", "query_string": query.encode(), "headers": [], "state": {}})


def test_ignored_fields_are_listed_in_a_header_that_can_be_sent() -> None:
    assert header_of(_request("")) == {}
    request = _request("")
    without_effect(request, ["speed", "a\r\nb: c", "₹, x"])
    assert header_of(request) == {HEADER: "speed, a%0D%0Ab%3A%20c, %E2%82%B9%2C%20x"}
    without_effect(request, [f"n{number}" for number in range(40)])
    assert header_of(request)[HEADER].endswith("and 27 more")


def test_unread_parameters_and_unknown_expansions_are_listed() -> None:
    request = _request("count=1&expand[]=payments.card&expand[0]=offers&count=2")
    assert header_of(request) == {HEADER: "count, expand[payments], expand[card], expand[offers]"}
    assert expanded(request, "payments")
    assert not expanded(request, "transfers")
    assert header_of(request) == {HEADER: "count, expand[card], expand[offers]"}
    request = _request("count=1&expand=card")
    read_query(request, PageQuery)
    assert header_of(request) == {HEADER: "expand[card]"}


def test_a_list_is_bounded_and_its_times_are_seconds() -> None:
    page = PageQuery.model_validate({"count": "7", "skip": "3", "from": "1700000000", "to": "1700000060"})
    assert (page.part.count, page.part.skip) == (7, 3)
    assert page.part.from_at is not None and page.part.from_at.timestamp() == 1_700_000_000
    for bad in (
        {"count": 0},
        {"count": 101},
        {"skip": 10_001},
        {"from": 1},
        {"from": 1_700_000_001, "to": 1_700_000_000},
        {"count": True},
        {"skip": "1.0"},
        {"count": "abc"},
    ):
        with pytest.raises(ValidationError):
            PageQuery.model_validate(bad)
