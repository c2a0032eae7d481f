"""The SDK on a merchant's page of another origin: it opens, pays, declines, closes, refuses, and leaks nothing."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Route, expect

from tests.e2e.pages.conftest import Shop
from tests.support.api import Api
from tests.support.chromium import Payer, axe
from tests.support.eventually import eventually

pytestmark = pytest.mark.browser

README = Path(__file__).parents[3] / "README.md"
CALLBACKS = """calls.map(([kind, data]) =>
  [kind, data instanceof Error ? { ...data, message: data.message, name: data.name } : data])"""
EVENTS = ("Ready", "Submit", "Status", "Success", "Failure", "Error", "Close")


def merchant_page(payer: Payer, options: dict[str, Any], *, head: str = "") -> str:
    """A page with a button that opens the checkout, and `calls`: every callback with its first argument."""
    callbacks = ",".join(f"on{name}: (data) => calls.push(['{name.lower()}', data])" for name in EVENTS)
    return f"""<!doctype html><html lang="en"><title>Shop</title>{head}
      <script src="{payer.stack.checkout_url}/gateway.js"></script>
      <main><h1>Shop</h1><button id="pay">Buy</button></main>
      <script>
        const calls = [], received = [], options = {{ ...{json.dumps(options)}, {callbacks} }};
        addEventListener("message", ({{ data }}) => received.push(data));
        document.getElementById("pay").onclick = () => {{
          window.handle = GatewayCheckout.open(options);
          handle.result.then(
            (payment) => calls.push(["resolved", payment]),
            (error) => calls.push(["rejected", error]),
          );
        }};
      </script></html>"""


async def open_checkout(payer: Payer, shop: Shop, **options: Any) -> None:
    """Publish the page, press its button, and wait until the checkout in the frame can be paid."""
    await payer.page.goto(shop.publish(merchant_page(payer, options)))
    await payer.page.click("#pay")
    payer.framed = True


async def callbacks(payer: Payer, kind: str) -> list[Any]:
    """What callbacks of this kind were given, once there is one."""

    async def read() -> list[Any]:
        found: list[list[Any]] = await payer.page.evaluate(CALLBACKS)
        return [data[1] if len(data) > 1 else None for data in found if data[0] == kind]

    return await eventually(read, timeout=20, what=f"a {kind} from the SDK")


def modal(payer: Payer) -> Any:
    return payer.page.locator('[data-test-id="payment-modal"]')


@pytest.mark.parametrize("method", ["upi", "card"])
async def test_the_readme_snippet_in_an_empty_page_takes_a_payment(
    payer: Payer, api: Api, shop: Shop, method: str
) -> None:
    order = await api.order(50_000)
    snippet = re.search(r"^### In a page\n.*?^```html\n(.*?)^```", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert snippet is not None
    document = snippet[1].replace("http://localhost:3001", payer.stack.checkout_url).replace("order_…", order["id"])
    logged: list[str] = []
    payer.page.on("console", lambda message: logged.append(message.text))
    await payer.page.goto(shop.publish(document))
    await payer.page.get_by_role("button", name="Pay").click()
    payer.framed = True
    await (payer.pay_by_upi() if method == "upi" else payer.pay_by_card())
    await expect(payer.part("success-state")).to_be_visible()
    payment_id = await payer.part("payment-id").inner_text()
    await eventually(lambda: f"paid {payment_id}" in logged, what="the page's line")
    assert (await api.decided(f"/payments/{payment_id}"))["status"] == "SUCCESS"
    await expect(modal(payer)).to_have_count(0)  # it returns by itself


async def test_a_decline_keeps_it_open_and_the_next_card_resolves_it(payer: Payer, api: Api, shop: Shop) -> None:
    order = await api.order(50_000)
    await open_checkout(payer, shop, order_id=order["id"], method="card", prefill={"name": "Test Payer"})
    await expect(payer.part("cardholder-name-input")).to_have_value("Test Payer")
    await payer.pay_by_card("4000000000000002")
    [decline] = await callbacks(payer, "failure")
    assert decline["code"] == "CARD_DECLINED" and decline["payment"]["order_id"] == order["id"]
    await expect(modal(payer)).to_be_visible()
    await payer.part("retry-button").click()
    await payer.pay_by_card()
    [payment] = await callbacks(payer, "success")
    [resolved] = await callbacks(payer, "resolved")
    assert payment == resolved and payment["status"] == "SUCCESS" and payment["order_id"] == order["id"]
    assert "merchant_id" not in payment
    assert [state for state in await callbacks(payer, "status") if state in ("failed", "success")] == [
        "failed",
        "success",
    ]
    await payer.root.get_by_role("button", name="Done").click()
    assert await callbacks(payer, "close") == ["done"]
    assert await payer.page.evaluate("calls.filter(([kind]) => kind === 'rejected' || kind === 'error')") == []


async def test_an_amount_alone_makes_an_order(payer: Payer, api: Api, shop: Shop) -> None:
    await open_checkout(payer, shop, key=api.key, amount=12_300, currency="INR")
    await expect(payer.part("order-amount")).to_have_text("₹123.00")
    await payer.pay_by_upi()
    [payment] = await callbacks(payer, "success")
    assert payment["amount"] == 12_300


async def test_the_class_speaks_camel_case(payer: Payer, api: Api, shop: Shop) -> None:
    order = await api.order(50_000)
    await payer.page.goto(shop.publish(merchant_page(payer, {})))
    await payer.page.evaluate(
        """(orderId) => { window.made = new PaymentGateway({ key: "key_test_abc123", orderId,
             onSuccess: (data) => calls.push(["success", data]), onClose: (why) => calls.push(["close", why]) });
           made.open(); }""",
        order["id"],
    )
    payer.framed = True
    await payer.pay_by_upi()
    [paid] = await callbacks(payer, "success")
    assert paid["paymentId"] == paid["id"]
    assert await payer.page.evaluate("made.close()") is True
    await expect(modal(payer)).to_have_count(0)


async def test_only_its_own_buttons_and_escape_close_it(payer: Payer, api: Api, shop: Shop) -> None:
    order = await api.order(50_000)
    await open_checkout(payer, shop, order_id=order["id"])
    await expect(payer.part("order-id")).to_have_text(order["id"])
    assert await payer.page.evaluate("GatewayCheckout.open(options) === handle"), "a second opening is the first"
    assert await payer.page.evaluate("document.documentElement.style.overflow") == "hidden"
    await payer.page.mouse.click(5, 5)
    await expect(modal(payer)).to_be_visible()
    await payer.part("method-upi").press("Escape")  # inside the frame
    await expect(modal(payer)).to_have_count(0)
    assert await callbacks(payer, "close") == ["escape"]
    [error] = await callbacks(payer, "rejected")
    assert error["code"] == "closed" and error["retryable"] is True
    await expect(payer.page.locator("#pay")).to_be_focused()
    assert await payer.page.evaluate("document.documentElement.style.overflow") == ""
    await payer.page.click("#pay")
    await payer.page.locator('[data-test-id="close-modal-button"]').click()
    await expect(modal(payer)).to_have_count(0)
    assert await callbacks(payer, "close") == ["escape", "user"]


async def test_it_cannot_be_closed_while_a_payment_is_processed(payer: Payer, api: Api, shop: Shop) -> None:
    order = await api.order(50_000)
    await open_checkout(payer, shop, order_id=order["id"])
    gate = asyncio.Event()

    async def hold(route: Route) -> None:
        await gate.wait()
        await route.continue_()

    await payer.page.route("**/payments/public", hold)
    await payer.pay_by_upi()
    close = payer.page.locator('[data-test-id="close-modal-button"]')
    await expect(close).to_be_disabled()
    assert await payer.page.evaluate("handle.close()") is False
    await close.focus(timeout=1_000)
    await payer.page.keyboard.press("Escape")
    await payer.page.keyboard.press("Escape")
    await expect(modal(payer)).to_be_visible()
    gate.set()
    await callbacks(payer, "success")
    await expect(close).to_be_enabled()


async def test_keyboard_alone_opens_pays_and_closes(payer: Payer, api: Api, shop: Shop) -> None:
    order = await api.order(50_000)
    await payer.page.goto(shop.publish(merchant_page(payer, {"order_id": order["id"], "method": "upi"})))
    keys = payer.page.keyboard
    await payer.page.locator("#pay").focus()
    await keys.press("Enter")
    payer.framed = True
    field = payer.part("vpa-input")
    await expect(field).to_be_visible()
    for _ in range(30):
        await keys.press("Tab")
        if await field.evaluate("(input) => input === document.activeElement && document.hasFocus()"):
            break
    await keys.type("success@upi")
    await keys.press("Enter")
    await callbacks(payer, "success")
    await keys.press("Escape")
    await expect(modal(payer)).to_have_count(0)
    await expect(payer.page.locator("#pay")).to_be_focused()


async def test_forged_messages_are_not_heard(payer: Payer, api: Api, shop: Shop) -> None:
    """From the page itself, from another frame of the shop, and from one of the checkout's own origin."""
    order = await api.order(50_000)
    await open_checkout(payer, shop, order_id=order["id"])
    await expect(payer.part("order-id")).to_have_text(order["id"])
    forge = """([peer, origin]) => {
      const nonce = new URL(peer).hash.slice(1).split("~")[0];
      for (const type of ["success", "failure", "error", "close", "status", "ready", "resize"])
        for (const given of [nonce, "0-0-0-0", undefined])
          (window.parent === window ? window : window.parent).postMessage(
            { gw: 1, nonce: given, type, data: { id: "pay_forged", locked: true, code: "internal" } }, origin);
    }"""
    peer = payer.frame().url
    assert "~" in peer
    await payer.page.evaluate(forge, [peer, shop.url])
    sibling = f"{payer.stack.checkout_url}/config.json"
    evil = shop.publish("<title>frame</title>")
    await payer.page.evaluate(
        """async (addresses) => { for (const address of addresses) await new Promise((loaded) => {
             const frame = document.createElement("iframe"); frame.onload = loaded; frame.src = address;
             document.body.append(frame); }); }""",
        [evil, sibling],
    )
    for frame in payer.page.frames:
        if frame.url in (evil, sibling):
            await frame.evaluate(forge, [peer, shop.url])
    received = await eventually(
        lambda: payer.page.evaluate("received.filter(({ data }) => data?.id === 'pay_forged').length"), timeout=10
    )
    assert received == 63, "all of them arrived"
    assert await payer.page.evaluate("calls.filter(([kind]) => kind !== 'ready' && kind !== 'status')") == []
    await expect(modal(payer)).to_be_visible()
    await payer.pay_by_upi()
    assert [one["order_id"] for one in await callbacks(payer, "success")] == [order["id"]]


