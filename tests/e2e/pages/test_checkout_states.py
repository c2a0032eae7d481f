"""Each state of the checkout has a screen of its own, in light on a desktop and in dark at 320 px; axe finds nothing.

With GATEWAY_SCREENSHOTS=<folder> the other two pairs are checked as well, and each look is kept as a picture.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Route, expect

from tests.support.api import Api
from tests.support.chromium import Payer, axe
from tests.support.eventually import eventually

pytestmark = pytest.mark.browser

ORDER = "**/orders/public/**"
PAY = "**/payments/public"
Look = tuple[str, int, int]
LOOKS: tuple[Look, ...] = (("light", 1100, 800), ("dark", 320, 640))
PICTURED = (*LOOKS, ("dark", 1100, 800), ("light", 320, 640))
"""All four only where pictures are wanted: rules of colour and rules of space do not depend on each other."""
FOLDER = os.environ.get("GATEWAY_SCREENSHOTS")


async def looks_right(payer: Payer, state: str, name: str = "", *, looks: Sequence[Look] = LOOKS) -> None:
    """The page says it is in `state`, nothing is wider than the window, and axe is content with every look of it."""
    await expect(payer.part("checkout-container")).to_have_attribute("data-state", state)
    found: dict[str, list[str]] = {}
    for scheme, width, height in PICTURED if FOLDER and looks is LOOKS else looks:
        await payer.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its literals
        await payer.page.set_viewport_size({"width": width, "height": height})
        look = f"{name or state}-{scheme}-{width}"
        found[look] = await axe(payer.page)
        wide = await payer.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{look} is {wide} px too wide"
        await keep_picture(payer, look)
    assert {look: faults for look, faults in found.items() if faults} == {}


async def keep_picture(payer: Payer, name: str) -> None:
    if FOLDER:
        await payer.page.screenshot(path=Path(FOLDER) / f"{name}.png", full_page=True)


@asynccontextmanager
async def held(payer: Payer, pattern: str) -> AsyncIterator[asyncio.Event]:
    """Requests to `pattern` wait until the end of the block, or until the event is set."""
    gate = asyncio.Event()

    async def hold(route: Route) -> None:
        await gate.wait()
        await route.continue_()

    await payer.page.route(pattern, hold)
    try:
        yield gate
    finally:
        gate.set()


def changed(**fields: object) -> Callable[[Route], object]:
    """The API's own answer with some fields changed: for states that orders cannot reach by themselves today."""

    async def change(route: Route) -> None:
        reply = await route.fetch()
        await route.fulfill(response=reply, body=json.dumps({**await reply.json(), **fields}))

    return change


async def test_loading_and_ready(payer: Payer, api: Api) -> None:
    order = await api.order(50_000, receipt="#4471")
    async with held(payer, ORDER):
        await payer.visit(order["id"])
        await looks_right(payer, "loading", looks=LOOKS[:1])  # before the page gives the request up
    await looks_right(payer, "ready")


async def test_both_forms(payer: Payer, api: Api) -> None:
    order = await api.order(50_000, receipt="#4471")
    await payer.visit(order["id"])
    await payer.part("method-upi").click()
    await expect(payer.part("scan-button")).to_be_visible()
    await looks_right(payer, "ready", "upi")
    await payer.fill_card()
    await looks_right(payer, "ready", "card")
    await payer.fill_card("4111 1111 1111 1112", cvv="1")
    await payer.pay_button("card").click()
    await looks_right(payer, "ready", "card-faults")


async def test_submitting_processing_and_success(payer: Payer, api: Api) -> None:
    order = await api.order(50_000, receipt="#4471")
    await payer.visit(order["id"])
    async with held(payer, PAY) as gate:
        await payer.pay_by_upi("unknown@upi")
        await looks_right(payer, "submitting")
        async with held(payer, "**/payments/*/public"), held(payer, "**/public/stream"):
            gate.set()
            await looks_right(payer, "processing")
    await looks_right(payer, "success")


