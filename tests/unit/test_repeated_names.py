"""A body has each name once: `{"amount": 100, "amount": 900}` is refused, whichever of the two a parser would take."""

from __future__ import annotations

import pytest

from api.http.bodies import parse_json
from api.http.errors import ApiError
from api.http.repeated import repeated_name
from api.schemas.orders import NewOrder
from api.schemas.payments import NewMerchantPayment


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"amount": 500, "amount": 900}', "amount"),
        ('{"amount": 500, "amount": 500}', "amount"),
        ('{"amount": 500, "am\\u006funt": 900}', "amount"),
        ('{"amount": 500, "notes": {"a": "b", "a": "c"}}', "notes.a"),
        ('{"amount": 500, "unknown": 1, "unknown": 2}', "unknown"),
        ('{"amount": 500, "unknown": [{"a": 1}, {"a": 1, "a": 2}]}', "unknown.a"),
        ('{"amount": 500, "' + "x" * 99 + '": 1, "' + "x" * 99 + '": 1}', "x" * 64),
    ],
)
def test_a_name_that_stands_twice_is_refused_and_named(body: str, field: str) -> None:
    with pytest.raises(ApiError) as refused:
        parse_json(body.encode(), NewOrder)
    error = refused.value
    assert (error.status, error.field, error.description) == (400, field, f"'{field}' is in the body more than once")


def test_the_card_of_a_payment_is_looked_into() -> None:
    card = '{"number": "4111111111111111", "expiry_month": 1, "expiry_year": 2040, "cvv": "123", "cvv": "456"}'
    with pytest.raises(ApiError) as refused:
        parse_json(f'{{"order_id": "order_1", "method": "card", "card": {card}}}'.encode(), NewMerchantPayment)
    assert refused.value.field == "card.cvv"
    assert "456" not in refused.value.description


@pytest.mark.parametrize(
    "body",
    [
        b'{"amount": 500, "notes": {"amount": "500", "a": "b"}}',
        b'[{"a": 1}, {"a": 1}]',
        b'{"a": NaN, "b": -Infinity, "c": 1e999, "d": ' + b"1" * 4_300 + b"}",
        b"[" * 200 + b"]" * 200,
        b" {} ",
    ],
)
def test_names_of_different_objects_may_be_the_same(body: bytes) -> None:
    assert repeated_name(body) is None
