"""Another way to pay, on the whole gateway: a pending attempt is left, and a payment begins with a scan."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from ops.audit.verify.audit import audit, second_process
from tests.support.api import Api, Json, error_of, taken
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(300)


async def seen(api: Api, payment_id: str, when: Callable[[Json], object], what: str) -> Json:
    """The payment, once it looks like that."""

    async def read() -> Json | None:
        found: Json = (await api.get(f"/payments/{payment_id}")).json()
        return found if when(found) else None

    return dict(await eventually(read, timeout=60, what=what))


async def waiting(api: Api, **instrument: str) -> Json:
    """A UPI payment that waits in its payer's app; by a scan unless a `vpa` is given."""
    order = await api.order()
    body = {"order_id": order["id"], "method": "upi", **(instrument or {"flow": "qr"})}
    payment = taken(await api.post("/payments", body))
    return await seen(api, payment["id"], lambda found: found["next_action"], "a next_action")


async def scanned(api: Api, payment: Json, *, approved: bool = True) -> httpx.Response:
    return await api.public("POST", f"/test/payments/{payment['id']}/scan", json={"approved": approved})


async def left(api: Api, payment: Json) -> httpx.Response:
    """By its payer."""
    return await api.public("POST", f"/payments/{payment['id']}/cancel")


async def decided(api: Api, payment: Json) -> Json:
    return await api.decided(f"/payments/{payment['id']}", timeout=60)


async def events_of(api: Api, payment: Json) -> list[str]:
    timeline = (await api.get(f"/payments/{payment['id']}/timeline")).json()
    return [event["type"] for event in timeline["data"]]


# A scan


async def test_a_payment_begins_with_a_scan_and_its_payer_approves_it(api: Api) -> None:
    payment = await waiting(api)
    assert (payment["method"], payment["flow"], "vpa" in payment) == ("upi", "qr", False)
    action, query = payment["next_action"], parse_qs(urlsplit(payment["next_action"]["url"]).query)
    assert (action["type"], urlsplit(action["url"]).scheme) == ("app", "upi")
    assert (query["tr"], query["am"], query["cu"]) == ([payment["id"]], ["500.00"], ["INR"])
    as_payer = (await api.public("GET", f"/payments/{payment['id']}/public")).json()
    assert as_payer["next_action"] == action
    response = await scanned(api, payment)
    assert (response.status_code, response.json()["status"]) == (200, "PROCESSING")
    assert ((await decided(api, payment))["status"], (await scanned(api, payment)).status_code) == ("SUCCESS", 400)


async def test_a_payer_declines_in_the_app(api: Api) -> None:
    payment = await waiting(api)
    await scanned(api, payment, approved=False)
    failed = await decided(api, payment)
    assert (failed["status"], failed["error_code"]) == ("FAILED", "UPI_DECLINED")


async def test_what_waits_for_no_app_cannot_be_scanned(api: Api) -> None:
    payment = await api.paid()
    assert error_of(await scanned(api, payment))["description"] == "Payment does not wait for a UPI app"
    assert (await scanned(api, {"id": "pay_9999999999999999"})).status_code == 404
    assert (await api.public("POST", f"/test/payments/{payment['id']}/scan", json={})).status_code == 400


async def test_a_scan_has_no_address(api: Api) -> None:
    order = await api.order()
    body = {"order_id": order["id"], "method": "upi", "flow": "qr", "vpa": "success@upi"}
    error = error_of(await api.post("/payments", body))
    assert (error["field"], error["code"]) == ("vpa", "BAD_REQUEST_ERROR")


async def test_the_code_pays_the_address_in_the_merchants_settings(newcomer: Api) -> None:
    for wrong in ("shop", "shop@", "a b@bank", "@bank", 5):
        refused = await newcomer.call("PATCH", "/merchants/me", json={"upi_payee": wrong})
        assert (refused.status_code, error_of(refused)["field"]) == (400, "upi_payee"), wrong
    before = await waiting(newcomer)
    changed = await newcomer.call("PATCH", "/merchants/me", json={"upi_payee": " shop.one@okbank "})
    assert changed.json()["upi_payee"] == "shop.one@okbank"
    payment = await waiting(newcomer)
    query = parse_qs(urlsplit(payment["next_action"]["url"]).query)
    assert (query["pa"], query["pn"]) == (["shop.one@okbank"], ["Other Shop"])
    order = (await newcomer.public("GET", f"/orders/{payment['order_id']}/public")).json()
    assert order["upi_payee"] == "shop.one@okbank"
    assert (await newcomer.call("PATCH", "/merchants/me", json={"name": "Tea"})).json()[
        "upi_payee"
    ] == "shop.one@okbank"
    assert (await newcomer.call("PATCH", "/merchants/me", json={"upi_payee": None})).json()["upi_payee"] is None
    assert (await newcomer.public("GET", f"/orders/{order['id']}/public")).json()["upi_payee"] != "shop.one@okbank"
    for one in (before, payment):
        await left(newcomer, one)
        await decided(newcomer, one)