async def test_card_digits_never_reach_the_shop(payer: Payer, api: Api, shop: Shop) -> None:
    order = await api.order(50_000)
    await open_checkout(payer, shop, order_id=order["id"])
    await payer.pay_by_card("4242 4242 4242 4242")
    await callbacks(payer, "success")
    shop_knows = await payer.page.evaluate(
        """JSON.stringify([calls, received, { ...sessionStorage }, { ...localStorage }, location.href,
          document.documentElement.outerHTML])"""
    )
    assert "success" in shop_knows and "4242424242424242" not in shop_knows and "4242 4242 4242" not in shop_knows
    assert all("4242424242424242" not in request.url for request in payer.seen.requests)


async def test_it_works_under_a_strict_policy_of_the_shop(payer: Payer, api: Api, shop: Shop) -> None:
    """`default-src 'none'` and our two hosts; the payer fixture fails the test for a single violation."""
    order = await api.order(50_000)
    checkout, gateway = payer.stack.checkout_url, payer.stack.settings.api_url
    connected = f"frame-src {checkout}; connect-src {checkout} {gateway}"
    policy = f"default-src 'none'; script-src {checkout} 'nonce-shop'; {connected}"
    document = merchant_page(payer, {"order_id": order["id"]}).replace("<script>", '<script nonce="shop">')
    await payer.page.goto(shop.publish(document, {"Content-Security-Policy": policy}))
    await payer.page.click("#pay")
    payer.framed = True
    await payer.pay_by_upi()
    await callbacks(payer, "success")
    box = await payer.page.locator('[data-test-id="payment-iframe"]').bounding_box()
    assert box is not None and 400 <= box["width"] <= 440, "its style holds without a style element"


