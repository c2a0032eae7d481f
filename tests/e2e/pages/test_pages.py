"""What the two sites serve: headers, caches, encodings, integrity, and who may frame what."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.support.api import Api
from tests.support.stack import Stack

BUDGETS = Path(__file__).parents[3]


@pytest_asyncio.fixture
async def checkout(pages: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=pages.checkout_url, timeout=20, trust_env=False) as client:
        yield client


@pytest_asyncio.fixture
async def dashboard(pages: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=pages.dashboard_url, timeout=20, trust_env=False) as client:
        yield client


def directives(response: httpx.Response) -> dict[str, str]:
    policy = response.headers["content-security-policy"]
    return {name: value for name, _, value in (part.strip().partition(" ") for part in policy.split(";"))}


def integrity_of(content: bytes) -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()


async def test_the_checkout_may_load_only_itself_and_the_api(
    pages: Stack, checkout: httpx.AsyncClient, api: Api
) -> None:
    order = await api.order()
    for path in ("/checkout", "/"):
        response = await checkout.get(path, params={"order_id": order["id"]})
        assert response.status_code == 200
        policy = directives(response)
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self' data:",
            "font-src": "'self'",
            "connect-src": f"'self' {pages.settings.api_url}",
            "form-action": "'self'",
            "base-uri": "'none'",
        }, "test mode, no allowed origins: framed from anywhere"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "camera=()" in response.headers["permissions-policy"]
    framed = await checkout.get("/checkout", params={"order_id": order["id"], "embedded": "true"})
    assert framed.headers["referrer-policy"] == "strict-origin"


@pytest.mark.parametrize(
    ("requested", "accepted", "shown"),
    [
        ("", "", ['<html lang="en">', '<div class="page">', "Loading your order"]),
        ("theme=dark", "hi-IN,en", ['<html data-theme="dark" lang="hi">', '<div class="page">', "देय राशि"]),
        ("locale=ta", "hi", ['<html lang="ta">', "செலுத்த வேண்டிய தொகை"]),
        ("locale=en&embedded=true", "hi", ['<html lang="en">', '<div class="page embedded">', "Amount to pay"]),
        ("locale=hi&theme=%22%3E%3Cscript%3E", "", ['<html lang="hi">', '<div class="page">']),
    ],
)
async def test_the_document_looks_as_the_script_will_draw_it(
    pages: Stack, checkout: httpx.AsyncClient, requested: str, accepted: str, shown: list[str]
) -> None:
    response = await checkout.get(f"/checkout?{requested}", headers={"Accept-Language": accepted})
    for part in [*shown, f'<meta name="gateway-api" content="{pages.settings.api_url}" />']:
        assert part in response.text
    assert '<meta name="gateway-test" content="true" />' in response.text
    assert "__" not in response.text, "every placeholder is filled in"


async def test_only_origins_that_the_merchant_named_may_frame_its_orders(
    checkout: httpx.AsyncClient, newcomer: Api
) -> None:
    named = ["https://shop.example", "http://localhost:4000"]
    assert (await newcomer.call("PATCH", "/merchants/me", json={"allowed_origins": named})).status_code == 200
    order = await newcomer.order()
    answer = await checkout.get("/checkout", params={"order_id": order["id"], "embedded": "true"})
    assert directives(answer)["frame-ancestors"] == "'self' https://shop.example http://localhost:4000"


async def test_nobody_may_frame_the_dashboard(pages: Stack, dashboard: httpx.AsyncClient) -> None:
    for path in ("/", "/login", "/dashboard/transactions", "/dashboard/payments/pay_0000000000000000"):
        response = await dashboard.get(path)
        assert response.status_code == 200 and '<div id="app">' in response.text
        assert directives(response)["frame-ancestors"] == "'none'"
        assert directives(response)["connect-src"] == f"'self' {pages.settings.api_url}"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["cache-control"] == "no-store"
    assert (await dashboard.get("/assets/gone.js")).status_code == 404


async def test_every_script_and_style_of_the_checkout_has_a_hash_is_listed_and_cached_permanently(
    checkout: httpx.AsyncClient,
) -> None:
    document = (await checkout.get("/checkout")).text
    inventory = {one["path"]: one["integrity"] for one in (await checkout.get("/script-inventory.json")).json()}
    assert inventory
    for path, integrity in inventory.items():
        response = await checkout.get(path)
        assert integrity_of(response.content) == integrity
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    scripts = [path for path in inventory if f'src="{path}"' in document]
    assert len(scripts) == 1
    assert f'src="{scripts[0]}" integrity="{inventory[scripts[0]]}"' in document


@pytest.mark.parametrize("path", ["/gateway.js", "/checkout.js", "/v1/gateway.js"])
async def test_the_sdk_has_three_names_and_fits_its_budget(checkout: httpx.AsyncClient, path: str) -> None:
    response = await checkout.get(path)
    assert response.headers["content-type"].startswith("text/javascript")
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    assert response.headers["cache-control"] == "public, max-age=300, must-revalidate"
    assert response.content == (await checkout.get("/gateway.js")).content
    assert len(gzip.compress(response.content, 9)) <= 2_560


async def test_published_hashes_are_those_of_the_versioned_files(checkout: httpx.AsyncClient) -> None:
    published = (await checkout.get("/sri.json")).json()
    assert set(published["files"]) == {f"/v1/{published['version']}/gateway.{ending}" for ending in ("js", "mjs")}
    for path, integrity in published["files"].items():
        response = await checkout.get(path)
        assert integrity_of(response.content) == integrity
        assert "immutable" in response.headers["cache-control"]
        assert response.headers["access-control-allow-origin"] == "*", "an integrity check across origins needs it"
    types = (await checkout.get("/gateway.d.mts")).text
    assert "export declare const GatewayCheckout: GatewayCheckoutApi" in types


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [("gzip, deflate, br", "br"), ("gzip", "gzip"), ("br;q=0, gzip", "gzip"), ("identity", None), ("", None)],
)
async def test_files_come_in_the_best_encoding_the_client_takes(
    checkout: httpx.AsyncClient, accepted: str, encoding: str | None
) -> None:
    async with checkout.stream("GET", "/gateway.js", headers={"Accept-Encoding": accepted}) as response:
        raw = b"".join([part async for part in response.aiter_raw()])
    assert response.headers.get("content-encoding") == encoding
    assert response.headers["vary"] == "Accept-Encoding"
    if encoding is None:
        assert b"GatewayCheckout" in raw
    if encoding == "gzip":
        assert b"GatewayCheckout" in gzip.decompress(raw)
    etag = response.headers["etag"]
    again = await checkout.get("/gateway.js", headers={"Accept-Encoding": accepted, "If-None-Match": etag})
    assert again.status_code == 304 and again.content == b""


async def test_the_configuration_names_the_api_and_no_secret(
    pages: Stack, checkout: httpx.AsyncClient, dashboard: httpx.AsyncClient
) -> None:
    shown = (await checkout.get("/config.json")).json()
    assert shown == (await dashboard.get("/config.json")).json()
    assert shown["api_url"] == pages.settings.api_url and shown["test_mode"] is True
    assert pages.settings.test_api_secret.get_secret_value() not in json.dumps(shown)


async def test_what_is_not_there_is_not_found(checkout: httpx.AsyncClient) -> None:
    for path in ("/nothing", "/assets/../package.json", "/..%2f..%2fpyproject.toml", "/demo/../app.py", "/index.html"):
        assert (await checkout.get(path)).status_code == 404, path
    assert (await checkout.post("/checkout")).status_code == 405
    head = await checkout.head("/gateway.js")
    assert head.status_code == 200 and head.content == b""
