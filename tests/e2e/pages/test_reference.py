"""The API's reference in a real browser: it loads under its policy, and a call from it gets a response."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import expect

from tests.support.api import Api
from tests.support.chromium import Payer
from tests.support.stack import Stack

pytestmark = pytest.mark.browser


async def test_the_reference_tries_a_call_against_the_gateway_that_serves_it(
    payer: Payer, pages: Stack, api: Api
) -> None:
    order = await api.order(50_000, receipt="tried from the reference")
    page = payer.page
    response = await page.goto(pages.settings.api_url.rstrip("/") + "/docs")
    assert response is not None
    policy = (await response.all_headers())["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} <= set(policy)
    await expect(page.get_by_role("heading", name="Payment gateway")).to_be_visible()

    await page.get_by_role("button", name="Authorize").first.click()
    for scheme, value in (("X-Api-Key", api.key), ("X-Api-Secret", api.secret)):
        form = page.locator(".auth-container form", has_text=scheme)
        await form.get_by_role("textbox").fill(value)
        await form.get_by_role("button", name="Apply credentials").click()
    await page.get_by_role("button", name="Close").last.click()

    operation = page.locator(".opblock", has=page.locator('[data-path="/api/v1/orders/{order_id}"]')).first
    await operation.locator(".opblock-summary-control").click()
    await operation.locator("tr[data-param-name=order_id] input").fill(order["id"])
    await operation.get_by_role("button", name="Execute").click()
    live = operation.locator(".live-responses-table .response")
    await expect(live.locator(".response-col_status")).to_contain_text("200")
    shown = json.loads(await live.locator(".response-col_description pre").first.inner_text())
    assert (shown["id"], shown["receipt"]) == (order["id"], "tried from the reference")
