"""The hosted checkout in a real browser: pay, fail, try again, reload, lose the network, press everything twice."""

from __future__ import annotations

import asyncio
import json

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.e2e.pages.conftest import Shop
from tests.support.api import Api, Json
from tests.support.chromium import Payer, Seen, axe, close_context, held_until, open_payer
from tests.support.eventually import eventually

pytestmark = pytest.mark.browser

CANARY = "4242 4242 4242 4242"
"""A card number that must be found nowhere but in the one request that pays."""


async def payments_of(api: Api, order_id: str) -> list[Json]:
    found: list[Json] = (await api.get("/payments", order_id=order_id)).json()
    return found


async def test_shows_the_order_with_no_method_chosen(payer: Payer, api: Api) -> None:
    order = await api.order(123_456_00, receipt="#4471")
    await payer.visit(order["id"])
    await expect(payer.part("order-amount")).to_have_text("₹1,23,456.00")
    await expect(payer.part("order-id")).to_have_text(order["id"])
    for name in (
        "checkout-container",
        "order-summary",
        "payment-methods",
        "method-upi",
        "method-card",
        "method-netbanking",
    ):
        await expect(payer.part(name)).to_be_visible()
    hidden = ("upi-form", "card-form", "processing-state", "success-state", "error-state", "retry-button")
    for name in (*hidden, "vpa-input", "card-number-input", "expiry-input", "cvv-input", "cardholder-name-input"):
        await expect(payer.part(name)).to_have_count(1)
        await expect(payer.part(name)).to_be_hidden()
    await expect(payer.part("pay-button")).to_have_count(3)


