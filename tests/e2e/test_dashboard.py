"""The dashboard in a real browser against a running gateway: from signing up to a repaired webhook."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from aiohttp import web
from playwright.async_api import Browser, expect

from domain.role import Role
from store.operations.audits import AuditStore
from tests.support.chromium import chromium, held_until
from tests.support.dashboard import NARROW, WIDE, Visitor, visiting
from tests.support.eventually import eventually
from tests.support.people import add_person
from tests.support.receiver import Receiver, receiver
from tests.support.second_factor import App
from tests.support.signed_up import PASSWORD, SignedUp, signed_up
from tests.support.stack import ALL_ROLES, Stack, running_stack

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SCREENSHOTS = os.environ.get("DASHBOARD_SCREENSHOTS")
"""A folder: every state of every list is kept there as a picture, for looking at."""


def live_ms() -> float:
    """A second; on a machine that has n times as much to do as it can, n seconds."""
    return 1_000 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@pytest.fixture(scope="module")
def gateway(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack with pages that gives a webhook up after two attempts, a second apart."""
    environment = {"WEBHOOK_RETRY_INTERVALS_TEST": "0,1", "API_WORKERS": "1"}
    with running_stack(roles=ALL_ROLES, env=environment, failed=lambda: request.session.testsfailed > 0) as running:
        running.start_pages()
        yield running


@pytest.fixture(scope="module")
async def chrome() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def merchant(gateway: Stack) -> AsyncIterator[SignedUp]:
    async with signed_up(gateway, name="Corner Books") as found:
        yield found


async def test_a_merchant_goes_from_signing_up_to_a_repaired_webhook(chrome: Browser, gateway: Stack) -> None:
    async with visiting(chrome, gateway) as visitor, receiver() as shop:
        secret = await sign_up(visitor)
        create_order, pay_order = await snippets(visitor, "create-order", "pay-order")

        # the first payment, made by the snippets of the docs, appears by itself within a second
        await visitor.open("/dashboard/transactions")
        await expect(visitor.page.get_by_text("No payments yet")).to_be_visible()
        await expect(visitor.page.locator('[data-live="live"]')).to_be_visible()
        order_id = run_shell(create_order, API_SECRET=secret)["id"]
        payment_id = run_shell(pay_order, API_SECRET=secret, ORDER_ID=order_id)["id"]
        row = visitor.page.locator(f'[data-test-id="transaction-row"][data-payment-id="{payment_id}"]')
        await expect(row).to_be_visible(timeout=live_ms())
        await expect(row.locator('[data-test-id="status"]')).to_have_text("success")
        await expect(row.locator('[data-test-id="amount"]')).to_have_text("₹500.00")
        assert await row.locator('[data-test-id="order-id"]').inner_text() == order_id

        await refund_half(visitor)
        endpoint_secret = await add_endpoint(visitor, shop)
        await fail_then_repair(visitor, shop, lambda: pay_again(gateway, create_order, pay_order, secret))
        await verify_with_snippets(visitor, shop, endpoint_secret)


async def sign_up(visitor: Visitor) -> str:
    """A new merchant through the form; its API secret, as the overview reveals it."""
    await visitor.open("/sign-up")
    await visitor.fill("name-input", "Corner Books")
    await visitor.fill("email-input", f"{secrets.token_hex(8)}@example.com")
    await visitor.fill("password-input", PASSWORD)
    await visitor.examine("sign-up")
    await visitor.press("sign-up-button")
    await visitor.see("total-transactions", "0")
    await visitor.see("total-amount", "₹0.00")
    hidden = await (await visitor.see("api-secret")).inner_text()
    await visitor.press("reveal-secret-button")
    shown = await visitor.part("api-secret").inner_text()
    assert "secret_test_" not in hidden
    assert shown.startswith("secret_test_")
    return shown


async def snippets(visitor: Visitor, *names: str) -> list[str]:
    await visitor.open("/dashboard/docs")
    await expect(visitor.part("code-snippet-create-order")).to_contain_text("key_test_")
    return [await visitor.part(f"code-snippet-{name}").inner_text() for name in names]