# Leaving


async def test_a_payer_leaves_a_request_that_waits_and_pays_another_way(api: Api) -> None:
    payment = await waiting(api, vpa="pending@upi")
    body = {"order_id": payment["order_id"], "method": "upi", "vpa": "success@upi"}
    assert error_of(await api.post("/payments", body))["description"] == "Order has a payment in progress"
    response = await left(api, payment)
    leaving = response.json()
    assert (response.status_code, leaving["status"], leaving["cancellation"]) == (200, "PROCESSING", "requested")
    assert "merchant_id" not in leaving
    failed = await decided(api, payment)
    assert (failed["status"], failed["error_code"], failed["cancellation"]) == ("FAILED", "PAYMENT_CANCELLED", None)
    assert (await api.paid(payment["order_id"]))["status"] == "SUCCESS"
    assert await events_of(api, payment) == [
        "payment.created",
        "payment.processing",
        "payment.action_required",
        "payment.cancel_requested",
        "payment.failed",
    ]
    assert (await scanned(api, payment)).status_code == 400


async def test_a_bank_that_does_not_cancel_keeps_the_payer_to_the_attempt(api: Api) -> None:
    payment = await waiting(api, vpa="nocancel@upi")
    await left(api, payment)
    kept = await seen(api, payment["id"], lambda found: found["cancellation"] == "refused", "the bank's refusal")
    assert (kept["status"], kept["next_action"]) == ("PROCESSING", payment["next_action"])
    body = {"order_id": payment["order_id"], "method": "upi", "vpa": "success@upi"}
    assert error_of(await api.post("/payments", body))["description"] == "Order has a payment in progress"
    assert (await left(api, payment)).json()["cancellation"] == "refused"
    await scanned(api, payment)
    assert (await decided(api, payment))["status"] == "SUCCESS"
    assert (await events_of(api, payment)).count("payment.cancel_requested") == 1


async def test_a_merchant_cancels_a_payment_once_however_often_it_requests_it(api: Api) -> None:
    payment, key = await waiting(api), secrets.token_hex(8)
    path = f"/payments/{payment['id']}/cancel"
    first, again = await api.post(path, key=key), await api.post(path, key=key)
    assert (first.status_code, first.json()["merchant_id"]) == (200, payment["merchant_id"])
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    failed = await decided(api, payment)
    assert (await api.post(path)).json() == failed
    assert (await events_of(api, payment)).count("payment.cancel_requested") == 1


async def test_what_is_decided_is_not_left(api: Api) -> None:
    payment = await api.paid()
    assert (await api.post(f"/payments/{payment['id']}/cancel")).json() == payment
    assert (await left(api, payment)).json()["status"] == "SUCCESS"


async def test_nobody_leaves_another_merchants_payment(api: Api, stranger: Api) -> None:
    payment = await waiting(api)
    path = f"/payments/{payment['id']}/cancel"
    assert error_of(await stranger.post(path))["description"] == "Payment not found"
    assert (await api.public("POST", path, headers={"X-Api-Key": api.key, "X-Api-Secret": "wrong"})).status_code == 401
    assert (await api.get(f"/payments/{payment['id']}")).json()["cancellation"] is None
    for unknown in ("pay_9999999999999999", "order_1"):
        assert (await api.public("POST", f"/payments/{unknown}/cancel")).status_code == 404
    assert (await api.public("POST", f"/payments/{payment['id']}/public/cancel")).status_code == 200
    await decided(api, payment)


async def test_after_all_these_ways_nothing_differs(stack: Stack) -> None:
    with second_process() as second:
        report = await audit(stack.settings, second, settle_seconds=20)
    assert report.differences == 0, report.as_json()
