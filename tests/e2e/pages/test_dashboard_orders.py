"""Orders and the ends of payments in the dashboard: found, followed, cancelled, captured in part, voided."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.support.chromium import held_until
from tests.support.dashboard import NARROW, WIDE, Visitor, visiting
from tests.support.signed_up import PASSWORD, SignedUp, body_of, signed_up
from tests.support.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
SCREENSHOTS = os.environ.get("DASHBOARD_SCREENSHOTS")
LOOKS = pytest.mark.parametrize(
    ("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide-light", "narrow-dark"]
)


@pytest.fixture
async def merchant(pages: Stack) -> AsyncIterator[SignedUp]:
    async with signed_up(pages, name="Corner Books") as found:
        yield found


async def order_of(merchant: SignedUp, **fields: object) -> str:
    return str(body_of(await merchant.client.post("/orders", json={"amount": 50_000, **fields}), 201)["id"])


async def try_to_pay(merchant: SignedUp, order_id: str, vpa: str, status: str) -> str:
    body = {"order_id": order_id, "method": "upi", "vpa": vpa}
    payment_id = body_of(await merchant.client.post("/payments", json=body), 201)["id"]
    await merchant.until("/payments", payment_id, status)
    return str(payment_id)


async def picture(visitor: Visitor, name: str) -> None:
    """The page fits its window and axe finds nothing; a picture is kept where one is asked for."""
    overflow = await visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0, f"{name} is {overflow} px wider than its window"
    await visitor.examine(name)
    if SCREENSHOTS:
        width = visitor.page.viewport_size["width"]  # type: ignore[index]  # it has a size
        await visitor.page.screenshot(path=Path(SCREENSHOTS) / f"{name}_{width}.png", full_page=True)


@LOOKS
async def test_orders_are_found_by_what_became_of_them(
    browser: Browser, pages: Stack, merchant: SignedUp, size: tuple[int, int], scheme: str
) -> None:
    expires_at = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    untried = await order_of(merchant, receipt="invoice-41", expires_at=expires_at)
    abandoned = await order_of(merchant, receipt="invoice-42")
    await try_to_pay(merchant, abandoned, "failure@upi", "FAILED")
    paid = await order_of(merchant, receipt="offer-7")
    await try_to_pay(merchant, paid, "success@upi", "SUCCESS")
    async with visiting(browser, pages, size=size, scheme=scheme) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.open("/dashboard/orders")
        rows = visitor.part("order-row")
        await expect(rows).to_have_count(3)
        await picture(visitor, "orders")

        async def shown(address: str, *ids: str) -> None:
            await visitor.open(f"/dashboard/orders{address}")
            await expect(rows).to_have_count(len(ids))
            assert [await row.get_attribute("data-order-id") for row in await rows.all()] == list(ids)

        await shown("?show=abandoned", abandoned)
        await expect(visitor.part("group-meaning")).to_contain_text("attempts have all failed")
        await expect(rows.locator('[data-test-id="attempts"]')).to_have_text("1")
        await picture(visitor, "orders_abandoned")
        await shown("?show=unpaid", abandoned, untried)
        await shown("?status=paid", paid)
        await shown("?q=invoice", abandoned, untried)
        await shown(f"?q={paid}", paid)
        await visitor.page.get_by_label("Receipt or id").fill("nothing like it")
        await visitor.page.keyboard.press("Enter")
        await expect(visitor.page.locator('[data-state="no-match"]')).to_be_visible()
        await visitor.page.get_by_role("link", name="Clear filters").click()
        await expect(rows).to_have_count(3)


async def test_an_order_on_screen_counts_its_attempts_as_they_are_made(
    browser: Browser, pages: Stack, merchant: SignedUp
) -> None:
    order_id = await order_of(merchant)
    async with visiting(browser, pages) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.open("/dashboard/orders")
        await visitor.see("attempts", "0")
        await expect(visitor.page.locator('[data-live="live"]')).to_be_visible()
        await try_to_pay(merchant, order_id, "failure@upi", "FAILED")
        await visitor.see("attempts", "1")
        await order_of(merchant)
        await visitor.see("new-orders-bar", "1 new – show")
        await try_to_pay(merchant, order_id, "success@upi", "SUCCESS")
        await visitor.see("status", "paid")
        await visitor.press("new-orders-bar")
        await expect(visitor.part("order-row")).to_have_count(2)


@LOOKS
async def test_rows_stay_readable_while_they_are_read_again(
    browser: Browser, pages: Stack, merchant: SignedUp, size: tuple[int, int], scheme: str
) -> None:
    order_id = await order_of(merchant, receipt="invoice-42")
    payment_id = await try_to_pay(merchant, order_id, "failure@upi", "FAILED")
    async with visiting(browser, pages, size=size, scheme=scheme) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.open(f"/dashboard/orders/{order_id}")
        table = visitor.page.locator('table[data-test-id="order-payments"]')
        await expect(table).to_contain_text(payment_id)
        await expect(visitor.page.locator('[data-live="live"]')).to_be_visible()
        network = asyncio.Event()
        await visitor.page.route(re.compile(r"/api/v1/payments\?"), held_until(network))
        await try_to_pay(merchant, order_id, "failure@upi", "FAILED")
        await expect(visitor.page.locator('[aria-busy="true"]').filter(has=table)).to_be_visible()
        await visitor.examine("an order whose payments are being read again")
        await picture(visitor, "order_payments_refreshing")
        network.set()
        await visitor.page.unroute_all(behavior="wait")
        await expect(table.locator("tbody tr")).to_have_count(2)


@LOOKS
async def test_an_order_is_read_and_cancelled(
    browser: Browser, pages: Stack, merchant: SignedUp, size: tuple[int, int], scheme: str
) -> None:
    order_id = await order_of(
        merchant, receipt="invoice-42", notes={"colour": "green", "gift": "yes"}, capture_within_minutes=4_320
    )
    failed = await try_to_pay(merchant, order_id, "failure@upi", "FAILED")
    async with visiting(browser, pages, size=size, scheme=scheme) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.open(f"/dashboard/payments/{failed}")
        await visitor.page.get_by_role("link", name=order_id).click()
        await visitor.see("order-status", "created")
        await visitor.see("receipt", "invoice-42")
        await visitor.see("amount-paid", "₹0.00 of ₹500.00")
        await visitor.see("capture-terms", "manually, within 3 days")
        await expect(visitor.part("order-notes")).to_contain_text("green")
        await expect(visitor.part("order-payments")).to_contain_text(failed)
        await picture(visitor, "order")

        await visitor.press("cancel-order-button")
        await picture(visitor, "order_cancel")
        await visitor.press("confirm-button")
        await visitor.see("order-status", "cancelled")
        await expect(visitor.part("cancel-order-button")).to_have_count(0)
        assert (await merchant.get(f"/orders/{order_id}"))["status"] == "CANCELLED"
        await picture(visitor, "order_cancelled")


async def test_an_order_that_is_paid_or_being_paid_is_not_offered_for_cancelling(
    browser: Browser, pages: Stack, merchant: SignedUp
) -> None:
    order_id = await order_of(merchant)
    async with visiting(browser, pages) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.open(f"/dashboard/orders/{order_id}")
        await visitor.see("cancel-order-button")
        await expect(visitor.page.locator('[data-live="live"]')).to_be_visible()
        body = {"order_id": order_id, "method": "netbanking", "bank": "HDFC"}
        body_of(await merchant.client.post("/payments", json=body), 201)
        await expect(visitor.part("cancel-order-button")).to_have_count(0)
        await visitor.see("attempts", "1")
        await visitor.open(f"/dashboard/orders/{(await merchant.pay())['order_id']}")
        await visitor.see("order-status", "paid")
        await expect(visitor.part("order-payments")).to_contain_text("success")
        await expect(visitor.part("cancel-order-button")).to_have_count(0)


@LOOKS
async def test_a_payment_is_captured_in_part_and_the_rest_is_refunded(
    browser: Browser, pages: Stack, merchant: SignedUp, size: tuple[int, int], scheme: str
) -> None:
    order_id = await order_of(merchant, capture_within_minutes=60)
    payment_id = await try_to_pay(merchant, order_id, "success@upi", "SUCCESS")
    await merchant.refund(payment_id, amount=10_000)
    async with visiting(browser, pages, size=size, scheme=scheme) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.open(f"/dashboard/payments/{payment_id}")
        await visitor.see("capture-before")
        await expect(visitor.part("void-button")).to_have_count(0)
        await picture(visitor, "payment_uncaptured")
        await visitor.press("capture-button")
        await expect(visitor.part("capture-amount-input")).to_have_value("400.00")
        await visitor.fill("capture-amount-input", "300")
        await picture(visitor, "payment_capture")
        await visitor.press("review-capture-button")
        dialog = visitor.page.get_by_role("dialog", name="Capture")
        await expect(dialog).to_contain_text("₹300.00 is settled to you, and ₹100.00 goes back to the payer.")
        await visitor.press("confirm-capture-button")
        await visitor.see("captured", "₹300.00 of ₹500.00")
        await visitor.see("amount-released", "₹100.00 by a capture of less")
        await expect(visitor.part("timeline")).to_contain_text("Captured")
        await expect(visitor.part("refund-status")).to_have_text(["processed", "processed"])
        await expect(visitor.part("capture-button")).to_have_count(0)
        await visitor.press("refund-button")
        await expect(visitor.part("refund-amount-input")).to_have_value("300.00")
        await visitor.page.keyboard.press("Escape")
        await picture(visitor, "payment_captured")


@LOOKS
async def test_a_payment_is_voided(
    browser: Browser, pages: Stack, merchant: SignedUp, size: tuple[int, int], scheme: str
) -> None:
    payment = await merchant.pay()
    async with visiting(browser, pages, size=size, scheme=scheme) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.open(f"/dashboard/payments/{payment['id']}")
        await visitor.press("void-button")
        await picture(visitor, "payment_void")
        await visitor.press("confirm-button")
        await visitor.see("payment-voided", "voided")
        await visitor.see("amount-released", "₹500.00 by a void")
        await visitor.see("money-words", "voided, refunded")
        await expect(visitor.part("timeline")).to_contain_text("Voided")
        for action in ("capture", "void", "refund"):
            await expect(visitor.part(f"{action}-button")).to_have_count(0)
        await picture(visitor, "payment_voided")
        await visitor.open("/dashboard/transactions")
        await expect(visitor.part("transaction-row")).to_contain_text("voided")


@LOOKS
async def test_a_payment_link_is_made_followed_and_cancelled(
    browser: Browser, pages: Stack, merchant: SignedUp, size: tuple[int, int], scheme: str
) -> None:
    async with visiting(browser, pages, size=size, scheme=scheme) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.open("/dashboard/links")
        await expect(visitor.page.get_by_text("No payment links yet")).to_be_visible()
        await picture(visitor, "links_empty")
        await visitor.press("new-link-button")
        await visitor.fill("link-amount-input", "500.001")
        await expect(visitor.part("make-link-button")).to_be_disabled()
        await visitor.fill("link-amount-input", "500")
        await visitor.fill("link-description-input", "Two tickets")
        await visitor.fill("link-reference-input", "invoice-42")
        await visitor.fill("link-name-input", "Asha Rao")
        await visitor.fill("link-email-input", "asha@example.com")
        await picture(visitor, "links_new")
        await visitor.press("make-link-button")
        address = await (await visitor.see("link-url")).inner_text()
        assert re.fullmatch(re.escape(pages.checkout_url) + r"/l/\w{16}", address)
        await picture(visitor, "links_made")
        await visitor.page.get_by_role("dialog").get_by_role("button", name="Done").click()
        row = visitor.part("link-row")
        await expect(row).to_contain_text("Two tickets")
        await expect(row).to_contain_text("Asha Rao")
        await visitor.press("resend-link-button")
        await expect(row).to_contain_text("resent: 1")
        await picture(visitor, "links")
        await visitor.press("cancel-link-button")
        await visitor.press("confirm-button")
        await visitor.see("link-status", "cancelled")
        await expect(visitor.part("cancel-link-button")).to_have_count(0)
        await visitor.open("/dashboard/links?q=invoice")
        await expect(row).to_have_count(1)
        await row.get_by_role("link").click()
        await visitor.see("order-status", "cancelled")
        await visitor.see("payment-link")


@LOOKS
async def test_a_payment_names_its_payer_and_is_found_by_the_name(
    browser: Browser, pages: Stack, merchant: SignedUp, size: tuple[int, int], scheme: str
) -> None:
    order_id = await order_of(merchant, receipt="invoice-42")
    payer = {"name": "Asha Rao", "email": "asha@example.com", "contact": "+919876543210", "description": "Two tickets"}
    body = {"order_id": order_id, "method": "upi", "vpa": "success@upi", **payer}
    payment_id = body_of(await merchant.client.post("/payments", json=body), 201)["id"]
    await merchant.until("/payments", payment_id, "SUCCESS")
    await merchant.pay()
    async with visiting(browser, pages, size=size, scheme=scheme) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.open("/dashboard/transactions")
        await expect(visitor.part("transaction-row")).to_have_count(2)
        for line in ("asha rao", "invoice", "987654"):
            await visitor.page.locator("[data-search]").fill(line)
            await visitor.page.locator("[data-search]").press("Enter")
            await expect(visitor.part("transaction-row")).to_have_count(1)
        await visitor.part("payment-id").first.click()
        await visitor.see("payer-payer", "Asha Rao")
        await visitor.see("payer-e-mail", "asha@example.com")
        await visitor.see("payer-for", "Two tickets")
        await picture(visitor, "payment_payer")


@LOOKS
async def test_a_merchant_sets_how_payments_are_captured(
    browser: Browser, pages: Stack, merchant: SignedUp, size: tuple[int, int], scheme: str
) -> None:
    async with visiting(browser, pages, size=size, scheme=scheme) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.open("/dashboard/settings")
        await visitor.fill("capture-within-input", "1.5")
        await expect(visitor.page.get_by_role("alert").filter(has_text="Enter a whole number")).to_be_visible()
        await visitor.fill("capture-within-input", "36")
        await visitor.part("capture-unit-input").select_option("hours")
        await visitor.press("save-capture-button")
        await expect(visitor.page.get_by_text("Saved")).to_be_visible()
        order = await merchant.order()
        assert (order["capture"], order["capture_within_minutes"]) == ("manual", 2_160)
        await visitor.page.reload()
        await expect(visitor.part("capture-within-input")).to_have_value("36")
        await picture(visitor, "settings_capture")
        await visitor.part("capture-mode-input").select_option("automatic")
        await visitor.press("save-capture-button")
        await expect(visitor.page.get_by_text("Saved")).to_be_visible()
        await visitor.press("new-return-secret-button")
        await visitor.press("confirm-button")
        dialog = visitor.page.get_by_role("dialog", name="Return secret")
        await expect(dialog).to_contain_text("retsec_")
        await picture(visitor, "settings_return_secret")
        await dialog.get_by_role("button", name="I have stored it").click()
        await visitor.open("/dashboard/orders/" + order["id"])
        await expect(visitor.part("capture-terms")).to_have_text(re.compile("within 36 hours"))
