"""POST /payments with `order` in place of `order_id`: both come to be in one request, or neither."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import asyncpg
import httpx
import pytest

from api.schemas.payments import EITHER
from tests.support.api import CARD, Api, created, error_of, when_keys_are_promised
from tests.support.stack import Stack

UPI = {"method": "upi", "vpa": "success@upi"}
EVENTS = "SELECT type, payload::jsonb ->> 'caused_by' AS cause FROM events WHERE order_id = $1 ORDER BY sequence"


async def _both(api: Api, *, key: str | None = None, amount: int = 700, **fields: Any) -> httpx.Response:
    body = UPI | fields
    return await api.post("/payments", {"order": {"amount": amount} | body.pop("order", {}), **body}, key=key)


async def test_an_order_is_created_and_paid_by_one_request(api: Api, database: asyncpg.Connection) -> None:
    order = {"receipt": "one-1", "notes": {"cart": "7"}, "capture": "automatic", "return_url": "http://localhost/back"}
    payment = created(await _both(api, order=order, email="asha@example.com", description="Two tickets"))
    # The answer is that of any payment,
    other = created(await api.post("/payments", {"order_id": (await api.order())["id"], **UPI}))
    assert list(payment) == list(other)
    assert (payment["status"], payment["amount"], payment["currency"]) == ("CREATED", 700, "INR")
    assert (payment["receipt"], payment["notes"], payment["email"]) == ("one-1", {"cart": "7"}, "asha@example.com")
    # the order is that of POST /orders,
    made = (await api.get(f"/orders/{payment['order_id']}")).json()
    assert {name: made[name] for name in order} == order
    assert (made["amount"], made["attempts"], made["created_at"]) == (700, 1, payment["created_at"])
    # and one command caused all of it.
    begun = (await database.fetch(EVENTS, payment["order_id"]))[:3]
    assert [row["type"] for row in begun] == ["order.created", "payment.created", "payment.processing"]
    assert len({row["cause"] for row in begun}) == 1
    paid = await api.decided(f"/payments/{payment['id']}")
    assert (paid["status"], paid["captured"]) == ("SUCCESS", True)
    assert (await api.get(f"/orders/{payment['order_id']}")).json()["status"] == "PAID"


async def test_a_card_pays_a_new_order_in_another_currency(api: Api) -> None:
    body = {"order": {"amount": 700, "currency": "USD"}, "method": "card", "card": CARD}
    payment = created(await api.post("/payments", body))
    assert (await api.decided(f"/payments/{payment['id']}"))["status"] == "SUCCESS"


async def test_a_declined_payment_leaves_its_order_to_be_paid_again(api: Api) -> None:
    declined = created(await _both(api, vpa="failure@upi"))
    assert (await api.decided(f"/payments/{declined['id']}"))["status"] == "FAILED"
    assert (await api.paid(declined["order_id"]))["status"] == "SUCCESS"


@pytest.mark.parametrize(
    "named", [{}, {"order": None}, {"order": {"amount": 500}, "order_id": "order_AAAAAAAAAAAAAAAA"}]
)
async def test_both_ways_to_name_an_order_and_neither_are_refused(api: Api, named: dict[str, Any]) -> None:
    response = await api.post("/payments", UPI | named)
    error = error_of(response)
    assert (response.status_code, error["field"], error["description"]) == (400, "order_id", EITHER)


async def test_a_payer_cannot_create_an_order_with_a_payment(api: Api) -> None:
    response = await api.public("POST", "/payments/public", json={"order": {"amount": 500}, **UPI})
    assert (response.status_code, error_of(response)["description"]) == (400, "order_id is required")


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"amount": 99}, "order.amount", "amount must be at least 100"),
    ({"order": {"currency": "XXX"}}, "order.currency", "currency must be a code of ISO 4217, such as INR"),
    ({"order": {"currency": "USD"}}, "method", "method is not available for the order's currency"),
    (
        {"order": {"expires_at": "2020-01-01T00:00:00Z"}}, "order.expires_at",
        "expires_at must be between 5 minutes and 180 days ahead",
    ),
    ({"order": {"return_url": "http://shop.example/"}}, "order.return_url", "return_url must be an https address"),
    ({"vpa": "nobody"}, "vpa", "VPA format invalid"),
    ({"method": "netbanking", "bank": "none"}, "bank", "bank must be the code of a known bank"),
]  # fmt: skip


async def test_where_either_is_refused_neither_exists(newcomer: Api, database: asyncpg.Connection) -> None:
    receipt = secrets.token_hex(8)
    for fields, field, description in REFUSED:
        # With a key and without: a refusal has no effect, ever, and is not kept.
        for key in (None, secrets.token_hex(8)):
            asked = {**fields, "order": {"receipt": receipt} | fields.get("order", {})}
            answer = await _both(newcomer, key=key, **asked)
            error = error_of(answer)
            assert (answer.status_code, error["field"], error["description"]) == (400, field, description), fields
            if key is not None:
                again = created(await _both(newcomer, key=key, order={"receipt": f"{receipt} again"}))
                assert again["receipt"] == f"{receipt} again"
    # The amount of the payment, if it is sent, must be the order's.
    answer = await newcomer.post("/payments", {**UPI, "order": {"amount": 500, "receipt": receipt}, "amount": 600})
    assert (answer.status_code, error_of(answer)["field"]) == (400, "amount")
    for table in ("orders", "payments"):
        assert await database.fetchval(f"SELECT count(*) FROM {table} WHERE receipt = $1", receipt) == 0


async def test_the_same_key_many_times_at_once_makes_one_order_and_one_payment(
    stranger: Api, database: asyncpg.Connection
) -> None:
    key, receipt = secrets.token_hex(8), secrets.token_hex(8)
    responses = await asyncio.gather(*(_both(stranger, key=key, order={"receipt": receipt}) for _ in range(30)))
    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    assert sum("Idempotent-Replayed" not in response.headers for response in responses) == 1
    for table in ("orders", "payments"):
        assert await database.fetchval(f"SELECT count(*) FROM {table} WHERE receipt = $1", receipt) == 1


async def test_another_body_under_the_same_key_names_the_fields_that_differ(api: Api) -> None:
    key = secrets.token_hex(8)
    payment = created(await _both(api, key=key))
    for fields, names in (
        ({"amount": 800}, "order.amount"),
        ({"order": {"receipt": "other"}, "vpa": "other@upi"}, "order.receipt, vpa"),
    ):
        response = await _both(api, key=key, **fields)
        assert (response.status_code, error_of(response)["code"]) == (422, "IDEMPOTENCY_MISMATCH")
        assert error_of(response)["description"].endswith(f"differ: {names}")
    named = await api.post("/payments", {"order_id": payment["order_id"], **UPI}, key=key)
    assert error_of(named)["description"].endswith("differ: order.amount, order.currency, order_id")
    assert (await _both(api, key=key)).json()["id"] == payment["id"]


async def test_unknown_fields_of_the_order_are_named(api: Api) -> None:
    response = await _both(api, order={"colour": "green"})
    assert (response.status_code, response.headers["X-Ignored"]) == (201, "order.colour")


async def test_without_an_actor_both_are_promised_and_can_be_read(api: Api, stack: Stack) -> None:
    key, receipt = secrets.token_hex(8), secrets.token_hex(8)
    await when_keys_are_promised()
    stack.hold("payments")
    try:
        keyed, plain, refused = await asyncio.gather(
            _both(api, key=key, order={"receipt": receipt, "capture": "automatic"}),
            _both(api),
            _both(api, order={"currency": "USD"}),
        )
        repeated = await _both(api, key=key, order={"receipt": receipt, "capture": "automatic"})
        orders = [await api.get(f"/orders/{response.json()['order_id']}") for response in (keyed, plain)]
        payments = [await api.get(response.headers["Location"].removeprefix("/api/v1")) for response in (keyed, plain)]
        again = await api.post("/payments", {"order_id": plain.json()["order_id"], **UPI})
    finally:
        stack.release("payments")
    # Accepted as they will be, the order to be read as well as the payment; what cannot be accepted is not promised.
    assert [response.status_code for response in (keyed, plain, refused, repeated)] == [202, 202, 503, 409]
    assert [response.json() for response in payments] == [keyed.json(), plain.json()]
    assert [(response.status_code, response.json()["status"]) for response in orders] == [(200, "CREATED")] * 2
    assert (orders[0].json()["receipt"], orders[0].json()["capture"]) == (receipt, "automatic")
    # A request that builds on the promised order is not told that there is none.
    assert again.status_code in (202, 503)
    for response in (keyed, plain):
        assert (await api.decided(f"/payments/{response.json()['id']}", timeout=30))["status"] == "SUCCESS"
        assert (await api.get(f"/orders/{response.json()['order_id']}")).json()["status"] == "PAID"
    replay = await _both(api, key=key, order={"receipt": receipt, "capture": "automatic"})
    assert (replay.status_code, replay.json()["id"]) == (201, keyed.json()["id"])
