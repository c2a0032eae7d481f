"""The payer's waits: from `open()` until the checkout can be used, and a click on Pay until the result is on screen.

    python -m bench.checkout [--count 30]     in a real Chromium, on a stack of its own

Both are taken inside of the page, by its own clock: the first from the call of `GatewayCheckout.open` to `onReady`, the
second from the click to the moment that the success screen is no longer hidden. The bank's delay is part of it.
"""

from __future__ import annotations

import argparse
import asyncio

from playwright.async_api import Browser, Page

from bench.http import Target, connect
from bench.load import ORDER, ORDERS, percentile
from bench.measure import target_of
from tests.support.chromium import chromium
from tests.support.stack import ALL_ROLES, Stack, running_stack

WAIT_MS = 30_000
OPEN = """([key, order]) => new Promise((done) => {
  const began = performance.now();
  window.opened = GatewayCheckout.open({ key, order_id: order, onReady: () => done(performance.now() - began) });
  window.opened.result.catch(() => undefined);
})"""
PAY = """() => new Promise((done) => {
  const part = (name) => document.querySelector(`[data-test-id="${name}"]`);
  const shown = () => part("success-state")?.checkVisibility();
  let began;
  const watch = () => (shown() ? done(performance.now() - began) : requestAnimationFrame(watch));
  const button = [...document.querySelectorAll('[data-test-id="pay-button"]')].find((one) => one.checkVisibility());
  button.addEventListener("click", () => { began = performance.now(); watch(); }, { once: true });
  button.click();
})"""


async def open_to_ready(browser: Browser, stack: Stack, orders: list[str]) -> list[float]:
    """Seconds, one for each order, in one page whose cache is warm after the first."""
    page = await _page(browser, f"{stack.checkout_url}/demo")
    await page.wait_for_function("window.GatewayCheckout !== undefined", timeout=WAIT_MS)
    seconds = []
    for order_id in orders:
        seconds.append(await page.evaluate(OPEN, [stack.settings.test_api_key, order_id]) / 1_000)
        await page.evaluate("window.opened.close()")
        await page.wait_for_function("document.querySelector('dialog[open]') === null", timeout=WAIT_MS)
    await page.context.close()
    return seconds


async def click_to_result(browser: Browser, stack: Stack, orders: list[str]) -> list[float]:
    """Seconds, one for each order, each a page of its own."""
    seconds = []
    page = await _page(browser, "about:blank")
    for order_id in orders:
        await page.goto(f"{stack.checkout_url}/checkout?order_id={order_id}")
        await page.click('[data-test-id="method-upi"]', timeout=WAIT_MS)
        await page.fill('[data-test-id="vpa-input"]', "success@upi")
        seconds.append(await page.evaluate(PAY) / 1_000)
    await page.context.close()
    return seconds


async def _page(browser: Browser, url: str) -> Page:
    page = await (await browser.new_context()).new_page()
    page.set_default_timeout(WAIT_MS)
    await page.goto(url)
    return page


async def _orders(target: Target, count: int) -> list[str]:
    connection = await connect(target)
    made = [await connection.request(target.post(ORDERS, ORDER)) for _ in range(count)]
    connection.close()
    return [body.split(b'"', 4)[3].decode() for _, body in made]


async def _measure(stack: Stack, count: int) -> None:
    delay_ms = stack.settings.test_processing_delay
    async with chromium() as browser:
        target = target_of(stack)
        opened = (await open_to_ready(browser, stack, await _orders(target, count + 1)))[1:]
        _print("open() → ready", opened)
        clicked = (await click_to_result(browser, stack, await _orders(target, count + 1)))[1:]
        _print(f"click → result, delay of {delay_ms} ms included", clicked)


def _print(title: str, seconds: list[float]) -> None:
    shares = "  ".join(f"p{round(share * 100)} {percentile(seconds, share):.0f}" for share in (0.5, 0.95))
    print(f"{title}: {shares} ms, {len(seconds)} times", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.checkout", description="Measure the checkout's waits.")
    parser.add_argument("--count", type=int, default=30, help="how often each is measured")
    chosen = parser.parse_args()
    with running_stack(roles=ALL_ROLES, env={"LOG_LEVEL": "warning"}) as stack:
        stack.start_pages()
        asyncio.run(_measure(stack, chosen.count))


if __name__ == "__main__":
    main()
