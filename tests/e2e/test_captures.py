"""Captures, voids and what they release, over HTTP, from the request to the money that is back."""

from __future__ import annotations

import asyncio
import random
import secrets
from typing import Any

import pytest

from ops.audit.verify.audit import audit, second_process
from tests.support.api import Api, created, error_of
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(300)


async def refused(api: Api, path: str, body: Any = None) -> tuple[int, str]:
    response = await api.post(path, body)
    return response.status_code, error_of(response)["description"]


async def returned(api: Api, payment_id: str) -> dict[str, Any]:
    """The refund that the gateway made of its own accord, once the bank has carried it out."""

    async def processed() -> dict[str, Any] | None:
        found = (await api.get("/refunds", payment_id=payment_id, status="PROCESSED")).json()["data"]
        return next((one for one in found if one["automatic"]), None)

    return dict(await eventually(processed, timeout=40, what="the released money to go back"))


async def test_an_order_may_capture_by_itself(api: Api) -> None:
    order = await api.order(capture="automatic")
    assert (order["capture"], order["capture_within_minutes"]) == ("automatic", None)
    payment = await api.paid(order["id"])
    assert (payment["captured"], payment["amount_captured"]) == (True, payment["amount"])
    timeline = (await api.get(f"/payments/{payment['id']}/timeline")).json()["data"]
    assert [event["type"] for event in timeline][-2:] == ["payment.success", "payment.captured"]
    success, captured = [(await api.get(f"/events/{event['id']}")).json()["data"]["payment"] for event in timeline[-2:]]
    assert (success["captured"], captured["captured"]) == (False, True)
    assert await refused(api, f"/payments/{payment['id']}/capture") == (400, "Payment not in capturable state")
    assert await refused(api, f"/payments/{payment['id']}/void") == (400, "Payment not in voidable state")


async def test_what_a_capture_does_not_take_is_refunded(api: Api) -> None:
    payment = await api.paid(amount=1_000)
    path = f"/payments/{payment['id']}"
    captured = (await api.post(f"{path}/capture", {"amount": 700})).json()
    assert (captured["captured"], captured["amount_captured"], captured["amount_released"]) == (True, 700, 300)
    assert ((await returned(api, payment["id"]))["amount"], captured["voided"]) == (300, False)
    assert (await api.get(path)).json()["amount_refunded"] == 0
    rest = created(await api.post(f"{path}/refunds", {}))
    assert rest["amount"] == 700
    after = (await api.get(path)).json()
    assert (after["amount_captured"], after["amount_released"], after["amount_refunded"]) == (700, 300, 700)


async def test_the_money_of_a_voided_payment_is_refunded(api: Api) -> None:
    payment, key = await api.paid(amount=1_000), secrets.token_hex(8)
    path = f"/payments/{payment['id']}"
    voided = await api.post(f"{path}/void", {}, key=key)
    assert voided.status_code == 200, voided.text
    body = voided.json()
    assert (body["status"], body["voided"], body["void_reason"]) == ("SUCCESS", True, "requested")
    assert (body["captured"], body["amount_released"], body["amount_refunded"]) == (False, 1_000, 0)
    again = await api.post(f"{path}/void", {}, key=key)
    assert (again.content, again.headers["Idempotent-Replayed"]) == (voided.content, "true")
    assert (await returned(api, payment["id"]))["amount"] == 1_000
    assert await refused(api, f"{path}/void") == (400, "Payment not in voidable state")
    assert await refused(api, f"{path}/capture") == (400, "Payment not in capturable state")
    assert await refused(api, f"{path}/refunds", {"amount": 1}) == (400, "Refund amount exceeds available amount")


async def test_only_a_success_that_nothing_was_taken_of_is_voided(api: Api, stranger: Api) -> None:
    failed = await api.paid(vpa="failure@upi")
    assert await refused(api, f"/payments/{failed['id']}/void") == (400, "Payment not in voidable state")
    payment = await api.paid()
    assert await refused(stranger, f"/payments/{payment['id']}/void") == (404, "Payment not found")
    created(await api.post(f"/payments/{payment['id']}/refunds", {"amount": 100}))
    assert await refused(api, f"/payments/{payment['id']}/void") == (400, "Payment not in voidable state")


async def test_a_payment_shows_until_when_it_can_be_captured(api: Api) -> None:
    order = await api.order(capture_within_minutes=30)
    payment = await api.paid(order["id"])
    assert payment["capture_before"] > payment["updated_at"]
    captured = (await api.post(f"/payments/{payment['id']}/capture")).json()
    assert captured["capture_before"] is None


@pytest.mark.parametrize(
    ("field", "value"), [("capture", "later"), ("capture_within_minutes", 0), ("capture_within_minutes", 10**9)]
)
async def test_a_capture_that_is_none_is_refused(api: Api, field: str, value: object) -> None:
    response = await api.post("/orders", {"amount": 500, field: value})
    assert (response.status_code, error_of(response)["field"]) == (400, field)


async def test_orders_follow_their_merchants_setting_unless_they_say_otherwise(newcomer: Api) -> None:
    async def made(**wanted: Any) -> bool:
        order = await newcomer.order()
        return wanted.items() <= order.items()

    async def change(**wanted: Any) -> None:
        answer = await newcomer.call("PATCH", "/merchants/me", json=wanted)
        assert answer.status_code == 200, answer.text
        assert wanted.items() <= answer.json().items()

    await change(capture="automatic", capture_within_minutes=45)
    await eventually(lambda: made(capture="automatic", capture_within_minutes=45), timeout=20)
    assert (await newcomer.order(capture="manual"))["capture"] == "manual"
    await change(name="Another Name")
    assert await made(capture="automatic")
    await change(capture="manual", capture_within_minutes=None)
    await eventually(lambda: made(capture="manual", capture_within_minutes=None), timeout=20)


async def test_a_browser_does_not_decide_how_its_payment_is_captured(api: Api) -> None:
    body = {"amount": 500, "capture": "automatic", "capture_within_minutes": 1}
    response = await api.public("POST", "/orders/public", json=body)
    assert response.status_code == 201, response.text
    assert (response.json()["capture"], response.json()["capture_within_minutes"]) == ("manual", None)
    assert response.headers["X-Ignored"] == "capture, capture_within_minutes"


async def test_voids_captures_and_refunds_at_once_never_move_more_than_there_is(api: Api) -> None:
    payments = await asyncio.gather(*(api.paid(amount=1_000) for _ in range(10)))
    requested = [
        api.post(f"/payments/{payment['id']}/{path}", body)
        for payment in payments
        for path, body in (("void", {}), ("capture", {"amount": 600}), ("refunds", {"amount": 500}), ("refunds", {}))
    ]
    random.shuffle(requested)
    responses = await asyncio.gather(*requested)
    assert {response.status_code for response in responses} <= {200, 201, 202, 400}
    for payment in payments:
        after = (await api.get(f"/payments/{payment['id']}")).json()
        assert after["amount_captured"] + after["amount_released"] <= 1_000
        assert after["amount_refunded"] + after["amount_released"] <= 1_000
        assert not (after["captured"] and after["voided"])


async def test_after_all_this_nothing_differs(stack: Stack) -> None:
    with second_process() as second:
        report = await audit(stack.settings, second, settle_seconds=20)
    assert report.differences == 0, report.as_json()
