"""Idempotency-Key over HTTP: one effect, the same bytes again, and 422 for another body."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from typing import Any

import asyncpg

from runtime.clock import now
from tests.support.api import CARD, Api, created, error_of, when_keys_are_promised
from tests.support.eventually import eventually
from tests.support.stack import Stack
from topics.catalogue import COMMANDS, partition_of
from topics.codec import PAYMENT_SETTLE
from topics.reader import Start, log_reader


def _key() -> str:
    return f"key-{secrets.token_hex(8)}"


async def test_the_same_key_fifty_times_at_once_makes_one_payment_and_one_response(
    api: Api, database: asyncpg.Connection
) -> None:
    order, key = await api.order(), _key()
    body = {"order_id": order["id"], "method": "upi", "vpa": "success@upi"}
    responses = await asyncio.gather(*(api.post("/payments", body, key=key) for _ in range(50)))
    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    assert sum("Idempotent-Replayed" not in response.headers for response in responses) == 1
    assert await database.fetchval("SELECT count(*) FROM payments WHERE order_id = $1", order["id"]) == 1


async def test_the_same_key_fifty_times_at_once_makes_one_order(stranger: Api, database: asyncpg.Connection) -> None:
    key, receipt = _key(), _key()
    responses = await asyncio.gather(
        *(stranger.post("/orders", {"amount": 500, "receipt": receipt}, key=key) for _ in range(50))
    )
    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    assert await database.fetchval("SELECT count(*) FROM orders WHERE receipt = $1", receipt) == 1


async def test_two_different_keys_are_refused_and_one_sent_twice_is_one(api: Api) -> None:
    key, other = _key(), _key()
    both = await api.call("POST", "/orders", json={"amount": 500}, headers=[*_headers(key), *_headers(other)])
    assert error_of(both)["field"] == "Idempotency-Key"
    twice = await api.call("POST", "/orders", json={"amount": 500}, headers=[*_headers(key), *_headers(key)])
    assert created(twice)["id"] == created(await api.post("/orders", {"amount": 500}, key=key))["id"]


def _headers(key: str) -> list[tuple[str, str]]:
    return [("Idempotency-Key", key)]


async def test_a_replay_is_the_stored_response_although_the_payment_continued(api: Api) -> None:
    order, key = await api.order(), _key()
    body = {"order_id": order["id"], "method": "upi", "vpa": "success@upi"}
    first = await api.post("/payments", body, key=key)
    await api.decided(f"/payments/{first.json()['id']}")
    again = await api.post("/payments", body, key=key)
    assert again.status_code == 201
    assert again.content == first.content
    assert again.json()["status"] == "CREATED"
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers


async def test_another_body_under_the_same_key_names_the_fields_that_differ(api: Api) -> None:
    order, key = await api.order(), _key()
    upi = {"order_id": order["id"], "method": "upi", "vpa": "success@upi"}
    created(await api.post("/payments", upi, key=key))
    cases: list[tuple[dict[str, Any], str]] = [
        ({**upi, "vpa": "other@upi"}, "vpa"),
        ({**upi, "amount": 50_000}, "amount"),
        ({**upi, "order_id": "order_0000000000000000"}, "order_id"),
        ({**upi, "order_id": "nonsense"}, "order_id"),
        ({"order_id": order["id"], "method": "card", "card": CARD}, "card.expiry, card.number, method, vpa"),
    ]
    for body, names in cases:
        response = await api.post("/payments", body, key=key)
        error = error_of(response)
        assert (response.status_code, error["code"]) == (422, "IDEMPOTENCY_MISMATCH")
        assert error["description"].endswith(f"differ: {names}")
        assert "4111" not in error["description"]


async def test_a_capture_and_a_refund_replay_too(api: Api) -> None:
    payment = await api.paid(amount=1_000)
    key = _key()
    first = await api.post(f"/payments/{payment['id']}/capture", {}, key=key)
    again = await api.post(f"/payments/{payment['id']}/capture", {}, key=key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.content == again.content
    assert again.headers["Idempotent-Replayed"] == "true"
    elsewhere = await api.post("/payments/pay_0000000000000000/capture", {}, key=key)
    assert (elsewhere.status_code, error_of(elsewhere)["code"]) == (422, "IDEMPOTENCY_MISMATCH")
    refund = await api.post(f"/payments/{payment['id']}/refunds", {"amount": 600}, key=key)
    other_route = await api.post("/refunds", {"payment_id": payment["id"], "amount": 600}, key=key)
    assert (refund.status_code, other_route.status_code) == (201, 201)
    assert refund.content == other_route.content


async def test_a_refusal_is_not_stored(api: Api) -> None:
    payment = await api.pay((await api.order())["id"], vpa="slow@upi")
    key, path = _key(), f"/payments/{payment['id']}/capture"
    assert (await api.post(path, {}, key=key)).status_code == 400
    await api.decided(f"/payments/{payment['id']}")
    late = await api.post(path, {}, key=key)
    assert (late.status_code, late.json()["captured"]) == (200, True)
    assert "Idempotent-Replayed" not in late.headers


async def test_a_refused_key_is_refused_to_every_request_that_sends_it(
    api: Api, stack: Stack, database: asyncpg.Connection
) -> None:
    # Given a payment that stays in progress,
    order, key = await api.order(), _key()
    body = {"order_id": order["id"], "method": "upi", "vpa": "success@upi"}
    stack.hold("processor")
    try:
        await api.pay(order["id"])
        # when ten requests with one key try to pay the order beside it,
        responses = await asyncio.gather(*(api.post("/payments", body, key=key) for _ in range(10)))
    finally:
        stack.release("processor")
    # then each is refused: none is accepted, and none has to wait.
    assert [response.status_code for response in responses] == [400] * 10
    assert {error_of(response)["description"] for response in responses} == {"Order has a payment in progress"}
    assert await database.fetchval("SELECT count(*) FROM payments WHERE order_id = $1", order["id"]) == 1


async def test_keys_belong_to_a_merchant_and_a_route(api: Api, stranger: Api) -> None:
    key = _key()
    mine = created(await api.post("/orders", {"amount": 500}, key=key))
    theirs = created(await stranger.post("/orders", {"amount": 600}, key=key))
    public = created(await api.post("/orders/public", {"amount": 700}, key=key))
    assert len({mine["id"], theirs["id"], public["id"]}) == 3


async def test_public_keys_belong_to_the_order(api: Api) -> None:
    key = _key()
    orders = [await api.order() for _ in range(2)]
    payments = [
        created(
            await api.public(
                "POST",
                "/payments/public",
                json={"order_id": order["id"], "method": "upi", "vpa": "success@upi"},
                headers={"Idempotency-Key": key},
            )
        )
        for order in orders
    ]
    assert payments[0]["id"] != payments[1]["id"]


async def test_what_was_only_promised_can_be_paid_and_is_never_called_unknown(api: Api, stack: Stack) -> None:
    stack.hold("payments")
    try:
        order = await api.post("/orders", {"amount": 700})
        pay = {"order_id": order.json()["id"], "method": "upi", "vpa": "success@upi"}
        payment = await api.post("/payments", pay)
        captured, refunded, unknown = await asyncio.gather(
            api.post(f"/payments/{payment.json()['id']}/capture", {}),
            api.post(f"/payments/{payment.json()['id']}/refunds", {"amount": 100}),
            api.post("/payments", {**pay, "order_id": "order_AAAAAAAAAAAAAA"}),
        )
    finally:
        stack.release("payments")
    assert (order.status_code, payment.status_code) == (202, 202)
    assert {name: payment.json()[name] for name in ("status", "amount", "currency", "merchant_id")} == {
        "status": "CREATED",
        "amount": 700,
        "currency": "INR",
        "merchant_id": order.json()["merchant_id"],
    }
    # Whether it can be captured or refunded shows when it is decided; that it exists was promised.
    assert [response.status_code for response in (captured, refunded)] == [503, 503]
    assert unknown.status_code == 404
    assert (await api.decided(f"/payments/{payment.json()['id']}", timeout=30))["status"] == "SUCCESS"


async def test_without_an_actor_a_request_is_accepted_never_lost_and_can_always_be_read(api: Api, stack: Stack) -> None:
    order, twice, key = await api.order(), await api.order(), _key()
    pay_twice = {"order_id": twice["id"], "method": "upi", "vpa": "success@upi"}
    await when_keys_are_promised()
    stack.hold("payments")
    try:
        payment, made, *others = await asyncio.gather(
            api.post("/payments", {**pay_twice, "order_id": order["id"]}),
            api.post("/orders", {"amount": 800}, key=key),
            api.post("/payments", pay_twice),
            api.post("/payments", pay_twice),
        )
        repeated = await api.post("/orders", {"amount": 800}, key=key)
        read = [await api.get(response.headers["Location"].removeprefix("/api/v1")) for response in (payment, made)]
    finally:
        stack.release("payments")
    # Accepted, as it will be, and there to be read at once.
    assert (payment.status_code, payment.json()["status"], payment.json()["amount"]) == (202, "CREATED", 50_000)
    assert made.status_code == 202
    assert [response.json() for response in read] == [payment.json(), made.json()]
    # The first one is still running.
    assert (repeated.status_code, repeated.headers["Retry-After"]) == (409, "1")
    # Decided in the end, and the same order to whoever asks again.
    assert (await api.decided(f"/payments/{payment.json()['id']}", timeout=30))["status"] == "SUCCESS"
    replay = await api.post("/orders", {"amount": 800}, key=key)
    assert (replay.status_code, replay.json()["id"]) == (201, made.json()["id"])
    # Of two payments of one order one is refused: the refusal can be read where the payment was promised.
    assert [response.status_code for response in others] == [202, 202]
    found = [await api.decided(f"/payments/{response.json()['id']}") for response in others]
    assert sorted(one["status"] for one in found) == ["FAILED", "SUCCESS"]
    refused = next(one for one in found if one["status"] == "FAILED")
    assert refused["error_description"] == "Order has a payment in progress"


async def test_a_promise_to_another_request_with_the_same_key_is_read_as_refused(
    api: Api, stack: Stack, database: asyncpg.Connection
) -> None:
    # Given two orders in one partition, a payment of the first that the bank has declined, and an actor that is away
    # before it hears of that,
    first, second, key = *await orders_of_one_partition(api, stack), _key()
    await when_keys_are_promised()
    stack.hold("processor")
    try:
        declined = await api.pay(first, vpa="failure@upi")
        stack.hold("payments")
        stack.release("processor")
        await settlement_on_topic(stack, first)
        # when a request with a key gets an unknown answer, and another with the same key is promised something else,
        unknown = await api.post("/payments", {"order_id": first, "method": "upi", "vpa": "success@upi"}, key=key)
        promised = await api.post("/payments", {"order_id": second, "method": "upi", "vpa": "success@upi"}, key=key)
    finally:
        stack.release("processor")
        stack.release("payments")
    assert (unknown.status_code, promised.status_code) == (503, 202)
    assert promised.json()["order_id"] == second
    # then the first is carried out, and what was promised to the other is read as refused, not as the first one's.
    read = await api.decided(f"/payments/{promised.json()['id']}", timeout=60)
    assert (read["order_id"], read["status"], read["error_code"]) == (second, "FAILED", "IDEMPOTENCY_MISMATCH")
    count = "SELECT count(*) FROM payments WHERE order_id = $1"
    assert [await database.fetchval(count, order_id) for order_id in (first, second)] == [2, 0]
    assert (await api.get(f"/payments/{declined['id']}")).json()["status"] == "FAILED"
    # The first one's payment is still at the bank; the next test counts rows.
    paid = "SELECT count(*) FROM payments WHERE order_id = $1 AND status = 'SUCCESS'"
    await eventually(lambda: database.fetchval(paid, first), timeout=30, what="the first request's payment to succeed")


async def orders_of_one_partition(api: Api, stack: Stack) -> tuple[str, str]:
    """Ids of two orders whose commands are decided in the order in which they stand on the log."""
    first = (await api.order())["id"]
    partitions = stack.settings.topic_partitions
    for _ in range(50 * partitions):
        second = (await api.order())["id"]
        if partition_of(second.encode(), partitions) == partition_of(first.encode(), partitions):
            return first, second
    raise AssertionError("no second order of the partition")


async def settlement_on_topic(stack: Stack, order_id: str) -> None:
    """Wait until the bank's answer about the order's payment stands on the log."""

    async def is_there() -> bool:
        async with log_reader(stack.settings) as reader:
            spans = await reader.spans(await reader.partitions([COMMANDS]), Start(since=now() - timedelta(minutes=5)))
            keys = [record.key async for record in reader.merged(spans) if record.type == PAYMENT_SETTLE]
        return order_id.encode() in keys

    await eventually(is_there, timeout=30, what="the bank's answer on the log")