async def test_upi_pays_and_the_receipt_survives_a_reload(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.pay_by_upi()
    await expect(payer.part("success-state")).to_be_visible()
    await expect(payer.part("success-message")).to_have_text("Your payment has been processed successfully")
    payment_id = await payer.part("payment-id").inner_text()
    assert (await api.get(f"/payments/{payment_id}")).json()["status"] == "SUCCESS"
    await payer.page.reload()
    await expect(payer.part("success-state")).to_be_visible()
    await expect(payer.part("payment-id")).to_have_text(payment_id)
    await expect(payer.page.locator("h1:visible")).to_have_text("Payment successful")


async def test_processing_is_shown_and_survives_a_reload(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.pay_by_upi("slow@upi")
    await expect(payer.part("processing-state")).to_be_visible()
    await expect(payer.part("processing-message")).to_have_text("Processing payment...")
    await payer.page.reload()
    await expect(payer.part("success-state")).to_be_visible()
    assert len(await payments_of(api, order["id"])) == 1


async def test_card_pays_and_its_digits_go_nowhere_else(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.fill_card(CANARY, cvv="987")
    await expect(payer.part("card-number-input")).to_have_value(CANARY)
    await expect(payer.root.get_by_text("Visa", exact=True)).to_be_visible()
    await payer.pay_button("card").click()
    await expect(payer.part("success-state")).to_be_visible()
    await expect(payer.root.get_by_text("Visa ···· 4242")).to_be_visible()
    for name in ("card-number-input", "cvv-input"):
        await expect(payer.part(name)).to_have_value("")
    bodies = [r.post_data or "" for r in payer.seen.requests if "4242424242424242" in f"{r.url} {r.post_data}"]
    assert len(bodies) == 1 and "cvv" in bodies[0]
    kept = await stored(payer.page)
    assert "4242424242424242" not in kept and "987" not in kept and CANARY not in kept


async def stored(page: Page) -> str:
    """Everything this page has put anywhere: address, storages, cookies, history, document."""
    return str(
        await page.evaluate(
            """() => [location.href, JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage }),
              document.cookie, JSON.stringify(history.state), document.documentElement.outerHTML].join("\\n")"""
        )
    )


async def test_a_decline_shows_the_reason_and_another_card_pays(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.pay_by_card("4000 0000 0000 9995")
    await expect(payer.part("error-message")).to_contain_text("Insufficient funds")
    await expect(payer.part("retry-button")).to_have_text("Try Again")
    await payer.page.reload()
    await expect(payer.part("error-state")).to_be_visible()
    await payer.part("retry-button").click()
    await payer.pay_by_card()
    await expect(payer.part("success-state")).to_be_visible()
    assert sorted(one["status"] for one in await payments_of(api, order["id"])) == ["FAILED", "SUCCESS"]


async def test_fields_are_judged_before_anything_is_sent(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.part("method-upi").click()
    await payer.part("vpa-input").fill("nobank")
    await payer.pay_button("upi").click()
    await expect(payer.part("vpa-input")).to_be_focused()
    await expect(payer.part("vpa-input")).to_have_accessible_description("Enter it like name@bank")
    await payer.part("method-card").click()
    await payer.pay_button("card").click()
    await expect(payer.part("card-number-input")).to_be_focused()
    await payer.part("card-number-input").press_sequentially("4111111111111112")
    await expect(payer.root.get_by_role("alert").filter(has_text="a digit is wrong")).to_be_visible()
    await payer.part("expiry-input").fill("01/20")
    await payer.part("cvv-input").fill("12")
    await expect(payer.root.get_by_text("This card has expired")).to_be_visible()
    assert await axe(payer.page) == []
    assert payer.seen.urls("/payments/public") == []


async def test_a_field_that_only_the_server_refuses_is_shown_at_that_field(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    payer.seen.expect("400")
    await payer.visit(order["id"])
    await payer.page.route("**/payments/public", with_vpa("not an address"))
    await payer.pay_by_upi()
    await expect(payer.part("vpa-input")).to_have_attribute("aria-invalid", "true")
    await expect(payer.part("vpa-input")).to_be_focused()
    await payer.page.unroute("**/payments/public")
    await payer.pay_button("upi").click()
    await expect(payer.part("success-state")).to_be_visible()


def with_vpa(vpa: str):  # type: ignore[no-untyped-def]  # Playwright's handler type is a union of callables
    async def send(route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        await route.continue_(post_data=json.dumps({**body, "vpa": vpa}))

    return send


async def test_fifty_clicks_enters_and_a_reload_make_one_payment(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    gate = asyncio.Event()
    await payer.page.route("**/payments/public", held_until(gate))
    await payer.part("method-upi").click()
    await payer.part("vpa-input").fill("slow@upi")
    press = """(button) => { for (let i = 0; i < 25; i++) { button.click(); button.form.requestSubmit(); } }"""
    await payer.pay_button("upi").evaluate(press)
    await payer.part("vpa-input").press("Enter")
    gate.set()
    await eventually(lambda: payments_of(api, order["id"]), timeout=20)
    await payer.page.reload()
    await expect(payer.part("success-state")).to_be_visible()
    assert len(await payments_of(api, order["id"])) == 1
    assert len([r for r in payer.seen.requests if r.method == "POST"]) == 1


async def test_a_lost_response_is_retried_under_the_same_key(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    payer.seen.expect("net::ERR_FAILED")
    await payer.visit(order["id"])
    lost: list[str] = []

    async def lose_the_first(route: Route) -> None:
        if lost:
            await route.continue_()
        else:
            lost.append(route.request.headers["idempotency-key"])
            await route.fetch()  # it reaches the gateway; its answer does not reach the page
            await route.abort()

    await payer.page.route("**/payments/public", lose_the_first)
    await payer.pay_by_upi()
    await expect(payer.part("success-state")).to_be_visible()
    keys = {r.headers["idempotency-key"] for r in payer.seen.requests if r.method == "POST"}
    assert keys == set(lost)
    assert len(await payments_of(api, order["id"])) == 1


@pytest.mark.parametrize("seconds", [0, pytest.param(30, marks=pytest.mark.chaos)])
async def test_a_network_cut_while_processing_heals_by_itself(payer: Payer, api: Api, seconds: int) -> None:
    order = await api.order(50_000)
    payer.seen.expect("net::ERR_INTERNET_DISCONNECTED")
    await payer.visit(order["id"])
    await payer.pay_by_upi("slow@upi")
    await expect(payer.part("processing-state")).to_be_visible()
    await payer.context.set_offline(True)
    await expect(payer.root.get_by_text("You are offline")).to_be_visible()
    await api.decided(f"/payments/{(await payments_of(api, order['id']))[0]['id']}")
    await asyncio.sleep(seconds)
    await payer.context.set_offline(False)
    await expect(payer.part("success-state")).to_be_visible()


async def test_the_outcome_is_found_by_polling_where_streams_are_blocked(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    payer.seen.expect("net::ERR_FAILED")
    await payer.visit(order["id"])
    await payer.page.route("**/public/stream", lambda route: route.abort())
    await payer.pay_by_upi()
    await expect(payer.part("success-state")).to_be_visible()


async def test_another_tab_on_a_paid_order_shows_the_receipt(payer: Payer, api: Api) -> None:
    payment = await api.paid()
    await payer.visit(payment["order_id"])
    await expect(payer.page.locator("h1:visible")).to_have_text("This order is already paid")
    await expect(payer.part("payment-id")).to_have_text(payment["id"])


async def test_a_refund_shows_when_the_page_is_opened_again(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.pay_by_upi()
    await expect(payer.part("success-state")).to_be_visible()
    payment_id = await payer.part("payment-id").inner_text()
    await expect(payer.part("amount-refunded")).to_have_count(0)
    await refund(api, payment_id, 20_000)
    await payer.page.reload()
    await expect(payer.part("amount-refunded")).to_have_text("₹200.00")
    await payer.page.emulate_media(media="print")
    await expect(payer.part("amount-refunded")).to_be_visible()
    await payer.page.emulate_media(media="screen")
    await expect(payer.part("success-message")).to_have_text("Your payment has been processed successfully")
    await refund(api, payment_id, 30_000)
    await payer.page.reload()
    await expect(payer.part("amount-refunded")).to_have_text("₹500.00")
    await expect(payer.root.get_by_role("heading", name="This payment was refunded")).to_be_visible()
    await expect(payer.part("success-message")).to_have_text("₹500.00 went back to the account it was paid from.")
    await expect(payer.root.get_by_text("Nothing more is due")).to_have_count(0)
    assert await axe(payer.page) == []


async def refund(api: Api, payment_id: str, amount: int) -> None:
    refund = (await api.post(f"/payments/{payment_id}/refunds", {"amount": amount})).json()
    assert (await api.decided(f"/refunds/{refund['id']}"))["status"] == "PROCESSED"


async def test_an_expiry_that_a_password_manager_fills_in_is_read(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.fill_card()
    await payer.part("expiry-input").fill("203911")
    await payer.part("cvv-input").focus()
    await expect(payer.part("expiry-input")).to_have_value("11/39")
    await payer.pay_button("card").click()
    await expect(payer.part("success-state")).to_be_visible()


@pytest.mark.parametrize("typed", ["1139", "11/2039", "2039-11", "203911"])
async def test_an_expiry_is_read_as_it_is_typed_key_by_key(payer: Payer, api: Api, typed: str) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.part("method-card").click()
    await payer.part("expiry-input").press_sequentially(typed)
    await payer.part("cvv-input").focus()
    await expect(payer.part("expiry-input")).to_have_value("11/39")


async def test_another_card_after_a_lost_response_is_tried_and_the_lost_decline_is_shown(
    payer: Payer, api: Api
) -> None:
    order = await api.order(50_000)
    payer.seen.expect("net::ERR_FAILED")
    await payer.visit(order["id"])

    async def lose(route: Route) -> None:
        await route.fetch()  # it reaches the gateway; its answer does not reach the page
        await route.abort()

    # Given a card that is declined while its answer is lost,
    await payer.page.route("**/payments/public", lose)
    await payer.pay_by_card("4000000000000002")
    found = await eventually(lambda: payments_of(api, order["id"]), timeout=20)
    assert found is not None
    await api.decided(f"/payments/{found[0]['id']}")
    # when the page is loaded again, then it shows that decline,
    await payer.page.unroute("**/payments/public")
    await payer.page.reload()
    await expect(payer.part("error-message")).to_contain_text("declined the card")
    # and the next press tries the new card.
    await payer.part("retry-button").click()
    await payer.pay_by_card()
    await expect(payer.part("success-state")).to_be_visible()
    assert sorted(one["status"] for one in await payments_of(api, order["id"])) == ["FAILED", "SUCCESS"]


async def test_money_that_the_bank_took_late_is_not_denied_and_its_return_is_shown(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.pay_by_upi("late@upi")
    note = payer.part("money-note")
    await expect(note).to_contain_text("If money was taken, it will be returned to you", timeout=60_000)
    (payment,) = await payments_of(api, order["id"])

    async def returned() -> bool:
        refunds = (await api.get("/refunds", payment_id=payment["id"])).json()["data"]
        return [one["status"] for one in refunds] == ["PROCESSED"]

    await eventually(returned, timeout=60, what="the automatic refund")
    await payer.page.reload()
    await expect(note).to_have_text("₹500.00 was taken and returned to the account it was paid from.")
    await expect(payer.root.get_by_text("not been charged")).to_have_count(0)
    assert await axe(payer.page) == []


@pytest.mark.parametrize(
    ("currency", "amount", "shown", "at_the_bank"),
    [("JPY", 500, "JP¥500", "JPY 500"), ("KWD", 1_500_500, "KWD\u00a01,500.500", "KWD 1,500.500")],
)
async def test_an_amount_has_the_digits_of_its_currency(
    payer: Payer, api: Api, currency: str, amount: int, shown: str, at_the_bank: str
) -> None:
    order = await api.order(amount, currency=currency)
    await payer.visit(order["id"])
    await expect(payer.part("order-amount")).to_have_text(shown)
    await expect(payer.pay_button("card")).to_have_text(f"Pay {shown}")
    await payer.pay_by_card("4000 0000 0000 3220")
    await payer.page.wait_for_url("**/bank/pay_**")
    await expect(payer.part("bank-page")).to_contain_text(at_the_bank)
    await payer.part("otp-input").fill("1234")
    await payer.part("otp-submit").click()
    await expect(payer.part("success-state")).to_contain_text(shown)


async def test_a_tab_that_was_open_in_between_does_not_pay_twice(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    payer.seen.expect("400")
    await payer.visit(order["id"])
    await payer.part("method-upi").click()
    await payer.part("vpa-input").fill("success@upi")
    paid = await api.paid(order["id"])
    await payer.pay_button("upi").click()
    await expect(payer.part("payment-id")).to_have_text(paid["id"])
    await expect(payer.part("success-state")).to_be_visible()


async def test_back_leaves_after_success(payer: Payer, api: Api, shop: Shop) -> None:
    order = await api.order(50_000)
    before = shop.publish("<title>Shop</title>")
    await payer.page.goto(before)
    await payer.visit(order["id"])
    await payer.pay_by_upi()
    await expect(payer.part("success-state")).to_be_visible()
    await payer.page.go_back()
    assert payer.page.url == before
    await payer.page.go_forward()
    await expect(payer.part("success-state")).to_be_visible()


async def test_keyboard_alone_pays_by_card(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await expect(payer.part("method-card")).to_be_visible()
    keys = payer.page.keyboard
    await tab_to(payer, "method-card")
    await keys.press("Enter")
    await tab_to(payer, "card-number-input")
    await keys.type("4111111111111111")
    await keys.press("Tab")
    await keys.type("1239")
    await keys.press("Tab")
    await keys.type("Test Payer")
    await keys.press("Tab")
    await keys.type("123")
    await keys.press("Enter")
    await expect(payer.part("success-state")).to_be_visible()
    await expect(payer.page.locator("h1:visible")).to_be_focused()


async def tab_to(payer: Payer, test_id: str) -> None:
    for _ in range(20):
        await payer.page.keyboard.press("Tab")
        if await payer.part(test_id).evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"{test_id} cannot be reached by Tab")


async def test_the_number_keeps_its_caret(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.part("method-card").click()
    number = payer.part("card-number-input")
    await number.press_sequentially("4111111111111111")
    await number.evaluate("(input) => input.setSelectionRange(5, 5)")
    await payer.page.keyboard.press("Backspace")
    await expect(number).to_have_value("4111 1111 1111 111")
    assert await number.evaluate("(input) => input.selectionStart") == 3
    await payer.page.keyboard.type("9")
    await expect(number).to_have_value("4119 1111 1111 1111")
    assert await number.evaluate("(input) => input.selectionStart") == 4


async def test_test_mode_fills_in_the_picked_instrument(payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"])
    await payer.part("test-outcome").select_option("declined")
    await payer.part("fill-test-data").click()
    await expect(payer.part("vpa-input")).to_have_value("failure@upi")
    await payer.part("method-card").click()
    await payer.part("fill-test-data").click()
    await payer.pay_button("card").click()
    await expect(payer.part("error-message")).to_contain_text("declined the card")
    await payer.part("retry-button").click()
    await payer.part("test-outcome").select_option("success")
    await payer.part("method-upi").click()
    await payer.part("fill-test-data").click()
    await expect(payer.part("vpa-input")).to_have_value("success@upi")
    await payer.pay_button("upi").click()
    await expect(payer.part("success-state")).to_be_visible()


@pytest.mark.parametrize(
    ("locale", "question"),
    [("hi", "आप कैसे भुगतान करना चाहेंगे?"), ("ta", "எப்படிச் செலுத்த விரும்புகிறீர்கள்?")],
)
async def test_speaks_the_payers_language(payer: Payer, api: Api, locale: str, question: str) -> None:
    order = await api.order(50_000)
    await payer.visit(order["id"], f"&locale={locale}")
    await expect(payer.page.locator("html")).to_have_attribute("lang", locale)
    await expect(payer.page.locator("h1:visible")).to_have_text(question)
    assert await axe(payer.page) == []
    await payer.root.get_by_role("button", name="English").click()
    await expect(payer.page.locator("h1:visible")).to_have_text("How would you like to pay?")


async def test_a_phone_gets_links_to_its_apps(browser: Browser, payer: Payer, api: Api) -> None:
    order = await api.order(50_000)
    seen = Seen()
    phone = await open_payer(
        browser, payer.stack, seen, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True
    )
    await phone.visit(order["id"])
    await phone.part("method-upi").tap()
    await phone.part("scan-button").tap()
    link = phone.root.get_by_role("link", name="Another UPI app")
    href = await link.get_attribute("href") or ""
    assert href.startswith("upi://pay?pa=test_merchant%40gateway") and "&tr=pay_" in href
    assert href.endswith("&am=500.00&cu=INR")
    await phone.part("another-way-button").tap()
    await expect(phone.part("checkout-container")).to_have_attribute("data-state", "ready")
    await close_context(phone.context)
    assert seen.console == [] and seen.violations == []
