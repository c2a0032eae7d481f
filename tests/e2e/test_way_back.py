"""Back to the shop over HTTP: which pages an order may name, and what its payer brings back."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import pytest_asyncio

from tests.support.api import Api, created, error_of, signed_up
from tests.support.stack import Stack

SHOP = "https://shop.example"


@pytest_asyncio.fixture
async def shop(stack: Stack) -> AsyncIterator[Api]:
    """A merchant with one allowed origin, whose browsers may order."""
    async with await signed_up(stack) as api:
        expected = {"allowed_origins": [SHOP], "browser_orders": {"enabled": True}}
        assert (await api.call("PATCH", "/merchants/me", json=expected)).status_code == 200
        yield api


async def _seen(api: Api, order_id: str) -> dict[str, Any]:
    headers = {"Origin": SHOP}
    seen: dict[str, Any] = (await api.public("GET", f"/orders/{order_id}/public", headers=headers)).json()
    return seen


async def _secret(api: Api, **body: Any) -> dict[str, Any]:
    return created(await api.post("/merchants/me/return-secret", body or None))


def _is_signed(secret: str, query: dict[str, str], name: str = "signature") -> bool:
    signed = f"{query['order_id']}|{query['payment_id']}|{query['status']}".encode()
    return hmac.compare_digest(hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest(), query[name])


def _query(seen: dict[str, Any]) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(seen["return_to"]["url"]).query, keep_blank_values=True))


@pytest.mark.parametrize(("vpa", "status"), [("success@upi", "SUCCESS"), ("failure@upi", "FAILED")])
async def test_a_payer_comes_back_with_a_proof(shop: Api, vpa: str, status: str) -> None:
    secret = (await _secret(shop))["secret"]
    order = await shop.order(500, return_url=f"{SHOP}/thanks?cart=7")
    assert order["return_url"] == f"{SHOP}/thanks?cart=7"
    before = await _seen(shop, order["id"])
    assert (before["return_url"], before["return_to"]) == (order["return_url"], None)
    payment = await shop.paid(order["id"], vpa=vpa)
    seen = await _seen(shop, order["id"])
    back, query = seen["return_to"], _query(seen)
    assert back["url"].startswith(f"{SHOP}/thanks?cart=7&order_id={order['id']}&")
    assert (back["order_id"], back["payment_id"], back["status"]) == (order["id"], payment["id"], status)
    assert (query["status"], query["signature"]) == (status, back["signature"])
    assert _is_signed(secret, query) and not _is_signed(secret, query | {"status": "PAID"})


async def test_an_order_that_ended_leads_back_without_a_payment(shop: Api) -> None:
    secret = (await _secret(shop))["secret"]
    order = await shop.order(500, return_url=SHOP)
    assert (await shop.post(f"/orders/{order['id']}/cancel")).status_code == 200
    query = _query(await _seen(shop, order["id"]))
    assert (query["payment_id"], query["status"]) == ("", "CANCELLED")
    assert _is_signed(secret, query)


async def test_a_way_back_needs_no_setting_and_an_order_without_one_has_none(stack: Stack) -> None:
    async with await signed_up(stack) as api:
        order = await api.order(500, return_url="http://localhost:9/thanks")
        await api.paid(order["id"])
        first, again = await _seen(api, order["id"]), await _seen(api, order["id"])
        assert first["return_to"]["signature"] == again["return_to"]["signature"]
        other = await api.order(500)
        await api.paid(other["id"])
        seen = await _seen(api, other["id"])
        assert (seen["return_url"], seen["return_to"]) == (None, None)


async def test_a_rotation_lets_the_previous_secret_sign_for_a_day(shop: Api) -> None:
    old = await _secret(shop)
    assert old["previous_expires_at"] is None
    order = await shop.order(500, return_url=SHOP)
    await shop.paid(order["id"])
    new = await _secret(shop)
    assert new["previous_expires_at"] is not None and new["secret"] != old["secret"]
    query = _query(await _seen(shop, order["id"]))
    assert _is_signed(new["secret"], query)
    assert _is_signed(old["secret"], query, "signature_previous")
    # A second rotation meanwhile would drop the secret that the shop still has.
    early = await shop.post("/merchants/me/return-secret")
    assert early.status_code == 400, early.text
    assert early.json()["error"]["field"] == "expire_previous" and "expire_previous" in early.text
    assert _query(await _seen(shop, order["id"])) == query, "nothing has changed"
    last = await _secret(shop, expire_previous=True)
    query = _query(await _seen(shop, order["id"]))
    assert last["previous_expires_at"] is None
    assert _is_signed(last["secret"], query) and "signature_previous" not in query


@pytest.mark.parametrize(
    "url", ["https://evil.example/", "https://shop.example.evil.example/", "http://shop.example/", "https://shop.example:8443/",
            "http://localhost:9/"],
)  # fmt: skip
async def test_only_the_merchants_origins_are_led_back_to(shop: Api, url: str) -> None:
    for response in (
        await shop.post("/orders", {"amount": 500, "return_url": url}),
        await shop.post("/payment-links", {"amount": 500, "return_url": url}),
        await shop.public(
            "POST", "/orders/public", json={"amount": 500, "key": shop.key, "return_url": url}, headers={"Origin": SHOP}
        ),
    ):
        assert (response.status_code, error_of(response)["field"]) == (400, "return_url")


@pytest.mark.parametrize(
    ("url", "status"),
    [("https://any.example/thanks", 201), ("http://any.example/thanks", 400), ("http://127.0.0.1:9", 201)],
)
async def test_a_merchant_that_names_no_origin_leads_back_over_https(api: Api, url: str, status: int) -> None:
    response = await api.post("/orders", {"amount": 500, "return_url": url})
    assert response.status_code == status


async def test_a_link_leads_back_as_well(shop: Api) -> None:
    link = created(await shop.post("/payment-links", {"amount": 500, "return_url": f"{SHOP}/paid"}))
    assert link["return_url"] == f"{SHOP}/paid"
    await shop.paid(link["order_id"])
    assert (await _seen(shop, link["order_id"]))["return_to"]["url"].startswith(f"{SHOP}/paid?order_id=")
