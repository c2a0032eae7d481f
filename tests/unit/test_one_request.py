"""POST /payments with an order: its body, its promise, and its restored inbox row."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from api.answers.answers import _new_order
from api.answers.resources import Found, order_as_found
from api.http.bodies import parse_json
from api.http.errors import ApiError
from api.schemas.orders import NewOrder
from api.schemas.payments import EITHER, NewMerchantPayment, NewPayment
from domain.decision import Decision
from domain.machine import decide, evolve
from domain.order import CaptureMode, Order
from ops.audit.recover.restoration import proved_commands
from ops.audit.verify.fold import fold
from tests.unit.orders import AT, FIRST, MERCHANT, ORDER, create_order, pay, pay_new
from topics.codec import encode_event

UPI = {"method": "upi", "vpa": "success@upi"}
GIVEN = {"order_id": ORDER}
WITH = {"order": {"amount": 500}}
MADE_AT = AT.replace(microsecond=1)


def _read(*parts: dict[str, Any]) -> NewMerchantPayment:
    body: dict[str, Any] = {}
    for part in parts:
        body |= part
    return parse_json(orjson.dumps(body), NewMerchantPayment)


def _refused(*parts: dict[str, Any]) -> tuple[str | None, str]:
    with pytest.raises(ApiError) as refused:
        _read(*parts)
    assert refused.value.status == 400
    return refused.value.field, refused.value.description


@pytest.mark.parametrize("parts", [(UPI,), (), (UPI, GIVEN, WITH), ({"order_id": None, "order": None}, UPI)])
def test_exactly_one_of_both_ways_to_name_an_order_is_given(parts: tuple[dict[str, Any], ...]) -> None:
    assert _refused(*parts) == ("order_id", EITHER)


def test_null_is_not_given() -> None:
    assert _read(UPI, GIVEN, {"order": None}).order is None
    brought = _read(UPI, {"order_id": None}, WITH).order
    assert brought is not None and brought.amount == 500


@pytest.mark.parametrize(
    ("order", "field", "description"),
    [
        ({}, "order.amount", "order.amount is required"),
        ({"amount": 99}, "order.amount", "amount must be at least 100"),
        ({"amount": "500"}, "order.amount", "order.amount must be a valid integer"),
        ({"amount": 500, "currency": "XXX"}, "order.currency", "currency must be a code of ISO 4217, such as INR"),
        ({"amount": 500, "notes": {"a": {}}}, "order.notes.a", "order.notes.a must be a valid string"),
        ({"amount": 500, "capture": "later"}, "order.capture", "order.capture must be 'manual' or 'automatic'"),
        ([], "order", "order must be an object"),
    ],
)
def test_an_order_within_is_checked_as_one_of_its_own(order: Any, field: str, description: str) -> None:
    assert _refused(UPI, {"order": order}) == (field, description)


def test_without_a_known_method_the_rest_is_reported_first() -> None:
    assert _refused({"method": "cash"}) == ("order_id", EITHER)
    assert _refused(WITH, {"method": "cash", "email": "nobody"}) == ("email", "email must be an e-mail address")
    later = {"order": {"amount": 500, "expires_at": "2030-01-01T00:00:00Z"}}
    assert _refused(later, {"method": "cash"})[0] == "method"


@pytest.mark.parametrize("model", [NewOrder, NewMerchantPayment])
@pytest.mark.parametrize(
    ("sent", "refusal"),
    [
        ("2030-01-01T05:30:00+05:30", None),
        ("2030-01-01T00:00:00", "should have timezone info"),
        ("tomorrow", "must be a valid datetime"),
        (1_893_456_000, "must be a valid datetime"),
        (True, "must be a valid datetime"),
    ],
)
def test_an_orders_end_is_read_alike_in_both_places(model: type[BaseModel], sent: Any, refusal: str | None) -> None:
    order = {"amount": 500, "expires_at": sent}
    body = orjson.dumps(order if model is NewOrder else UPI | {"order": order})
    if refusal is None:
        read = parse_json(body, model)
        order_read = read if isinstance(read, NewOrder) else getattr(read, "order", None)
        assert isinstance(order_read, NewOrder)
        assert order_read.fields()["expires_at"] == "2030-01-01T00:00:00.000000Z"
        return
    with pytest.raises(ApiError, match=refusal) as refused:
        parse_json(body, model)
    assert refused.value.field == ("expires_at" if model is NewOrder else "order.expires_at")


def test_a_payer_cannot_bring_an_order() -> None:
    with pytest.raises(ApiError) as refused:
        parse_json(orjson.dumps(UPI | WITH), NewPayment)
    assert (refused.value.field, refused.value.description) == ("order_id", "order_id is required")


def test_an_orders_content_counts_for_the_key() -> None:
    plain = _read(UPI, WITH).fields()
    assert plain == _read(UPI, {"order": {"amount": 500, "currency": "INR", "notes": {}}}).fields()
    assert "order_id" not in plain
    for name, value in (("amount", 501), ("receipt", "r"), ("capture", "automatic"), ("notes", {"a": "b"})):
        other = _read(UPI, {"order": {"amount": 500, name: value}}).fields()
        assert {key for key in plain if plain[key] != other[key]} == {f"order.{name}"}


def test_an_order_that_is_promised_with_its_payment_is_foreseen_as_the_actor_will_make_it() -> None:
    order = create_order(capture=CaptureMode.AUTOMATIC, minutes=30, return_url="https://shop.example/thanks")
    alone, both = decide(None, order, MADE_AT), decide(None, pay_new(order), MADE_AT)
    assert isinstance(alone, Decision) and isinstance(both, Decision)
    promised = orjson.loads(_new_order(both))
    assert order_as_found(Found(MERCHANT, ORDER, promised, None)) == alone.subject


@pytest.mark.parametrize(
    ("commands", "kinds"),
    [
        ([pay_new()], [("payment.create_with_order", 1, 3)]),
        ([create_order(), pay()], [("order.create", 1, 1), ("payment.create", 2, 2)]),
    ],
)
def test_the_events_tell_one_request_from_two(commands: list[Any], kinds: list[tuple[str, int, int]]) -> None:
    order: Order | None = None
    history: list[dict[str, Any]] = []
    for number, command in enumerate(commands):
        decided = decide(order, command, MADE_AT)
        assert isinstance(decided, Decision)
        for event in decided.events:
            order = evolve(order, event)
            history.append(orjson.loads(encode_event(event, caused_by=f"cmd_{number}", request_id=None)))
    rows = proved_commands(ORDER, fold(ORDER, history), history)
    assert [(row.type, row.first, row.count) for row in rows] == kinds
    assert orjson.loads(rows[-1].reply)["id"] == FIRST