async def test_a_shop_that_is_not_allowed_gets_an_error_and_a_link(payer: Payer, newcomer: Api, shop: Shop) -> None:
    known = {"allowed_origins": ["https://shop.example"]}
    assert (await newcomer.call("PATCH", "/merchants/me", json=known)).status_code == 200
    order = await newcomer.order(50_000)
    payer.seen.expect("frame-ancestors|Framing")
    await payer.page.goto(shop.publish(merchant_page(payer, {"order_id": order["id"], "loadTimeout": 1_500})))
    await payer.page.click("#pay")
    [error] = await callbacks(payer, "error")
    assert error["code"] == "load_timeout" and error["retryable"] is True
    [rejected] = await callbacks(payer, "rejected")
    assert rejected["code"] == "load_timeout"
    link = modal(payer).get_by_role("link")
    await expect(link).to_be_focused()
    assert f"/checkout?order_id={order['id']}" in (await link.get_attribute("href") or "")
    payer.seen.violations.clear()  # the refusal itself


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "invalid_options"),
        ({"key": "key_test_nobody", "amount": 50_000}, "invalid_options"),
        ({"key": "key_test_abc123", "amount": 5}, "invalid_options"),
        ({"order_id": "order_0000000000000000"}, "invalid_options"),
    ],
)
async def test_what_cannot_be_opened_is_a_typed_error(
    payer: Payer, shop: Shop, options: dict[str, Any], code: str
) -> None:
    payer.seen.expect("status of 40[014]")
    await open_checkout(payer, shop, **options)
    [error] = await callbacks(payer, "error")
    assert error["code"] == code and error["retryable"] is False and error["message"]
    [rejected] = await callbacks(payer, "rejected")
    assert rejected["code"] == code