async def test_a_code_to_scan_and_another_way_to_pay(payer: Payer, api: Api) -> None:
    order = await api.order(50_000, receipt="#4471")
    await payer.visit(order["id"])
    await payer.part("method-upi").click()
    await payer.part("scan-button").click()
    await expect(payer.page.locator(".qr path")).to_have_count(1)
    await looks_right(payer, "processing", "scan")
    await payer.page.reload()
    await expect(payer.page.locator(".qr path")).to_have_count(1)
    await payer.part("another-way-button").click()
    await expect(payer.part("checkout-container")).to_have_attribute("data-state", "ready")
    await payer.pay_by_upi()
    await expect(payer.part("success-state")).to_be_visible()
    statuses = [one["status"] for one in (await api.get("/payments", order_id=order["id"])).json()]
    assert statuses == ["SUCCESS", "FAILED"]


async def test_a_scan_is_approved_or_declined_in_the_app(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.part("method-upi").click()
    await payer.part("scan-button").click()
    await payer.part("simulate-refusal").click()
    await expect(payer.part("error-message")).to_contain_text("UPI request was declined")
    await payer.part("retry-button").click()
    await payer.part("scan-button").click()
    await payer.part("simulate-scan").click()
    await expect(payer.part("success-state")).to_be_visible()


async def test_a_request_that_waits_is_left_or_its_bank_refuses(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.pay_by_upi("pending@upi")
    await expect(payer.part("another-way-button")).to_be_visible()
    await looks_right(payer, "processing", "pending")
    await payer.part("another-way-button").click()
    await expect(payer.part("checkout-container")).to_have_attribute("data-state", "ready")
    await payer.pay_by_upi("nocancel@upi")
    await payer.part("another-way-button").click()
    await expect(payer.part("leaving-note")).to_have_text(
        "Your bank does not cancel this attempt. Approve or decline it first."
    )
    await looks_right(payer, "processing", "not-cancelled")
    await expect(payer.part("another-way-button")).to_be_hidden()
    await payer.part("simulate-scan").click()
    await expect(payer.part("success-state")).to_be_visible()


async def test_failed_retryable(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.pay_by_card("4000000000000002")
    await looks_right(payer, "failed")
    await expect(payer.part("retry-button")).to_be_visible()


async def test_failed_for_good(payer: Payer, api: Api) -> None:
    """The API refuses what no field of the form can fix: here an amount that is not the order's."""
    order = await api.order(50_000)
    payer.seen.expect("400")
    await payer.visit(order["id"])

    async def with_other_amount(route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        await route.continue_(post_data=json.dumps({**body, "amount": 100}))

    await payer.page.route(PAY, with_other_amount)
    await payer.pay_by_upi()
    await looks_right(payer, "failed", "failed-for-good")
    await expect(payer.part("error-message")).not_to_be_empty()
    await expect(payer.part("retry-button")).to_be_hidden()


async def test_a_payment_without_a_response_can_be_retried(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    payer.seen.expect("503")
    await payer.visit(order["id"])
    await payer.page.clock.install()

    async def unavailable(route: Route) -> None:
        error = {"code": "SERVICE_UNAVAILABLE", "description": "The log does not answer"}
        headers = {"Access-Control-Allow-Origin": payer.stack.checkout_url}
        await route.fulfill(status=503, headers=headers, json={"error": error})

    await payer.page.route(PAY, unavailable)
    await payer.pay_by_upi()
    for _ in range(6):
        await payer.page.clock.run_for(15_000)
    await looks_right(payer, "failed", "no-answer")
    await payer.page.unroute(PAY)
    await payer.part("retry-button").click()
    await payer.pay_button("upi").click()
    await expect(payer.part("success-state")).to_be_visible()
    keys = {r.headers["idempotency-key"] for r in payer.seen.requests if r.method == "POST"}
    assert len(keys) == 1


async def test_expired(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.page.route(ORDER, changed(expires_at="2020-01-01T00:00:00.000000Z"))
    await payer.visit(order["id"])
    await looks_right(payer, "expired")


async def test_expires_while_it_is_open(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.page.clock.install()
    soon = await payer.page.evaluate("new Date(Date.now() + 60_000).toISOString()")
    await payer.page.route(ORDER, changed(expires_at=soon))
    await payer.visit(order["id"])
    await expect(payer.part("checkout-container")).to_have_attribute("data-state", "ready")
    await payer.page.clock.run_for(61_000)
    await expect(payer.part("checkout-container")).to_have_attribute("data-state", "expired")


async def test_until_when_it_can_be_paid(payer: Payer, api: Api) -> None:
    order = await api.order(50_000, expires_at=(datetime.now(UTC) + timedelta(hours=2)).isoformat())
    await payer.visit(order["id"])
    shown = payer.part("expires-at").locator("time")
    await expect(shown).to_have_attribute("datetime", order["expires_at"])
    await looks_right(payer, "ready", "ready-expires")
    await payer.pay_by_upi()
    await expect(payer.part("success-state")).to_be_visible()
    await expect(shown).to_have_count(0)


async def test_cancelled(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await api.post(f"/orders/{order['id']}/cancel")
    await payer.visit(order["id"])
    await looks_right(payer, "expired", "cancelled")
    await expect(payer.part("error-message")).to_have_text("The shop has cancelled it. It can no longer be paid.")
    await expect(payer.part("retry-button")).to_be_hidden()


async def test_cancelled_while_it_is_open(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.page.clock.install()
    await payer.visit(order["id"])
    await payer.fill_card()
    await api.post(f"/orders/{order['id']}/cancel")
    await payer.page.clock.run_for(31_000)
    await expect(payer.part("error-message")).to_contain_text("The shop has cancelled it")
    await expect(payer.part("card-number-input")).to_have_value("")


async def test_cancelled_before_the_button_is_pressed(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    payer.seen.expect("400")
    await payer.visit(order["id"])
    await expect(payer.part("checkout-container")).to_have_attribute("data-state", "ready")
    await api.post(f"/orders/{order['id']}/cancel")
    await payer.pay_by_upi()
    await expect(payer.part("error-message")).to_contain_text("The shop has cancelled it")


async def test_a_decline_after_the_end_offers_no_other_try(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.fill_card("4000000000000002")
    await payer.page.route(ORDER, changed(status="EXPIRED"))
    await payer.pay_button("card").click()
    await expect(payer.part("checkout-container")).to_have_attribute("data-state", "expired")
    await expect(payer.part("money-note")).to_have_text("You have not been charged.")
    await expect(payer.part("retry-button")).to_be_hidden()


async def test_a_void_after_the_success_shows_when_the_page_is_looked_at_again(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.pay_by_upi()
    await expect(payer.part("success-state")).to_be_visible()
    payment_id = await payer.part("payment-id").inner_text()
    await api.post(f"/payments/{payment_id}/void")

    async def returned() -> bool:
        found = (await api.get("/refunds", payment_id=payment_id, status="PROCESSED")).json()["data"]
        return len(found) == 1

    await eventually(returned, timeout=40, what="the money to go back")
    await payer.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(payer.part("success-message")).to_have_text(
        "The shop has cancelled it. ₹500.00 went back to the account it was paid from."
    )
    await expect(payer.part("amount-refunded")).to_have_text("₹500.00")
    await looks_right(payer, "success", "voided")


async def test_already_paid(payer: Payer, api: Api) -> None:
    payment = await api.paid()
    await payer.visit(payment["order_id"])
    await looks_right(payer, "paid")


Refunds = list[dict[str, object]]
VOIDED: dict[str, object] = {"voided": True, "void_reason": "requested", "amount_released": 50_000}


def refund(amount: int, status: str, *, automatic: bool = False) -> dict[str, object]:
    return {"amount": amount, "status": status, "automatic": automatic}


def with_money(payment: dict[str, object], refunds: Refunds) -> Callable[[Route], object]:
    """The API's own answer with another fate of the payment's money."""

    async def change(route: Route) -> None:
        reply = await route.fetch()
        order = await reply.json()
        order |= {"payment": {**order["payment"], **payment}, "refunds": refunds}
        await route.fulfill(response=reply, body=json.dumps(order))

    return change


@pytest.mark.parametrize(
    ("name", "payment", "refunds", "message"),
    [
        ("part-returned", {"amount_refunded": 20_000}, [refund(20_000, "PROCESSED")], "₹200.00"),
        (
            "part-returning",
            {"amount_refunded": 30_000},
            [refund(10_000, "PENDING"), refund(20_000, "PROCESSED")],
            "Refund on its way",
        ),
        ("returning", {"amount_refunded": 50_000}, [refund(50_000, "PENDING")], "₹500.00 is on its way back"),
        ("returned", {"amount_refunded": 50_000}, [refund(50_000, "PROCESSED")], "₹500.00 went back"),
        ("reversed", {"reversed": True}, [], "The bank has returned ₹500.00"),
        ("voided", VOIDED, [refund(50_000, "PENDING", automatic=True)], "₹500.00 is on its way back"),
        ("voided-kept", VOIDED, [refund(50_000, "FAILED", automatic=True)], "Contact the shop with this payment ID"),
        (
            "expired",
            VOIDED | {"void_reason": "expired"},
            [refund(50_000, "PROCESSED", automatic=True)],
            "The shop did not accept it in time. ₹500.00 went back",
        ),
        ("part-released", {"amount_released": 20_000}, [refund(20_000, "PROCESSED", automatic=True)], "₹200.00"),
        ("part-kept", {"amount_released": 20_000}, [refund(20_000, "FAILED", automatic=True)], "has not gone back yet"),
    ],
)
async def test_a_receipt_shows_what_happened_to_the_money(
    payer: Payer, api: Api, name: str, payment: dict[str, object], refunds: Refunds, message: str
) -> None:
    paid = await api.paid()
    await payer.page.route(ORDER, with_money(payment, refunds))
    await payer.visit(paid["order_id"])
    await expect(payer.part("success-state")).to_contain_text(message)
    await looks_right(payer, "paid", f"paid-{name}")


@pytest.mark.parametrize(
    ("name", "payment", "refunds", "message"),
    [
        ("unconfirmed", {"error_code": "BANK_TIMEOUT"}, [], "If money was taken, it will be returned"),
        ("late-returning", {"amount_refunded": 50_000}, [refund(50_000, "PENDING", automatic=True)], "on its way back"),
        ("late-returned", {"amount_refunded": 50_000}, [refund(50_000, "PROCESSED", automatic=True)], "and returned"),
        ("late-kept", {}, [refund(50_000, "FAILED", automatic=True)], "has not gone back yet"),
        ("late-reversed", {"reversed": True}, [], "The bank has returned ₹500.00"),
    ],
)
async def test_a_failed_payment_shows_what_happened_to_the_money(
    payer: Payer, api: Api, name: str, payment: dict[str, object], refunds: Refunds, message: str
) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.pay_by_card("4000000000000002")
    await expect(payer.part("money-note")).to_have_text("You have not been charged.")
    await payer.page.route(ORDER, with_money(payment, refunds))
    await payer.page.reload()
    await expect(payer.part("money-note")).to_contain_text(message)
    await looks_right(payer, "failed", f"failed-{name}")


@pytest.mark.parametrize("order_id", ["order_0000000000000000", "order_x", ""])
async def test_not_found(payer: Payer, order_id: str) -> None:
    payer.seen.expect("404")
    await payer.visit(order_id)
    await expect(payer.part("error-message")).to_contain_text("The link is incomplete or wrong")
    if order_id == "order_x":
        await looks_right(payer, "not_found")


async def test_refused_for_a_page_the_merchant_does_not_know(payer: Payer, newcomer: Api) -> None:
    known = {"allowed_origins": ["https://shop.example"]}
    assert (await newcomer.call("PATCH", "/merchants/me", json=known)).status_code == 200
    order = await newcomer.order(50_000)
    await payer.visit(order["id"], "&embedded=true#n-1~https://evil.example")
    await looks_right(payer, "refused")


async def test_offline_and_back(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    payer.seen.expect("net::ERR_INTERNET_DISCONNECTED")
    async with held(payer, ORDER):
        await payer.visit(order["id"])
        await expect(payer.part("checkout-container")).to_have_attribute("data-state", "loading")
        await payer.context.set_offline(True)
    await looks_right(payer, "offline")
    await payer.context.set_offline(False)
    await expect(payer.part("checkout-container")).to_have_attribute("data-state", "ready")


async def test_server_down_and_back(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    payer.seen.expect("net::ERR_CONNECTION_REFUSED")
    await payer.page.route(ORDER, lambda route: route.abort("connectionrefused"))
    await payer.visit(order["id"])
    await looks_right(payer, "server_down")
    await payer.page.unroute(ORDER)
    await expect(payer.part("checkout-container")).to_have_attribute("data-state", "ready")
