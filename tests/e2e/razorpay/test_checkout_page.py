"""A page written for Razorpay, in Chromium: the original script, handler, callback, failure, dismissal."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.async_api import Dialog, Locator, Page, Route, async_playwright

from tests.e2e.razorpay.shop import DoubleShop, Front, Json
from tests.support.chromium import WAIT_MS, close_context
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.browser
ORIGINAL = "https://checkout.razorpay.com/v1/checkout.js"


@dataclass(slots=True)
class Site:
    """The merchant's site: one page, and what its callback was sent."""

    url: str = ""
    document: str = ""
    callbacks: list[dict[str, str]] = field(default_factory=list)
    visits: list[dict[str, str]] = field(default_factory=list)
    """What payers brought that were led here by GET."""


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if path == "/callback":
                found.visits.append(dict(parse_qsl(query, keep_blank_values=True)))
            self._answer(found.document if path == "/" else "")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            found.callbacks.append(dict(parse_qsl(body, keep_blank_values=True)))
            self._answer("<title>Thank you</title>")

        def _answer(self, document: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(document.encode())

        def log_message(self, *_said: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://localhost:{server.server_port}/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


@pytest_asyncio.fixture
async def page(pages: Stack, front: Front) -> AsyncIterator[Page]:
    """A browser that finds the original's hosts at the front, and trusts the front's authority."""
    authority = pages.plan.run_dir / "razorpay"
    pins = [_pin((authority / f"{host}.pem").read_bytes()) for host in ("api.razorpay.com", "checkout.razorpay.com")]
    arguments = [
        "--no-sandbox", "--disable-gpu", f"--host-resolver-rules={front.rules}",
        f"--ignore-certificate-errors-spki-list={','.join(pins)}",
    ]  # fmt: skip
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        made = await browser.new_page()
        made.set_default_timeout(WAIT_MS)
        yield made
        await close_context(made.context)
        await browser.close()


def _pin(pem: bytes) -> str:
    key = x509.load_pem_x509_certificate(pem).public_key()
    return base64.b64encode(
        hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    ).decode()


async def _open(
    page: Page, site: Site, options: Json, *, script: str = ORIGINAL, make: str = "new Razorpay", modal: str = ""
) -> None:
    """Publish the page and press its button. `said`: what its callbacks were given; `modal`: more of its options."""
    site.document = f"""<!doctype html><html lang="en"><title>Shop</title><button id="pay">Pay</button>
      <script src="{script}"></script><script>
        window.said = [];
        const options = {json.dumps(options)};
        if (!options.callback_url) options.handler = (answer) => said.push(["handler", answer]);
        options.modal = {{ ondismiss: () => said.push(["dismissed"]), {modal} }};
        const checkout = {make}(options);
        checkout.once("ready", () => said.push(["ready"]));
        checkout.on("payment.failed", (answer) => said.push(["failed", answer]));
        document.getElementById("pay").onclick = () => checkout.open();
      </script></html>"""
    await page.goto(site.url)
    await page.click("#pay")


async def _pay(page: Page, vpa: str) -> None:
    frame = page.frame_locator('[data-test-id="payment-iframe"]')
    await frame.locator('[data-test-id="method-upi"]').click()
    await frame.locator('[data-test-id="vpa-input"]').fill(vpa)
    await frame.locator('[data-test-id="upi-form"] [data-test-id="pay-button"]').click()


def _frame(page: Page) -> Locator:
    """The modal."""
    return page.locator('[data-test-id="payment-iframe"]')


async def _said(page: Page, kind: str) -> Any:
    async def read() -> Any:
        found = [one for one in await page.evaluate("said") if one[0] == kind]
        return found[0] if found else None

    return await eventually(read, timeout=60, what=f"{kind} of the page")


@pytest.mark.parametrize("make", ["new Razorpay", "Razorpay"])
async def test_the_original_script_address_takes_a_payment_whose_signature_the_official_client_accepts(
    page: Page, site: Site, shop: DoubleShop, make: str
) -> None:
    order = await asyncio.to_thread(shop.order, notes={"cart": "3"})
    options = {
        "key": shop.key, "order_id": order["id"], "amount": 50_000, "description": "S00042", "name": "Shop",
        "prefill": {"email": "payer@example.com", "contact": "+919876543210"},
    }  # fmt: skip
    await _open(page, site, options, make=make)
    await _pay(page, "success@razorpay")
    answer = (await _said(page, "handler"))[1]
    assert set(answer) == {"razorpay_payment_id", "razorpay_order_id", "razorpay_signature"}
    assert answer["razorpay_order_id"] == order["id"]
    assert shop.client.utility.verify_payment_signature(answer)
    payment = await asyncio.to_thread(shop.payment, answer["razorpay_payment_id"], status="captured")
    assert (payment["description"], payment["email"], payment["notes"]) == (
        "S00042", "payer@example.com", {"cart": "3"},
    )  # fmt: skip
    assert [one[0] for one in await page.evaluate("said")] == ["ready", "handler"]


async def test_a_decline_is_handed_over_and_the_payer_can_try_again(page: Page, site: Site, shop: DoubleShop) -> None:
    order = await asyncio.to_thread(shop.order)
    await _open(page, site, {"key": shop.key, "order_id": order["id"]})
    await _pay(page, "failure@razorpay")
    error = (await _said(page, "failed"))[1]["error"]
    assert (error["code"], error["reason"], error["metadata"]["order_id"]) == (
        "BAD_REQUEST_ERROR", "payment_failed", order["id"],
    )  # fmt: skip
    await page.frame_locator('[data-test-id="payment-iframe"]').locator('[data-test-id="retry-button"]').click()
    await _pay(page, "success@razorpay")
    assert (await _said(page, "handler"))[1]["razorpay_order_id"] == order["id"]


async def test_a_payer_that_closes_the_modal_dismisses_it(page: Page, site: Site, shop: DoubleShop) -> None:
    order = await asyncio.to_thread(shop.order)
    await _open(page, site, {"key": shop.key, "order_id": order["id"]})
    await page.locator('[data-test-id="close-modal-button"]').click()
    await _said(page, "dismissed")


async def test_a_callback_url_gets_the_signed_fields_as_a_form(page: Page, site: Site, shop: DoubleShop) -> None:
    order = await asyncio.to_thread(shop.order)
    options = {"key": shop.key, "order_id": order["id"], "callback_url": f"{site.url}callback", "redirect": True}
    await _open(page, site, options)
    await _pay(page, "success@razorpay")
    (fields,) = await eventually(lambda: site.callbacks, timeout=60, what="the callback")
    assert shop.client.utility.verify_payment_signature(fields)


async def test_a_callback_url_gets_the_error_of_a_decline_as_a_form(page: Page, site: Site, shop: DoubleShop) -> None:
    order = await asyncio.to_thread(shop.order)
    options = {"key": shop.key, "order_id": order["id"], "callback_url": f"{site.url}callback", "redirect": True}
    await _open(page, site, options)
    await _pay(page, "failure@razorpay")
    (fields,) = await eventually(lambda: site.callbacks, timeout=60, what="the callback")
    assert (fields["error[code]"], fields["error[reason]"]) == ("BAD_REQUEST_ERROR", "payment_failed")
    assert fields["error[metadata][order_id]"] == order["id"]


async def test_options_without_effect_are_named_once_in_the_console(page: Page, site: Site, shop: DoubleShop) -> None:
    order = await asyncio.to_thread(shop.order)
    lines: list[str] = []
    page.on("console", lambda message: lines.append(message.text))
    options = {
        "key": shop.key, "order_id": order["id"], "theme": {"color": "#123456"}, "image": "logo.png",
        "retry": {"enabled": True, "max_count": 2}, "prefill": {"name": "A", "method": "wallet", "card[name]": "B"},
    }  # fmt: skip
    await _open(page, site, options, modal="animation: false, backdropclose: true")
    await page.evaluate("checkout.on('payment.submit', () => {})")
    await _frame(page).wait_for()
    await page.evaluate("checkout.close()")
    await _frame(page).wait_for(state="detached")
    await page.evaluate("checkout.open()")
    await _frame(page).wait_for()
    assert [line for line in lines if line.startswith("Razorpay test double")] == [
        "Razorpay test double: without effect here: theme, image, modal.animation, modal.backdropclose,"
        " prefill.method, prefill.card[name], retry.max_count",
        'Razorpay test double: without effect here: on("payment.submit")',
    ]


async def test_a_modal_closes_by_escape_unless_the_page_forbids_it(page: Page, site: Site, shop: DoubleShop) -> None:
    order = await asyncio.to_thread(shop.order)
    await _open(page, site, {"key": shop.key, "order_id": order["id"]}, modal="escape: false")
    frame = page.frame_locator('[data-test-id="payment-iframe"]')
    await frame.locator('[data-test-id="method-upi"]').wait_for()
    for _ in range(3):  # some browsers let every second one pass, whatever the page says
        await page.locator('[data-test-id="close-modal-button"]').press("Escape")
    await frame.locator('[data-test-id="method-upi"]').press("Escape")
    await _pay(page, "success@razorpay")
    await _said(page, "handler")
    assert "dismissed" not in [one[0] for one in await page.evaluate("said")]


async def test_a_page_can_have_its_payer_confirm_the_close(page: Page, site: Site, shop: DoubleShop) -> None:
    order = await asyncio.to_thread(shop.order)
    await _open(page, site, {"key": shop.key, "order_id": order["id"]}, modal="confirm_close: true")
    await _frame(page).wait_for()
    asked: list[str] = []

    async def answer(dialog: Dialog) -> None:
        asked.append(dialog.message)
        await (dialog.dismiss() if len(asked) == 1 else dialog.accept())

    page.on("dialog", answer)
    await page.locator('[data-test-id="close-modal-button"]').click()
    await eventually(lambda: len(asked) == 1, timeout=60, what="the question")
    assert await _frame(page).count() == 1
    await page.locator('[data-test-id="close-modal-button"]').click()
    await _said(page, "dismissed")
    assert len(asked) == 2


async def test_a_netbanking_payment_shows_its_bank_to_the_merchant(page: Page, site: Site, shop: DoubleShop) -> None:
    order = await asyncio.to_thread(shop.order)
    await _open(page, site, {"key": shop.key, "order_id": order["id"], "prefill": {"method": "netbanking"}})
    frame = page.frame_locator('[data-test-id="payment-iframe"]')
    await frame.locator('[data-test-id="fill-test-data"]').click()
    await frame.locator('[data-test-id="netbanking-form"] [data-test-id="pay-button"]').click()
    answer = (await _said(page, "handler"))[1]
    payment = await asyncio.to_thread(shop.payment, answer["razorpay_payment_id"], status="captured")
    assert (payment["method"], payment["bank"]) == ("netbanking", "SUCC")
    assert list(payment["acquirer_data"]) == ["bank_transaction_id"]


async def test_a_page_without_retries_gets_one_decline_and_the_modal_closes(
    page: Page, site: Site, shop: DoubleShop
) -> None:
    order = await asyncio.to_thread(shop.order)
    await _open(page, site, {"key": shop.key, "order_id": order["id"], "retry": {"enabled": False}})
    await _pay(page, "failure@razorpay")
    await _said(page, "failed")
    await _frame(page).wait_for(state="detached")


async def test_a_wrong_key_or_order_is_a_failure_and_opens_nothing(page: Page, site: Site, shop: DoubleShop) -> None:
    await _open(page, site, {"key": shop.key, "order_id": "order_0000000000000000"})
    assert "does not exist" in (await _said(page, "failed"))[1]["error"]["description"]
    assert await _frame(page).count() == 0


async def test_a_payment_by_a_scan_has_no_address_and_shows_everywhere(
    page: Page, site: Site, shop: DoubleShop
) -> None:
    order = await asyncio.to_thread(shop.order)
    await _open(page, site, {"key": shop.key, "order_id": order["id"], "prefill": {"method": "upi"}})
    frame = page.frame_locator('[data-test-id="payment-iframe"]')
    await frame.locator('[data-test-id="scan-button"]').click()
    await frame.locator('[data-test-id="simulate-scan"]').click()
    answer = (await _said(page, "handler"))[1]
    payment = await asyncio.to_thread(shop.payment, answer["razorpay_payment_id"], status="captured")
    assert (payment["vpa"], payment["upi"]["flow"]) == (None, "intent")
    listed = await asyncio.to_thread(shop.client.payment.all)
    assert payment["id"] in [one["id"] for one in listed["items"]]


async def test_an_opening_that_fails_reports_the_reason(page: Page, site: Site, shop: DoubleShop) -> None:
    await _open(page, site, {"key": shop.key})
    assert "amount" in (await _said(page, "failed"))[1]["error"]["description"]
    assert await _frame(page).count() == 0


async def test_a_proof_that_is_not_available_at_once_is_requested_again(
    page: Page, site: Site, shop: DoubleShop
) -> None:
    order = await asyncio.to_thread(shop.order)
    asked: list[str] = []

    async def answer(route: Route) -> None:
        asked.append(route.request.url)
        match len(asked):
            case 1:
                await route.abort()
            case 2:
                await route.fulfill(status=503, json={"error": {"code": "SERVER_ERROR"}})
            case _:
                await route.continue_()

    await page.route("**/v1/checkout/public/complete", answer)
    await _open(page, site, {"key": shop.key, "order_id": order["id"]})
    await _pay(page, "success@razorpay")
    assert shop.client.utility.verify_payment_signature((await _said(page, "handler"))[1])
    assert len(asked) == 3


async def test_a_link_leads_its_payer_to_the_merchants_page_with_a_signature(
    page: Page, site: Site, shop: DoubleShop
) -> None:
    asked = {
        "amount": 50_000, "currency": "INR", "reference_id": "L-1",
        "callback_url": f"{site.url}callback", "callback_method": "get",
    }  # fmt: skip
    link = await asyncio.to_thread(shop.client.payment_link.create, asked)
    await page.goto(link["short_url"])
    await page.locator('[data-test-id="method-upi"]').click()
    await page.locator('[data-test-id="vpa-input"]').fill("success@razorpay")
    await page.locator('[data-test-id="upi-form"] [data-test-id="pay-button"]').click()
    (fields,) = await eventually(lambda: site.visits, timeout=60, what="the payer")
    proof = {name.removeprefix("razorpay_"): value for name, value in fields.items() if "_link_" in name}
    named = {name: fields[name] for name in ("razorpay_payment_id", "razorpay_signature")}
    assert proof["payment_link_reference_id"] == "L-1"
    assert shop.client.utility.verify_payment_link_signature({**proof, **named})


async def test_the_script_of_our_own_checkout_does_the_same(
    page: Page, site: Site, shop: DoubleShop, pages: Stack
) -> None:
    order = await asyncio.to_thread(shop.order)
    options = {"key": shop.key, "order_id": order["id"], "notes": {"own": "note"}}
    await _open(page, site, options, script=f"{pages.checkout_url}/v1/checkout.js")
    await _pay(page, "success@razorpay")
    answer = (await _said(page, "handler"))[1]
    payment = await asyncio.to_thread(shop.payment, answer["razorpay_payment_id"], status="captured")
    assert payment["notes"] == {"own": "note"}