async def test_an_order_that_was_already_paid_shows_it(payer: Payer, api: Api, shop: Shop) -> None:
    payment = await api.paid()
    await open_checkout(payer, shop, order_id=payment["order_id"])
    [error] = await callbacks(payer, "error")
    assert error["code"] == "order_paid"
    await expect(payer.part("payment-id")).to_have_text(payment["id"])


async def test_the_module_is_the_same_sdk(payer: Payer, api: Api, shop: Shop) -> None:
    order = await api.order(50_000)
    source = f"{payer.stack.checkout_url}/gateway.mjs"
    page = f"""<!doctype html><title>Shop</title><script type="module">
      import {{ GatewayCheckout }} from "{source}";
      window.paid = GatewayCheckout.open({{ order_id: "{order["id"]}" }}).result.then(({{ id }}) => id);
    </script>"""
    await payer.page.goto(shop.publish(page))
    payer.framed = True
    await payer.pay_by_upi()
    assert await payer.page.evaluate("paid") == await payer.part("payment-id").inner_text()


SLOW_SHOP = """<script>
  const add = window.addEventListener.bind(window);
  window.addEventListener = (type, hear, ...more) =>
    add(type, type === "message" ? (event) => setTimeout(() => hear(event), 1000) : hear, ...more);
</script>"""


async def test_a_method_that_is_requested_after_the_order_was_loaded_is_chosen(
    payer: Payer, api: Api, shop: Shop
) -> None:
    # Given a shop that answers the frame's "ready" only when the order is long there,
    order = await api.order(50_000)
    page = merchant_page(payer, {"order_id": order["id"], "method": "card"}, head=SLOW_SHOP)
    await payer.page.goto(shop.publish(page))
    # When the checkout is opened for cards, then the card form is what is shown.
    await payer.page.click("#pay")
    payer.framed = True
    await expect(payer.part("card-form")).to_be_visible()
    await expect(payer.part("upi-form")).to_be_hidden()


async def test_axe_finds_nothing_in_the_modal_or_the_frame(payer: Payer, api: Api, shop: Shop) -> None:
    order = await api.order(50_000)
    await open_checkout(payer, shop, order_id=order["id"], method="card")
    await expect(payer.part("card-form")).to_be_visible()
    assert await axe(payer.page) == []
    await payer.page.emulate_media(color_scheme="dark")
    await payer.page.set_viewport_size({"width": 320, "height": 640})
    assert await axe(payer.frame()) == []
    assert await axe(payer.page) == []


async def test_the_demo_shop_sells(payer: Payer) -> None:
    await payer.page.goto(f"{payer.stack.checkout_url}/demo")
    assert await axe(payer.page) == []
    await payer.page.get_by_role("button", name="Buy now").click()
    payer.framed = True
    await payer.pay_by_upi()
    await expect(payer.page.locator("#result")).to_contain_text("was successful")
