"""Real Chromium, watched: every page's logs, requests and refusals are checked when its test ends.

    payer = await open_payer(browser, stack, seen)      a page in a context of its own
    await payer.visit(order_id)                         the hosted checkout
    await payer.part("pay-button").click()              by data-test-id

CHROMIUM_PATH names the browser (default /usr/bin/chromium); none is ever downloaded.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import (
    Browser,
    BrowserContext,
    Frame,
    FrameLocator,
    Locator,
    Page,
    Request,
    Route,
    async_playwright,
)

from tests.support.stack import Stack

ROOT = Path(__file__).parents[2]
WAIT_MS = 20_000
"""How long anything may take to appear: this machine may be busy."""
AXE = ROOT / "node_modules/axe-core/axe.min.js"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
REPORT_VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) =>
  tellViolation(`${event.effectiveDirective} ${event.blockedURI} at ${location.href}`))"""


def held_until(gate: asyncio.Event) -> Callable[[Route], Awaitable[None]]:
    """A slow network, for `page.route`: the real request goes on once the gate opens."""

    async def hold(route: Route) -> None:
        await gate.wait()
        await route.continue_()

    return hold


async def close_context(context: BrowserContext) -> None:
    """Close a context. Requests that a route still holds or answers are let go first; their errors mean nothing."""
    for page in context.pages:
        await page.unroute_all(behavior="ignoreErrors")
    await context.close()


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        path = os.environ.get("CHROMIUM_PATH", "/usr/bin/chromium")
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        await browser.close()


@dataclass(slots=True)
class Seen:
    """Everything a context did that must be accounted for."""

    console: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    ends: dict[Request, str] = field(default_factory=dict)
    """Status of a request that was answered, or why it failed; one that hangs is missing."""
    expected: list[str] = field(default_factory=list)
    """Regular expressions of console errors that the test provokes."""

    def expect(self, pattern: str) -> None:
        self.expected.append(pattern)

    def urls(self, part: str) -> list[str]:
        return [request.url for request in self.requests if part in request.url]

    def story(self, last: int = 20) -> str:
        """The last requests and what became of each, for the report of a test that failed."""
        lines = [f"{one.method} {one.url}: {self.ends.get(one, 'no answer')}" for one in self.requests[-last:]]
        return "\n".join(["what the page asked for:", *lines])

    def check(self, hosts: set[str]) -> None:
        """Raises AssertionError for an unexpected error, a violation, or a request to a foreign host."""
        message = [line for line in self.console if not any(re.search(known, line) for known in self.expected)]
        assert message == [], message
        assert self.violations == []
        foreign = {r.url for r in self.requests if r.url.startswith("http") and urlsplit(r.url).netloc not in hosts}
        assert foreign == set()


@dataclass(slots=True)
class Payer:
    """A page and what it did. `part` finds by data-test-id, in the page or, once `framed`, in the SDK's frame."""

    stack: Stack
    context: BrowserContext
    page: Page
    seen: Seen
    framed: bool = False

    @property
    def root(self) -> Page | FrameLocator:
        return self.page.frame_locator('[data-test-id="payment-iframe"]') if self.framed else self.page

    def part(self, test_id: str) -> Locator:
        return self.root.locator(f'[data-test-id="{test_id}"]')

    def pay_button(self, method: str) -> Locator:
        return self.part(f"{method}-form").locator('[data-test-id="pay-button"]')

    def frame(self) -> Frame:
        """The checkout's own frame, whether it is the page or in it."""
        return next(frame for frame in self.page.frames if frame.url.startswith(f"{self.stack.checkout_url}/checkout"))

    async def visit(self, order_id: str, query: str = "") -> None:
        await self.page.goto(f"{self.stack.checkout_url}/checkout?order_id={order_id}{query}")

    async def fill_card(self, number: str = "4111 1111 1111 1111", *, cvv: str = "123") -> None:
        await self.part("method-card").click()
        await self.part("card-number-input").fill(number)
        await self.part("expiry-input").fill("12/39")
        await self.part("cardholder-name-input").fill("Test Payer")
        await self.part("cvv-input").fill(cvv)

    async def pay_by_card(self, number: str = "4111 1111 1111 1111") -> None:
        await self.fill_card(number)
        await self.pay_button("card").click()

    async def pay_by_upi(self, vpa: str = "success@upi") -> None:
        await self.part("method-upi").click()
        await self.part("vpa-input").fill(vpa)
        await self.pay_button("upi").click()


async def open_payer(browser: Browser, stack: Stack, seen: Seen, **options: Any) -> Payer:
    """A fresh context (`options` as Playwright takes them) with one watched page."""
    context = await browser.new_context(locale="en-IN", reduced_motion="reduce", **options)
    context.set_default_timeout(WAIT_MS)
    await context.expose_binding("tellViolation", lambda _source, text: seen.violations.append(text))
    await context.add_init_script(REPORT_VIOLATIONS)
    context.on("request", lambda request: seen.requests.append(request))
    context.on("response", lambda response: seen.ends.update({response.request: str(response.status)}))
    context.on("requestfailed", lambda request: seen.ends.update({request: str(request.failure)}))
    context.on("weberror", lambda error: seen.console.append(f"uncaught {error.error}"))
    context.on("console", lambda message: seen.console.append(message.text) if message.type == "error" else None)
    return Payer(stack, context, await context.new_page(), seen)


async def axe(frame: Frame | Page) -> list[str]:
    """What axe-core finds wrong: `rule: element` for each."""
    if not await frame.evaluate("typeof axe === 'object'"):
        await frame.evaluate(AXE.read_text(encoding="utf-8"))
    return await frame.evaluate(
        """async (tags) => {
          const { violations } = await axe.run(document, {
            runOnly: { type: "tag", values: tags }, resultTypes: ["violations"], iframes: false,
          });
          return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target}`));
        }""",
        AXE_TAGS,
    )  # type: ignore[no-any-return]  # what the page computed
