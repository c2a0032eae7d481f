"""A payer at the test bank's page, in a real browser: from the checkout there and back, in a page and in a frame."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.e2e.pages.conftest import Shop
from tests.e2e.pages.test_sdk import callbacks, open_checkout
from tests.support.api import Api
from tests.support.chromium import Payer, axe

pytestmark = pytest.mark.browser
OTP_CARD = "4000 0000 0000 3220"
BANK_PAGE = re.compile(r"/bank/pay_")


async def test_the_payer_is_led_to_the_bank_and_back_to_the_receipt(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.pay_by_card(OTP_CARD)
    await payer.page.wait_for_url(BANK_PAGE)
    await expect(payer.part("bank-page")).to_contain_text("INR 500.00")
    assert await axe(payer.page) == []
    await payer.part("otp-input").fill("1234")
    await payer.part("otp-submit").click()
    await expect(payer.part("success-state")).to_be_visible()


async def test_a_wrong_password_fails_the_payment_and_the_payer_can_try_again(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.pay_by_card(OTP_CARD)
    await payer.page.wait_for_url(BANK_PAGE)
    await payer.part("otp-input").fill("0000")
    await payer.part("otp-submit").click()
    await expect(payer.part("error-message")).to_contain_text("could not confirm that it was you")
    await payer.part("retry-button").click()
    await payer.pay_by_upi()
    await expect(payer.part("success-state")).to_be_visible()


async def test_the_back_button_leads_to_a_link_and_not_to_the_bank_again(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.pay_by_card(OTP_CARD)
    await payer.page.wait_for_url(BANK_PAGE)
    await payer.page.go_back()
    await expect(payer.part("bank-link")).to_be_visible()
    assert await axe(payer.page) == []
    await payer.page.reload()
    await payer.part("bank-link").click()
    await payer.page.wait_for_url(BANK_PAGE)
    await payer.part("bank-cancel").click()
    await expect(payer.part("error-message")).to_contain_text("You cancelled the payment at your bank")


async def test_in_a_frame_the_bank_opens_in_a_tab_and_the_frame_shows_the_result(
    payer: Payer, api: Api, shop: Shop
) -> None:
    order = await api.order(50_000)
    await open_checkout(payer, shop, order_id=order["id"])
    await payer.pay_by_card(OTP_CARD)
    async with payer.context.expect_page() as opening:
        await payer.part("bank-link").click()
    bank = await opening.value
    await bank.locator('[data-test-id="otp-input"]').fill("1234")
    await bank.locator('[data-test-id="otp-submit"]').click()
    await expect(payer.part("success-state")).to_be_visible()
    (payment,) = await callbacks(payer, "success")
    assert (payment["status"], payment["next_action"]) == ("SUCCESS", None)


async def test_netbanking_leads_to_the_chosen_bank_and_back(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.part("method-netbanking").click()
    await payer.pay_button("netbanking").click()
    await expect(payer.root.get_by_role("alert").filter(has_text="Choose your bank")).to_be_visible()
    assert await axe(payer.page) == []
    await payer.part("bank-select").select_option("HDFC")
    await payer.pay_button("netbanking").click()
    await payer.page.wait_for_url(BANK_PAGE)
    assert await axe(payer.page) == []
    await payer.part("bank-success").click()
    await expect(payer.part("success-state")).to_be_visible()
    await expect(payer.root.get_by_text("Netbanking HDFC Bank")).to_be_visible()
