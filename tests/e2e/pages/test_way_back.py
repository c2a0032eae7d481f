"""A payer who fills the window with the checkout gets back to the shop, with what became of the payment."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.e2e.pages.conftest import Shop
from tests.e2e.pages.test_checkout_states import looks_right
from tests.e2e.pages.test_sdk import callbacks, open_checkout
from tests.support.api import Api
from tests.support.chromium import Payer

pytestmark = pytest.mark.browser


def back(shop: Shop) -> str:
    return shop.publish("<!doctype html><title>Thanks</title><link rel=icon href=data:,><h1>Thank you</h1>")


async def test_a_success_leads_back_by_itself_once(payer: Payer, api: Api, shop: Shop) -> None:
    order = await api.order(50_000, return_url=back(shop))
    await payer.visit(order["id"])
    await expect(payer.part("leave-link")).to_have_attribute("href", order["return_url"])
    await looks_right(payer, "ready", "ready-return")
    await payer.pay_by_upi()
    await payer.page.wait_for_url(f"{order['return_url']}?**")
    address = payer.page.url
    assert re.search(
        rf"\?order_id={order['id']}&payment_id=pay_\w{{16}}&status=SUCCESS&signature=[0-9a-f]{{64}}$", address
    )
    # Back in the shop is no trap: the receipt stays.
    await payer.page.go_back()
    await expect(payer.part("success-state")).to_be_visible()
    await expect(payer.part("return-button")).to_have_attribute("href", address)
    await expect(payer.root.get_by_text("in a moment")).to_have_count(0)
    await looks_right(payer, "success", "success-return")


async def test_a_key_stops_the_way_back(payer: Payer, api: Api, shop: Shop) -> None:
    order = await api.order(50_000, return_url=back(shop))
    await payer.visit(order["id"])
    await payer.pay_by_upi()
    leaving = payer.root.get_by_text("in a moment")
    await expect(leaving).to_be_visible()
    await payer.page.keyboard.press("Tab")
    await expect(leaving).to_have_count(0)
    await expect(payer.part("return-button")).to_have_attribute("href", re.compile("status=SUCCESS&signature="))


async def test_a_failure_offers_another_try_and_the_way_back(payer: Payer, api: Api, shop: Shop) -> None:
    order = await api.order(50_000, return_url=back(shop))
    await payer.visit(order["id"])
    await payer.pay_by_upi("failure@upi")
    await expect(payer.part("error-state")).to_be_visible()
    button = payer.part("error-state").locator('[data-test-id="return-button"]')
    await expect(button).to_have_attribute("href", re.compile("status=FAILED&signature=[0-9a-f]{64}$"))
    await looks_right(payer, "failed", "failed-return")
    await payer.part("retry-button").click()
    await payer.pay_by_upi()
    await payer.page.wait_for_url(re.compile("status=SUCCESS"))


async def test_an_order_that_has_ended_leads_back(payer: Payer, api: Api, shop: Shop) -> None:
    order = await api.order(50_000, return_url=back(shop))
    await api.post(f"/orders/{order['id']}/cancel")
    await payer.visit(order["id"])
    button = payer.part("error-state").locator('[data-test-id="return-button"]')
    await expect(button).to_have_attribute("href", re.compile("payment_id=&status=CANCELLED&signature="))
    await looks_right(payer, "expired", "cancelled-return")


async def test_inside_the_shops_page_the_modal_is_the_way_back(payer: Payer, api: Api, shop: Shop) -> None:
    order = await api.order(50_000, return_url=back(shop))
    prefill = {"name": "Asha Rao", "email": "asha@example.com", "contact": "+91 98765-43210", "vpa": "success@upi"}
    await open_checkout(payer, shop, order_id=order["id"], method="upi", prefill=prefill)
    await payer.pay_button("upi").click()
    [paid] = await callbacks(payer, "success")
    await expect(payer.part("return-button")).to_have_count(0)
    # The shop's prefill says who paid; the browser is not told again.
    payment = await api.decided(f"/payments/{paid['id']}")
    assert [payment[name] for name in ("name", "email", "contact")] == ["Asha Rao", "asha@example.com", "+919876543210"]
    assert "email" not in paid


async def test_an_invalid_prefill_does_not_prevent_a_payment(payer: Payer, api: Api, shop: Shop) -> None:
    order = await api.order(50_000)
    prefill = {"name": "a\nb", "email": "asha", "contact": "ring me", "vpa": "success@upi"}
    await open_checkout(payer, shop, order_id=order["id"], method="upi", prefill=prefill)
    await payer.pay_button("upi").click()
    [paid] = await callbacks(payer, "success")
    assert (await api.decided(f"/payments/{paid['id']}"))["email"] is None
