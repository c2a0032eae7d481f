"""`currency` on every list of what has one: the list and its CSV file show that currency alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.signed_up import SignedUp, body_of, signed_up
from tests.support.stack import Stack

LISTS = ["/payments", "/orders", "/refunds", "/payment-links"]
FILES = ["/payments/export.csv", "/orders/export.csv", "/refunds/export.csv"]


@pytest.fixture(scope="module")
async def merchant(stack: Stack) -> AsyncIterator[SignedUp]:
    """One payment, refund and link in each of two currencies."""
    async with signed_up(stack) as merchant:
        for currency in ("INR", "USD"):
            payment = await merchant.pay(currency=currency)
            await merchant.refund(payment["id"], amount=100)
            link = {"amount": 500, "currency": currency}
            body_of(await merchant.client.post("/payment-links", json=link), 201)
        yield merchant


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_shows_one_currency(merchant: SignedUp, path: str) -> None:
    whole = (await merchant.get(path, limit=100))["data"]
    assert {one["currency"] for one in whole} == {"INR", "USD"}
    for currency in ("INR", "USD"):
        found = (await merchant.get(path, limit=100, currency=currency))["data"]
        assert [one["id"] for one in found] == [one["id"] for one in whole if one["currency"] == currency]
    response = await merchant.client.get(path, params={"limit": 100, "currency": "JPY"})
    assert body_of(response, 200)["data"] == []
    assert "x-ignored" not in response.headers


@pytest.mark.parametrize("path", FILES)
async def test_a_file_has_the_filter_of_its_list(merchant: SignedUp, path: str) -> None:
    whole = (await merchant.client.get(path)).text.splitlines()
    found = (await merchant.client.get(path, params={"currency": "USD"})).text.splitlines()
    assert 1 < len(found) < len(whole)
    assert all("USD" in line for line in found[1:])


@pytest.mark.parametrize("path", [*LISTS, *FILES])
@pytest.mark.parametrize("currency", ["usd", "", "US", "DOLLARS"])
async def test_what_is_no_code_of_a_currency_is_refused(merchant: SignedUp, path: str, currency: str) -> None:
    response = await merchant.client.get(path, params={"currency": currency})
    assert body_of(response, 400)["error"]["field"] == "currency"
