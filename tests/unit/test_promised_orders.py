"""An order that was promised and is not decided yet is foreseen as the actor will make it."""

from __future__ import annotations

from datetime import timedelta

import orjson

from api.answers.resources import Found, order_as_found
from domain.decision import Decision
from domain.machine import decide
from domain.order import CaptureMode
from domain.resource import resource_of
from tests.unit.orders import AT, LINK, MERCHANT, ORDER, create_order
from topics.envelope import encode_json

MADE_AT = AT.replace(microsecond=1)


def test_a_promised_order_keeps_its_end_how_it_is_captured_and_its_link() -> None:
    requested = create_order(
        expires_at=MADE_AT + timedelta(hours=1),
        capture=CaptureMode.AUTOMATIC,
        minutes=30,
        link=LINK,
        return_url="https://shop.example/thanks",
    )
    decided = decide(None, requested, MADE_AT)
    assert isinstance(decided, Decision)
    promised = orjson.loads(encode_json(resource_of(decided.subject)))
    assert order_as_found(Found(MERCHANT, ORDER, promised, None)) == decided.subject


def test_an_order_that_an_earlier_version_promised_is_captured_by_hand_and_never_expires() -> None:
    decided = decide(None, create_order(), MADE_AT)
    assert isinstance(decided, Decision)
    promised = orjson.loads(encode_json(resource_of(decided.subject)))
    for later in ("expires_at", "capture", "capture_within_minutes", "amount_paid", "return_url"):
        del promised[later]
    assert order_as_found(Found(MERCHANT, ORDER, promised, None)) == decided.subject