def run_shell(snippet: str, **environment: str) -> dict[str, str]:
    done = subprocess.run(
        ["bash", "-c", snippet],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    response: dict[str, str] = json.loads(done.stdout)
    assert "id" in response, response
    return response


def pay_again(gateway: Stack, create_order: str, pay_order: str, secret: str) -> str:
    """Another order needs another idempotency key; all else is the snippet's."""
    order = run_shell(create_order.replace("invoice-1001", f"invoice-{secrets.token_hex(4)}"), API_SECRET=secret)
    return run_shell(pay_order, API_SECRET=secret, ORDER_ID=order["id"])["id"]


async def refund_half(visitor: Visitor) -> None:
    """By keyboard to the payment, then half of it back."""
    await visitor.page.keyboard.press("j")
    await visitor.page.keyboard.press("Enter")
    await visitor.see("payment-status", "success")
    await visitor.press("refund-button")
    await visitor.fill("refund-amount-input", "250")
    await visitor.examine("refund dialog")
    await visitor.press("review-refund-button")
    await visitor.press("confirm-refund-button")
    await visitor.see("amount-refunded", "₹250.00 of ₹500.00")
    await visitor.see("refund-status", "processed")
    timeline = await visitor.see("timeline")
    for moment in ("Created", "Processing", "Bank, charge", "Success", "Refund requested", "Bank, refund", "Refunded"):
        await expect(timeline.get_by_text(moment, exact=True)).to_be_visible()
    await expect(timeline).to_contain_text("payments.events.v1-")
    await visitor.examine("payment")


async def add_endpoint(visitor: Visitor, shop: Receiver) -> str:
    """An endpoint of our own; its secret, which is shown once."""
    await visitor.open("/dashboard/webhooks/endpoints")
    await visitor.press("add-endpoint-button")
    await visitor.fill("endpoint-url-input", shop.url())
    await visitor.examine("endpoint dialog")
    await visitor.press("save-endpoint-button")
    dialog = visitor.page.get_by_role("dialog", name="Signing secret")
    secret = await dialog.locator("code").inner_text()
    assert secret.startswith("whsec_")
    await dialog.get_by_role("button", name="I have stored it").click()
    await visitor.see("endpoint-status", "active")
    await expect(visitor.page.get_by_text(secret)).to_have_count(0)
    return secret


async def fail_then_repair(visitor: Visitor, shop: Receiver, pay: Callable[[], str]) -> None:
    shop.responses["/hook"] = [500]
    await visitor.open("/dashboard/webhooks")
    await expect(visitor.page.locator('[data-live="live"]')).to_be_visible()
    await asyncio.to_thread(pay)
    await visitor.see("webhook-status", "failed", timeout_ms=20_000)
    await visitor.see("webhook-attempts", "2")
    await visitor.see("webhook-response-code", "500")

    shop.responses["/hook"] = [200]
    await visitor.open("/dashboard/webhooks/dead-letters")
    await visitor.see("webhook-status", "failed")
    await visitor.press("retry-all-button")
    await visitor.see("retry-all-state", "1 will be retried.")
    await visitor.press("confirm-retry-all-button")
    await visitor.see("retry-all-state", "Done: 1 retried.", timeout_ms=15_000)
    await visitor.page.get_by_role("dialog").get_by_text("Close", exact=True).click()
    await visitor.open("/dashboard/webhooks")
    await visitor.see("webhook-status", "success")
    await visitor.page.locator('[data-test-id="webhook-event"]').first.click()
    await expect(visitor.part("webhook-attempt")).to_have_count(3)
    await expect(visitor.part("webhook-attempt").first).to_contain_text("200")
    await expect(visitor.part("webhook-attempt").last).to_contain_text("Response headers")


async def verify_with_snippets(visitor: Visitor, shop: Receiver, secret: str) -> None:
    """Both verification snippets accept what was really delivered, and refuse it with one byte changed."""
    node, python = await snippets(visitor, "webhook", "webhook-python")
    delivered = shop.at("/hook")[-1]
    signature = delivered.headers["X-Webhook-Signature"]
    for body, genuine in ((delivered.body, True), (delivered.body + b" ", False)):
        given = json.dumps([body.decode(), signature, secret])
        node_line = f"{node}\nconst [b, s, k] = {given}; console.log(isGenuine(Buffer.from(b), s, k));"
        python_line = f"{python}\n\n\nb, s, k = {given}\nprint(is_genuine(b.encode(), s, k))"
        assert run(["node", "-e", node_line]) == str(genuine).lower()
        assert run([sys.executable, "-c", python_line]) == str(genuine)


def run(command: list[str], **environment: str) -> str:
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


async def test_the_sdk_snippet_of_the_docs_takes_a_payment(chrome: Browser, gateway: Stack, merchant: SignedUp) -> None:
    async with visiting(chrome, gateway) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        (snippet,) = await snippets(visitor, "sdk")
        order = await merchant.order()
        async with page_at(snippet.replace("ORDER_ID", order["id"])) as address:
            shop = await chrome.new_page()
            shown: list[str] = []
            shop.on("console", lambda message: shown.append(message.text))
            await shop.goto(address)
            await shop.click("#pay")
            checkout = shop.frame_locator('[data-test-id="payment-iframe"]')
            await checkout.locator('[data-test-id="method-upi"]').click()
            await checkout.locator('[data-test-id="vpa-input"]').fill("success@upi")
            await checkout.locator('[data-test-id="upi-form"] [data-test-id="pay-button"]').click()
            await expect(checkout.locator('[data-test-id="success-state"]')).to_be_visible(timeout=10_000)
            payment_id = await checkout.locator('[data-test-id="payment-id"]').inner_text()
        assert re.search(r"pay_[A-Za-z0-9]{16}", payment_id)
        assert any(line == f"paid {payment_id.strip()}" for line in shown), shown


async def test_the_razorpay_snippet_of_the_docs_is_a_program_that_runs(
    chrome: Browser, gateway: Stack, merchant: SignedUp
) -> None:
    async with visiting(chrome, gateway) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        (snippet,) = await snippets(visitor, "razorpay")
    assert await asyncio.to_thread(run, [sys.executable, "-c", snippet], API_SECRET=merchant.secret) == "captured"


async def test_the_razorpay_section_of_the_docs_fits_a_phone(
    chrome: Browser, gateway: Stack, merchant: SignedUp
) -> None:
    async with visiting(chrome, gateway) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await snippets(visitor, "razorpay")
        await visitor.page.set_viewport_size({"width": 320, "height": 800})
        paragraphs = visitor.part("section-razorpay").locator("p")
        assert await paragraphs.count() > 0
        assert await paragraphs.evaluate_all("all => all.every((one) => one.scrollWidth <= one.clientWidth)")


class page_at:
    """A document served on a free port of localhost."""

    def __init__(self, document: str) -> None:
        text = f"<!doctype html><title>Shop</title><link rel=icon href=data:,>{document}"
        self._runner = web.ServerRunner(
            web.Server(lambda _request: _document(text), access_log=None), shutdown_timeout=0.5
        )

    async def __aenter__(self) -> str:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://localhost:{self._runner.addresses[0][1]}/"

    async def __aexit__(self, *_error: object) -> None:
        await self._runner.cleanup()


async def _document(text: str) -> web.StreamResponse:
    return web.Response(text=text, content_type="text/html")


async def test_the_seeded_merchant_signs_in_and_finds_the_pair_that_test_mode_publishes(
    chrome: Browser, gateway: Stack
) -> None:
    async with visiting(chrome, gateway) as visitor:
        await visitor.open("/")
        await expect(visitor.page).to_have_url(re.compile("/login$"))
        await visitor.sign_in("test@example.com", "password123")
        await visitor.see("api-credentials")
        await visitor.see("api-key", "key_test_abc123")
        assert "xyz789" not in await visitor.part("api-secret").inner_text()
        await visitor.press("reveal-secret-button")
        await visitor.see("api-secret", "secret_test_xyz789")
        assert await visitor.page.evaluate("localStorage.length + sessionStorage.length") == 0


async def test_the_overview_counts_payments_as_they_come_and_its_charts_can_be_read(
    chrome: Browser, gateway: Stack, merchant: SignedUp
) -> None:
    async with visiting(chrome, gateway) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.see("total-transactions", "0")
        for vpa in ("success@upi", "success@upi", "success@upi", "failure@upi"):
            await merchant.pay(vpa=vpa, status="FAILED" if vpa == "failure@upi" else "SUCCESS")
        await visitor.see("total-transactions", "4")
        await visitor.see("total-amount", "₹1,500.00")
        await visitor.see("success-rate", "75%")
        await expect(visitor.part("transaction-row")).to_have_count(4)

        chart = visitor.page.get_by_role("slider", name="Volume by day")
        await chart.focus()
        await visitor.page.keyboard.press("End")
        await expect(chart).to_have_attribute("aria-valuetext", re.compile("₹1,500.00"))
        await visitor.page.get_by_role("button", name="Show as table").first.click()
        twin = visitor.page.get_by_role("region", name="Volume by day, as a table")
        await expect(twin.get_by_role("row")).to_have_count(31)
        await expect(twin.get_by_role("row").last).to_contain_text("₹1,500.00")


async def test_filters_live_in_the_address_and_pages_stay_put_while_payments_arrive(
    chrome: Browser, gateway: Stack, merchant: SignedUp
) -> None:
    await asyncio.gather(*(merchant.pay(amount=10_000 + number) for number in range(27)))
    await merchant.pay(vpa="failure@upi", amount=90_000, status="FAILED")
    async with visiting(chrome, gateway) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.open("/dashboard/transactions")
        await expect(visitor.part("transaction-row")).to_have_count(25)
        await expect(visitor.page.locator('[data-live="live"]')).to_be_visible()

        # given the first page, when a payment arrives, then it is counted and moves nothing
        seen = await visitor.part("payment-id").all_inner_texts()
        await merchant.pay(amount=12_345)
        await visitor.see("new-payments-bar", "1 new – show", timeout_ms=live_ms())
        assert await visitor.part("payment-id").all_inner_texts() == seen
        await visitor.page.get_by_role("link", name="Older").click()
        await expect(visitor.part("transaction-row")).to_have_count(3)
        assert not set(await visitor.part("payment-id").all_inner_texts()) & set(seen)
        await visitor.page.get_by_role("link", name="Newer").click()
        await visitor.see("amount", "₹123.45")

        # the search box and the address say the same
        await search(visitor, "status:failed amount>500")
        await expect(visitor.page).to_have_url(re.compile(r"\?status=failed&amount_min=50001$"))
        await expect(visitor.part("transaction-row")).to_have_count(1)
        await visitor.page.reload()
        await expect(visitor.part("transaction-row")).to_have_count(1)
        await expect(visitor.page.locator("[data-search]")).to_have_value("status:failed amount>=500.01")
        async with visitor.page.expect_download() as download:
            await visitor.page.get_by_role("link", name="CSV").click()
        lines = (await asyncio.to_thread((await (await download.value).path()).read_text, "utf-8")).splitlines()
        assert len(lines) == 2
        assert "FAILED" in lines[1]

        await search(visitor, "colour:red")
        await expect(visitor.page.get_by_text("“colour” is not a field.")).to_be_visible()
        await search(visitor, "nobody@upi")
        await expect(visitor.page.locator('[data-state="no-match"]')).to_be_visible()
        await search(visitor, seen[0])
        await visitor.see("payment-id", seen[0])
        await visitor.see("payment-status")
        await visitor.page.locator("h1").click()
        await visitor.page.keyboard.press("?")
        await expect(visitor.page.get_by_role("dialog", name="Keys and search")).to_be_visible()


async def search(visitor: Visitor, line: str) -> None:
    """`/` from anywhere outside a field."""
    await visitor.page.locator("h1").click()
    await visitor.page.keyboard.press("/")
    await visitor.page.keyboard.type(line)
    await visitor.page.keyboard.press("Enter")


async def test_events_come_newest_first_with_their_payment_and_are_counted_as_they_arrive(
    chrome: Browser, gateway: Stack, merchant: SignedUp
) -> None:
    first = await merchant.pay(amount=70_000)
    async with visiting(chrome, gateway) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.open("/dashboard/events")
        await expect(visitor.part("event-row").first).to_contain_text("order.paid")
        row = visitor.part("event-row").filter(has_text="payment.success").first
        await expect(row).to_contain_text("₹700.00")
        await expect(row.get_by_role("link", name=first["id"])).to_have_attribute(
            "href", f"/dashboard/payments/{first['id']}"
        )
        await expect(visitor.part("event-row").last).to_contain_text("order.created")
        await expect(visitor.page.locator('[data-live="live"]')).to_be_visible()
        second = await merchant.pay(amount=90_000)
        await expect(visitor.part("new-events-bar")).to_have_text("5 new – show")
        await visitor.press("new-events-bar")
        await expect(row).to_contain_text(second["id"])
        await visitor.examine("events")


async def test_a_refund_is_typed_in_the_payments_own_currency(
    chrome: Browser, gateway: Stack, merchant: SignedUp
) -> None:
    payment = await merchant.pay(amount=29_000, currency="USD")
    async with visiting(chrome, gateway) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.open(f"/dashboard/payments/{payment['id']}")
        await visitor.press("refund-button")
        amount = visitor.page.get_by_label("Amount (USD)")
        await expect(amount).to_have_value("290.00")
        await amount.fill("290.001")
        await expect(visitor.page.get_by_role("alert").filter(has_text="such as 290.00")).to_be_visible()
        await visitor.examine("refund dialog")


@pytest.mark.parametrize(
    ("currency", "amount", "shown", "typed", "wrong"),
    [("JPY", 50_000, "JP¥50,000", "50000", "500.5"), ("KWD", 1_500, "KWD\u00a01.500", "1.500", "1.5005")],
)
async def test_amounts_are_shown_and_typed_with_the_digits_of_their_currency(
    chrome: Browser, gateway: Stack, merchant: SignedUp, currency: str, amount: int, shown: str, typed: str, wrong: str
) -> None:
    payment = await merchant.pay(amount=amount, currency=currency)
    async with visiting(chrome, gateway) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.see("total-amount", shown)
        await visitor.open(f"/dashboard/transactions?currency={currency}")
        await visitor.see("amount", shown)
        await search(visitor, f"amount:{typed} currency:{currency.lower()}")
        await expect(visitor.part("transaction-row")).to_have_count(1)
        await search(visitor, f"amount:{wrong} currency:{currency.lower()}")
        await expect(visitor.page.get_by_text(f"“{wrong}”")).to_be_visible()
        await picture(visitor, f"transactions_{currency}")
        await visitor.open(f"/dashboard/payments/{payment['id']}")
        await visitor.press("refund-button")
        field = visitor.page.get_by_label(f"Amount ({currency})")
        await expect(field).to_have_value(typed)
        await field.fill(wrong)
        await expect(visitor.page.get_by_role("alert").filter(has_text=f"such as {typed}")).to_be_visible()
        await field.fill(typed)
        await visitor.press("review-refund-button")
        await expect(visitor.part("confirm-refund-button")).to_have_text(f"Refund {shown}")


async def test_the_overview_of_a_merchant_without_rupees_fetches_its_figures_once(
    chrome: Browser, gateway: Stack, merchant: SignedUp
) -> None:
    await merchant.pay(amount=29_000, currency="USD")

    async def counted() -> bool:
        return int((await merchant.get("/analytics/summary"))["payments_success"]) == 1

    await eventually(counted, timeout=30, what="the payment to be counted")
    async with visiting(chrome, gateway) as visitor:
        requested: list[str] = []
        visitor.page.on("request", lambda request: requested.append(request.url))
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.see("total-amount", "$290.00")
        await expect(visitor.part("currency-choice")).to_have_count(0)
        for route in ("/analytics/summary", "/analytics/timeseries"):
            assert len([url for url in requested if route in url]) == 1, route


async def test_the_figures_follow_when_the_rollups_were_behind_while_the_page_loaded(
    chrome: Browser, gateway: Stack, merchant: SignedUp
) -> None:
    """The live feed has passed by then: nothing else makes the page fetch them again."""
    database = await asyncpg.connect(gateway.database_url)
    await database.execute("INSERT INTO rollup_progress (merchant_id) VALUES ($1) ON CONFLICT DO NOTHING", merchant.id)
    try:
        async with visiting(chrome, gateway) as visitor:
            async with database.transaction():
                await database.execute("SELECT FROM rollup_progress WHERE merchant_id = $1 FOR UPDATE", merchant.id)
                await merchant.pay(amount=29_000)
                await eventually(
                    lambda: database.fetchval("SELECT max(place) FROM feed WHERE merchant_id = $1", merchant.id),
                    what="the payment's events to be in the feed",
                )
                await visitor.sign_in(merchant.email, PASSWORD)
                await visitor.open("/dashboard")
                await visitor.see("amount", "\u20b9290.00")
                await visitor.see("total-amount", "\u20b90.00")
                await asyncio.sleep(0.5)
            await visitor.see("total-amount", "\u20b9290.00", timeout_ms=60_000)
    finally:
        await database.close()


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide-light", "narrow-dark"])
async def test_large_amounts_fit_and_are_there_in_full(
    chrome: Browser, gateway: Stack, merchant: SignedUp, size: tuple[int, int], scheme: str
) -> None:
    await merchant.pay(amount=999_999_999_999)
    async with visiting(chrome, gateway, size=size, scheme=scheme) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        volume = await visitor.see("total-amount", "₹1,000\u00a0Cr")
        await expect(volume).to_have_attribute("title", "₹9,99,99,99,999.99")
        axis = visitor.page.locator(".axis").first
        await expect(axis).to_contain_text("Cr")
        assert not re.search("KCr|K.Cr", await axis.inner_text())
        row = await visitor.see("amount", "₹9,99,99,99,999.99")
        assert await row.evaluate("(figure) => figure.getClientRects().length") == 1, "it breaks into lines"
        await picture(visitor, "overview_large")


async def test_keys_are_made_rotated_and_revoked_and_the_session_ends(
    chrome: Browser, gateway: Stack, merchant: SignedUp
) -> None:
    async with visiting(chrome, gateway) as visitor:
        await visitor.open("/dashboard/keys")
        await expect(visitor.page).to_have_url(re.compile(r"/login\?next=%2Fdashboard%2Fkeys$"))
        await visitor.examine("login")
        await visitor.fill("email-input", merchant.email)
        await visitor.fill("password-input", "not the password")
        visitor.expected.add("/auth/login")
        await visitor.press("login-button")
        wrong = visitor.page.get_by_role("alert").filter(has_text="Wrong e-mail or password")
        await expect(wrong).to_be_visible()
        await visitor.fill("password-input", PASSWORD)
        await visitor.press("login-button")
        await expect(visitor.part("key-row")).to_have_count(1)

        await visitor.press("create-key-button")
        await visitor.fill("key-name-input", "shop server")
        await visitor.press("save-key-button")
        dialog = visitor.page.get_by_role("dialog", name="New key")
        await expect(dialog).to_contain_text("secret_test_")
        await visitor.examine("secret dialog")
        await dialog.get_by_role("button", name="I have stored it").click()
        await expect(visitor.part("key-row")).to_have_count(2)

        made = visitor.part("key-row").filter(has_text="shop server")
        await made.locator('[data-test-id="revoke-key-button"]').click()
        await visitor.press("confirm-button")
        await expect(made).to_contain_text("revoked")

        await visitor.open("/dashboard/settings")
        await visitor.fill("allowed-origins-input", "https://books.example\nhttps://www.books.example/")
        await visitor.press("save-origins-button")
        await expect(visitor.page.get_by_text("Saved")).to_be_visible()
        assert (await merchant.get("/merchants/me"))["allowed_origins"] == [
            "https://books.example",
            "https://www.books.example",
        ]
        await visitor.open("/dashboard/sessions")
        await expect(visitor.part("session-row")).to_have_count(2)
        await visitor.sign_out()


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide-light", "narrow-dark"])
async def test_an_owner_sets_roles_and_limits_and_a_role_sees_what_it_may_not_do(
    chrome: Browser, gateway: Stack, merchant: SignedUp, size: tuple[int, int], scheme: str
) -> None:
    person = await add_person(gateway.database_url, merchant.id, Role.FINANCE)
    payment = await merchant.pay()
    async with visiting(chrome, gateway, size=size, scheme=scheme) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.open("/dashboard/users")
        row = visitor.part("user-row").filter(has_text=person.email)
        await row.locator('[data-test-id="role-select"]').select_option("support")
        await expect(visitor.page.get_by_text(f"{person.email} is now support")).to_be_attached()
        await visitor.fill("support-refund-limit-input", "100")
        await visitor.press("save-access-button")
        await expect(visitor.page.get_by_text("Saved")).to_be_attached()
        await picture(visitor, "users_owner")
        await visitor.sign_out()
        await visitor.fill("email-input", person.email)
        await visitor.fill("password-input", PASSWORD)
        await visitor.press("login-button")
        await visitor.see("dashboard")
        await expect(visitor.part("api-credentials")).to_contain_text("It needs the role owner or developer.")
        await picture(visitor, "overview_support")
        for path in ("/dashboard/users", "/dashboard/keys", "/dashboard/audit-log"):
            await expect(visitor.page.locator(f'nav a[href="{path}"]')).to_have_count(0)
        await visitor.open("/dashboard/settings")
        await expect(visitor.part("merchant-name-input")).to_be_disabled()
        await expect(visitor.part("not-allowed").first).to_contain_text("Your role (support) does not allow this.")
        await picture(visitor, "settings_support")

        await visitor.open(f"/dashboard/payments/{payment['id']}")
        await expect(visitor.part("capture-button")).to_be_disabled()
        await picture(visitor, "payment_support")
        await visitor.press("refund-button")
        dialog = visitor.page.get_by_role("dialog")
        await expect(dialog).to_contain_text("Your role refunds up to ₹100.00 of one payment.")


async def test_an_invited_user_joins_by_the_link_and_changes_the_password(
    chrome: Browser, gateway: Stack, merchant: SignedUp
) -> None:
    email = f"asha-{secrets.token_hex(4)}@example.com"
    async with visiting(chrome, gateway, size=NARROW, scheme="dark") as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.open("/dashboard/users")
        await visitor.fill("invite-email-input", email)
        await visitor.press("invite-button")
        dialog = visitor.page.get_by_role("dialog", name="Invitation")
        link = await dialog.locator("code").inner_text()
        await dialog.get_by_role("button", name="I have stored it").click()
        await expect(visitor.part("invitation-row")).to_contain_text(email)
        await picture(visitor, "invitations_owner")

        await visitor.page.context.clear_cookies()
        await visitor.open("/login")
        await visitor.open(link.removeprefix(gateway.dashboard_url).removeprefix(gateway.env["DASHBOARD_URL"]))
        await expect(visitor.part("email-input")).to_have_value(email)
        await expect(visitor.page).to_have_url(re.compile(r"/join$"))
        await picture(visitor, "join")
        await visitor.fill("password-input", PASSWORD)
        await visitor.press("set-password-button")
        await visitor.see("dashboard")

        await visitor.open("/dashboard/account")
        await visitor.fill("current-password-input", PASSWORD)
        await visitor.fill("new-password-input", f"{PASSWORD} anew")
        await visitor.press("change-password-button")
        await expect(visitor.page.get_by_text("Password changed")).to_be_attached()
        await picture(visitor, "account")


async def test_a_user_signs_in_with_a_second_factor_and_an_owner_requires_it_of_everybody(
    chrome: Browser, gateway: Stack, merchant: SignedUp
) -> None:
    async with visiting(chrome, gateway, size=NARROW, expected={"/auth/login"}) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        await visitor.open("/dashboard/account")
        app = await set_up_second_factor(visitor, merchant.email)
        await visitor.see("second-factor-state")
        await expect(visitor.part("second-factor-state")).to_contain_text("Recovery codes left: 10")
        await picture(visitor, "second_factor_enabled")
        await visitor.open("/dashboard/users")
        await visitor.part("require-second-factor").get_by_role("checkbox").check()
        await visitor.press("save-second-factor-button")
        await expect(visitor.page.get_by_text("Saved")).to_be_attached()
        await picture(visitor, "second_factor_required")

        await visitor.sign_out()
        await visitor.fill("email-input", merchant.email)
        await visitor.fill("password-input", PASSWORD)
        await visitor.press("login-button")
        await expect(visitor.part("otp-input")).to_be_focused()
        await visitor.examine("second step")
        await visitor.fill("otp-input", app.wrong_code)
        await visitor.press("login-button")
        await expect(visitor.page.get_by_text("The code is wrong")).to_be_visible()
        await picture(visitor, "second_factor_login")
        await visitor.fill("otp-input", app.recovery_codes[0])
        await visitor.press("login-button")
        await visitor.see("dashboard")

    person = await add_person(gateway.database_url, merchant.id, Role.SUPPORT)
    async with visiting(chrome, gateway, scheme="dark") as visitor:
        await visitor.open("/login")
        await visitor.fill("email-input", person.email)
        await visitor.fill("password-input", PASSWORD)
        await visitor.press("login-button")
        await expect(visitor.page.get_by_role("heading", name="Set up a second factor")).to_be_visible()
        await expect(visitor.part("dashboard")).to_have_count(0)
        await set_up_second_factor(visitor, person.email)
        await visitor.see("dashboard")


async def set_up_second_factor(visitor: Visitor, email: str) -> App:
    await visitor.fill("factor-password-input", PASSWORD)
    await visitor.press("begin-factor-button")
    app = App(visitor.stack, email, await (await visitor.see("factor-seed")).inner_text(), [])
    await visitor.examine("QR code")
    await picture(visitor, "second_factor_qr")
    await visitor.fill("factor-otp-input", app.code)
    await visitor.press("confirm-factor-button")
    codes = await (await visitor.see("recovery-codes")).locator("code").all_inner_texts()
    await picture(visitor, "second_factor_codes")
    await visitor.press("codes-stored-button")
    return replace(app, recovery_codes=codes)


LISTS = {
    "/dashboard/orders": ("/orders", "?status=cancelled"),
    "/dashboard/links": ("/payment-links", "?status=cancelled"),
    "/dashboard/transactions": ("/payments", "?status=failed"),
    "/dashboard/refunds": ("/refunds", "?payment_id=pay_0000000000000000"),
    "/dashboard/webhooks": ("/webhooks", "?event=refund.failed"),
    "/dashboard/webhooks/endpoints": ("/webhook-endpoints", None),
    "/dashboard/webhooks/dead-letters": ("/webhooks", "?event=refund.failed"),
    "/dashboard/events": ("/events", "?type=refund.failed"),
}
"""Page -> the route behind its list, and an address under which nothing matches (None: it has no filter)."""


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide-light", "narrow-dark"])
async def test_the_overview_names_what_the_audit_found_and_its_repair(
    chrome: Browser, gateway: Stack, merchant: SignedUp, size: tuple[int, int], scheme: str
) -> None:
    async def audited() -> bool:
        return bool((await merchant.get("/operations/audit"))["status"] == "ok")

    # Given a stack whose first full audit found nothing (the next one is a day away),
    await eventually(audited, timeout=120, what="the first full audit")
    async with (
        asyncpg.create_pool(gateway.database_url, min_size=1, max_size=1) as pool,
        visiting(chrome, gateway, size=size, scheme=scheme) as visitor,
    ):
        # when the merchant looks, then one line says so;
        await visitor.sign_in(merchant.email, PASSWORD)
        line = await visitor.see("audit-line")
        await expect(line).to_have_text(re.compile(r"^Audit: 0 differences, everything compared .+ ago$"))
        await visitor.examine("audit without differences")
        await picture(visitor, "overview_audit")
        # when an audit finds something, then each kind comes with its repair.
        store = AuditStore(pool)
        await store.add(
            whole=True, resumes_at=await store.now(), events=1, differences={"delivery_unattempted": 2, "money": 1}
        )
        try:
            await visitor.open("/dashboard")
            await expect(line).to_contain_text("Audit: 3 differences, everything compared")
            await expect(line).to_contain_text("2 × delivery unattempted: gateway repair delivery_unattempted --apply")
            await expect(line).to_contain_text("1 × money: money is decided by people")
            await visitor.examine("audit with differences")
            await picture(visitor, "overview_audit_differences")
            assert await visitor.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        finally:
            await pool.execute("DELETE FROM audits WHERE differences <> '{}'")


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide-light", "narrow-dark"])
async def test_a_merchant_sees_what_the_bank_took_back_and_what_is_owed(
    chrome: Browser, gateway: Stack, merchant: SignedUp, size: tuple[int, int], scheme: str
) -> None:
    # Given a payment that the bank takes back after it was refunded in part,
    payment = await merchant.pay()
    await merchant.refund(payment["id"], amount=20_000)
    await reverse(gateway, merchant, payment["id"])
    async with visiting(chrome, gateway, size=size, scheme=scheme) as visitor:
        # When the merchant looks, then the overview names the debt and leads to the payment,
        await visitor.sign_in(merchant.email, PASSWORD)
        notice = await visitor.see("owed-notice")
        await expect(notice).to_contain_text("You owe ₹200.00")
        await picture(visitor, "overview_owed")
        await notice.get_by_role("link", name=payment["id"]).click()
        # which offers neither a capture nor a refund.
        await visitor.see("payment-reversed")
        await expect(await visitor.see("amount-owed")).to_contain_text("₹200.00")
        await expect(visitor.part("capture-button")).to_have_count(0)
        await expect(visitor.part("refund-button")).to_have_count(0)
        await picture(visitor, "payment_owed")
        await visitor.open("/dashboard/transactions")
        await expect(visitor.page.locator('[data-test-id="transaction-row"]').first).to_contain_text("reversed, owed")


async def reverse(gateway: Stack, merchant: SignedUp, payment_id: str) -> None:
    """The bank changes its word about the payment now."""
    connection = await asyncpg.connect(gateway.database_url)
    try:
        await connection.execute("UPDATE bank.ledger SET late_at = clock_timestamp() WHERE attempt_id = $1", payment_id)
    finally:
        await connection.close()

    async def is_reversed() -> bool:
        return bool((await merchant.get(f"/payments/{payment_id}"))["reversed"])

    await eventually(is_reversed, timeout=30, what="the payment to be reversed")


async def picture(visitor: Visitor, name: str) -> None:
    """The page fits its window; it is kept as a picture where one is asked for."""
    overflow = await visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0, f"{name} is {overflow} px wider than its window"
    await visitor.examine(name)
    if SCREENSHOTS:
        width = visitor.page.viewport_size["width"]  # type: ignore[index]  # it has a size
        await visitor.page.screenshot(path=Path(SCREENSHOTS) / f"{name}_{width}.png", full_page=True)


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide-light", "narrow-dark"])
async def test_every_list_draws_its_four_states(
    chrome: Browser, gateway: Stack, merchant: SignedUp, size: tuple[int, int], scheme: str
) -> None:
    paths = [route for route, _ in LISTS.values()]
    async with visiting(chrome, gateway, size=size, scheme=scheme, expected=paths) as visitor:
        await visitor.sign_in(merchant.email, PASSWORD)
        for path, (route, nothing) in LISTS.items():
            await draw(visitor, path, "empty")
            if nothing is not None:
                await draw(visitor, path + nothing, "no-match")
            pattern = re.compile(rf"/api/v1{route}(\?.*)?$")
            waiting = asyncio.Event()
            await visitor.page.route(pattern, held_until(waiting))
            await draw(visitor, path, "loading")
            waiting.set()
            await visitor.page.unroute_all(behavior="wait")
            await visitor.page.route(pattern, lambda sent: sent.abort())
            await draw(visitor, path, "error")
            await visitor.page.unroute_all(behavior="wait")
            await visitor.page.get_by_role("button", name="Try again").first.click()
            await expect(visitor.page.locator('[data-state="empty"]').first).to_be_visible()


async def draw(visitor: Visitor, address: str, state: str) -> None:
    """Open the page and find its list in this state, fitting its window and without a finding."""
    await visitor.open(address)
    await expect(visitor.page.locator(f'table [data-state="{state}"]').first).to_be_visible()
    overflow = await visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if overflow > 0:
        visitor.problems.append(f"{address}, {state}: {overflow} px wider than its window")
    await visitor.examine(f"{address}, {state}")
    if SCREENSHOTS:
        name = f"{address.strip('/').split('?')[0].replace('/', '_')}_{state}_{visitor.page.viewport_size['width']}"  # type: ignore[index]  # it has a size
        await visitor.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")
