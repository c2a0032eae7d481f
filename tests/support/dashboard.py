"""A person at the dashboard: a real Chromium, watched all the time, and examined when it leaves.

async with visiting(browser, stack) as visitor:
    await visitor.open("/login")
    await visitor.see("login-form")

Whoever leaves with an error in the console, a violated content policy, a request to a foreign host or an
accessibility finding fails the test.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request, expect

from tests.support.chromium import AXE, close_context
from tests.support.stack import Stack

REPORT_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) =>
  console.error("content policy", event.violatedDirective, event.blockedURI, event.sourceFile))"""
FINDINGS = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map((found) =>
  `${found.id}: ${found.nodes.map((node) => node.target.join(" ") + " – " + node.failureSummary).join(" | ")}`)"""
WIDE, NARROW = (1280, 860), (320, 640)
TIMEOUT_MS = 20_000
"""How long anything may take to appear: the machine may be busy."""

expect.set_options(timeout=TIMEOUT_MS)


@dataclass(slots=True)
class Visitor:
    """`expected`: ends of addresses whose failure is part of the test."""

    stack: Stack
    page: Page
    expected: set[str]
    problems: list[str] = field(default_factory=list)

    def watch(self) -> None:
        # Playwright marks the functions it is given, which methods of a slotted class do not allow.
        self.page.on("console", lambda message: self._received(message))
        self.page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        self.page.on("request", lambda request: self._requested(request))

    def _received(self, message: ConsoleMessage) -> None:
        address = urlsplit(message.location.get("url", "")).path
        if message.type == "error" and not any(address.endswith(end) for end in self.expected):
            self.problems.append(f"console: {message.text} ({message.location.get('url')})")

    def _requested(self, request: Request) -> None:
        ours = {self.stack.dashboard_url, self.stack.settings.api_url.rstrip("/")}
        if request.url.startswith("http") and not any(request.url.startswith(f"{own}/") for own in ours):
            self.problems.append(f"foreign request: {request.url}")

    async def open(self, path: str) -> None:
        await self.page.goto(self.stack.dashboard_url + path)

    def part(self, test_id: str) -> Locator:
        return self.page.locator(f'[data-test-id="{test_id}"]')

    async def see(self, test_id: str, text: str | None = None, *, timeout_ms: float = TIMEOUT_MS) -> Locator:
        """The visible part, with this text in it where one is given."""
        part = self.part(test_id).first
        await expect(part).to_be_visible(timeout=timeout_ms)
        if text is not None:
            await expect(part).to_have_text(text, timeout=timeout_ms)
        return part

    async def press(self, test_id: str) -> None:
        await self.part(test_id).first.click(timeout=TIMEOUT_MS)

    async def fill(self, test_id: str, text: str) -> None:
        await self.part(test_id).fill(text, timeout=TIMEOUT_MS)

    async def sign_in(self, email: str, password: str) -> None:
        await self.open("/login")
        await self.fill("email-input", email)
        await self.fill("password-input", password)
        await self.press("login-button")
        await self.see("dashboard")

    async def sign_out(self) -> None:
        """By the navigation, which a narrow page keeps in a menu."""
        leave = self.page.get_by_role("button", name="Sign out")
        if not await leave.is_visible():
            await self.page.locator(".menu-button").click()
        await leave.click()
        await self.see("login-form")

    async def examine(self, where: str) -> None:
        """Accessibility of what is on screen now."""
        await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        findings: list[str] = await self.page.evaluate(FINDINGS)
        self.problems += [f"{where}: {finding}" for finding in findings]


@contextlib.asynccontextmanager
async def visiting(
    browser: Browser, stack: Stack, *, size: tuple[int, int] = WIDE, scheme: str = "light", expected: Iterable[str] = ()
) -> AsyncIterator[Visitor]:
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(TIMEOUT_MS)
    await context.add_init_script(REPORT_VIOLATIONS)
    # Asking for a session that is not there answers 401, which Chromium reports by itself.
    visitor = Visitor(stack, await context.new_page(), {"/auth/session", *expected})
    visitor.watch()
    try:
        yield visitor
        await visitor.examine(visitor.page.url)
    finally:
        await close_context(context)
    assert not visitor.problems, "\n".join(visitor.problems)
