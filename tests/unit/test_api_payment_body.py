"""The body of a payment in all its spellings, and what is kept of the payer's means."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import pytest

from api.http.bodies import parse_json
from api.http.errors import ApiError
from api.schemas.payments import Means, NewPayment, check_instrument
from api.tokens import Tokenizer
from domain.card import CardDetails
from domain.instrument import Card
from domain.rejection import Rejected

NUMBER = "4242424242424242"
CARD = {"number": NUMBER, "expiry_month": "12", "expiry_year": "2039", "cvv": "123"}


class Bank:
    """A bank that remembers the cards it was given."""

    def __init__(self) -> None:
        self.cards: list[CardDetails] = []

    async def tokenize(self, card: CardDetails) -> str:
        self.cards.append(card)
        return "tok_1"


async def _checked(bank: Tokenizer | None = None, **fields: Any) -> Means | Rejected:
    body = orjson.dumps({"order_id": "order_x", "method": "card", **fields})
    return await check_instrument(parse_json(body, NewPayment), bank or Bank(), test_mode=True)


@pytest.mark.parametrize(
    "fields",
    [
        {"card": CARD},
        {"card": {**CARD, "expiry_month": 12, "expiry_year": 39, "cvv": 123}},
        {"card": {**CARD, "number": "4242 4242-4242 4242", "name": "A Payer"}},
        {"card": {**CARD, "number": 4242424242424242, "holder_name": "A Payer"}},
        {"card": {"number": NUMBER, "expiry": "12/39", "cvv": "123"}},
        {"card_number": NUMBER, "card_expiry": "12/39", "card_cvv": "123"},
        {"card_number": NUMBER, "card_expiry": "12 / 2039", "cvv": "123"},
        {"card_number": NUMBER, "expiry_month": 12, "expiry_year": "39", "cvv": 123},
    ],
)
async def test_a_card_is_understood_in_every_spelling(fields: dict[str, Any]) -> None:
    checked = await _checked(**fields)
    assert isinstance(checked, Means)
    assert checked.instrument == Card("visa", "4242")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "INVALID_CARD"),
        ({"card": {}}, "INVALID_CARD"),
        ({"card": {**CARD, "number": "4242424242424241"}}, "INVALID_CARD"),
        ({"card": {**CARD, "number": None}}, "INVALID_CARD"),
        ({"card": {**CARD, "cvv": "12"}}, "INVALID_CARD"),
        ({"card": {**CARD, "cvv": "1234"}}, "INVALID_CARD"),
        ({"card": {**CARD, "number": "378282246310005"}}, "INVALID_CARD"),
        ({"card": {**CARD, "expiry_year": "2019"}}, "EXPIRED_CARD"),
        ({"card": {**CARD, "expiry_month": "13"}}, "EXPIRED_CARD"),
        ({"card": {**CARD, "expiry_month": None}}, "EXPIRED_CARD"),
        ({"card_number": NUMBER, "card_expiry": "nonsense", "card_cvv": "123"}, "EXPIRED_CARD"),
        ({"method": "upi"}, "INVALID_VPA"),
        ({"method": "upi", "vpa": "no at sign"}, "INVALID_VPA"),
        ({"method": "upi", "vpa": 5}, "INVALID_VPA"),
        ({"method": "upi", "vpa": "a" * 260 + "@upi"}, "INVALID_VPA"),
    ],
)
async def test_an_instrument_that_cannot_be_charged_is_refused(fields: dict[str, Any], code: str) -> None:
    checked = await _checked(**fields)
    assert isinstance(checked, Rejected)
    assert checked.code == code


async def test_nothing_that_leaves_the_check_holds_the_number_or_the_cvv() -> None:
    checked = await _checked(card=CARD | {"cvv": "987"})
    assert NUMBER not in repr(checked)
    assert "987" not in repr(checked)


def test_the_fingerprint_names_the_number_but_no_cvv() -> None:
    payment = parse_json(orjson.dumps({"order_id": "order_x", "method": "card", "card": CARD}), NewPayment)
    assert "card.number" in payment.fields()
    assert "123" not in str(payment.fields())


@pytest.mark.parametrize(
    "changes",
    [{"number": "4242 4242 4242 4242"}, {"number": "4242-4242-4242-4242"}, {"expiry_year": "39"}, {"expiry_year": 39},
     {"expiry_month": 12}, {"expiry_month": None, "expiry_year": None, "expiry": "12/39"}],
)  # fmt: skip
def test_one_card_written_differently_is_one_request(changes: dict[str, Any]) -> None:
    plain, other = ({"order_id": "order_x", "method": "card", "card": card} for card in (CARD, CARD | changes))
    assert _fields(plain) == _fields(other)


@pytest.mark.parametrize(("month", "same"), [("1", "01"), (1, "01")])
def test_a_month_with_and_without_its_zero_is_one_request(month: object, same: object) -> None:
    one, other = (
        {"order_id": "order_x", "method": "card", "card": CARD | {"expiry_month": value}} for value in (month, same)
    )
    assert _fields(one) == _fields(other)
    assert _fields(one) != _fields({"order_id": "order_x", "method": "card", "card": CARD | {"expiry_month": "11"}})


@pytest.mark.parametrize(
    ("at", "accepted"), [("2026-12-01T11:59:00+00:00", True), ("2026-12-01T12:00:00+00:00", False)]
)
async def test_a_card_is_good_while_its_month_lasts_anywhere(
    monkeypatch: pytest.MonkeyPatch, at: str, accepted: bool
) -> None:
    monkeypatch.setattr("api.schemas.payments.now", lambda: datetime.fromisoformat(at))
    checked = await _checked(card=CARD | {"expiry_month": "11", "expiry_year": "26"})
    assert isinstance(checked, Means) is accepted


def _fields(body: dict[str, Any]) -> dict[str, object]:
    return parse_json(orjson.dumps(body), NewPayment).fields()


def test_the_refusal_of_a_body_reveals_nothing_of_the_card() -> None:
    body = orjson.dumps({"order_id": "order_x", "method": "card", "card": {**CARD, "number": [NUMBER]}})
    with pytest.raises(ApiError) as refused:
        parse_json(body, NewPayment)
    assert refused.value.status == 400
    assert NUMBER not in refused.value.description
    assert NUMBER not in str(refused.value)


async def test_the_bank_makes_a_token_of_a_card_that_passed_every_check() -> None:
    bank = Bank()
    checked = await _checked(bank, card=CARD | {"number": "4242 4242-4242 4242"})
    assert isinstance(checked, Means)
    assert checked.token == "tok_1"
    assert bank.cards == [CardDetails(number=NUMBER, expiry_month="12", expiry_year="2039")]
    assert NUMBER not in repr(bank.cards)


async def test_the_bank_never_sees_a_card_that_was_refused() -> None:
    bank = Bank()
    assert isinstance(await _checked(bank, card=CARD | {"cvv": "12"}), Rejected)
    assert bank.cards == []


async def test_without_the_bank_a_card_is_unavailable_and_not_invalid() -> None:
    class Away:
        async def tokenize(self, card: CardDetails) -> str:
            raise ConnectionRefusedError

    with pytest.raises(ApiError) as raised:
        await _checked(Away(), card=CARD)
    assert (raised.value.status, raised.value.headers) == (503, {"Retry-After": "1"})
