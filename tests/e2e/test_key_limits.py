"""API keys with limits: every route against a key that lacks its scope, addresses, expiry, and what a key may give."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.access.scopes import Scope, scope_of
from runtime.api_token import SECRET, is_mistyped
from runtime.clock import now
from tests.e2e.test_tenancy import BODIES, ENDLESS, HIDDEN, ID, NOBODYS, routes
from tests.support.eventually import eventually
from tests.support.signed_up import SignedUp, api_client, body_of, signed_up
from tests.support.stack import Stack

WITHOUT_KEYS = frozenset(
    {
        "/auth/login",
        "/auth/logout",
        "/auth/session",
        "/auth/join",
        "/auth/reset",
        "/auth/password",
        "/auth/second-factor",
        "/auth/second-factor/confirm",
        "/auth/second-factor/recovery-codes",
        "/auth/second-factor/remove",
        "/merchants",
        "/bank/notifications",
        "/test/merchant",
    }
    | {"/test/jobs/enqueue", "/test/jobs/status", "/test/payments/{payment_id}/scan"}
)
BODIES_BY_ROUTE = BODIES | {("POST", "/merchants/me/keys"): {"scopes": ["settings"]}}
"""A key gives no other key more than it has."""
KEYED = sorted({(method, path) for method, path in routes() if path not in WITHOUT_KEYS | HIDDEN})
OF_PEOPLE = [(method, path) for method, path in KEYED if scope_of(method, f"/api/v1{path}") is None]


@pytest.fixture(scope="module")
async def merchant(stack: Stack) -> AsyncIterator[SignedUp]:
    async with signed_up(stack, "Limited") as found:
        yield found


@pytest.fixture(scope="module")
async def scoped(merchant: SignedUp) -> dict[Scope, httpx.Auth]:
    """A key with each scope alone."""
    return {scope: _auth(await _key(merchant, scopes=[scope])) for scope in Scope}


async def _key(merchant: SignedUp, **limits: Any) -> dict[str, Any]:
    made: dict[str, Any] = body_of(await merchant.client.post("/merchants/me/keys", json=limits), 201)
    return made


def _auth(pair: dict[str, Any]) -> httpx.Auth:
    return httpx.BasicAuth(pair["key"], pair["secret"])


@pytest.mark.parametrize(("method", "path"), [one for one in KEYED if one not in OF_PEOPLE])
async def test_a_route_takes_a_key_with_its_scope_and_no_other(
    stack: Stack, scoped: dict[Scope, httpx.Auth], method: str, path: str
) -> None:
    needed = scope_of(method, f"/api/v1{path}")
    url, body = ID.sub(lambda found: NOBODYS[found.group(1)], path), BODIES_BY_ROUTE.get((method, path), {})
    content = None if method == "GET" else body
    async with api_client(stack) as client:
        for scope in Scope:
            if scope is needed and path in ENDLESS:
                continue
            response = await client.request(method, url, json=content, auth=scoped[scope])
            if scope is needed:
                assert response.status_code not in (401, 403), response.text
            else:
                assert response.status_code == 403, response.text
                assert response.json()["error"]["description"] == f"This API key lacks the scope '{needed}'"


@pytest.mark.parametrize(("method", "path"), OF_PEOPLE)
async def test_no_key_manages_users_not_even_one_without_limits(
    stack: Stack, merchant: SignedUp, scoped: dict[Scope, httpx.Auth], method: str, path: str
) -> None:
    url = ID.sub(lambda found: NOBODYS[found.group(1)], path)
    async with api_client(stack) as client:
        for auth in (httpx.BasicAuth(merchant.key, merchant.secret), *scoped.values()):
            response = await client.request(method, url, json=None if method == "GET" else {}, auth=auth)
            assert response.status_code == 403, response.text
            assert "an owner has to sign in" in response.json()["error"]["description"]


async def test_a_browser_cannot_order_with_a_key_that_may_not_take_payments(stack: Stack, merchant: SignedUp) -> None:
    body_of(await merchant.client.patch("/merchants/me", json={"browser_orders": {"enabled": True}}), 200)
    reading, paying = await _key(merchant, scopes=["read"]), await _key(merchant, scopes=["payments"])
    async with api_client(stack) as client:
        refused = await client.post("/orders/public", json={"amount": 500, "key": reading["key"]})
        assert refused.status_code == 403
        body_of(await client.post("/orders/public", json={"amount": 500, "key": paying["key"]}), 201)


async def test_a_key_works_from_its_addresses_only(stack: Stack, merchant: SignedUp) -> None:
    here = await _key(merchant, addresses=["127.0.0.0/8", "::1"])
    elsewhere = await _key(merchant, addresses=["203.0.113.7"])
    async with api_client(stack) as client:
        body_of(await client.get("/payments", auth=_auth(here)), 200)
        refused = await client.get("/payments", auth=_auth(elsewhere))
        # Nobody here is a trusted proxy: an address that the client writes down itself is not believed.
        claim = {"X-Forwarded-For": "203.0.113.7"}
        claimed = await client.get("/payments", auth=_auth(elsewhere), headers=claim)
        # A stranger with the public half alone learns nothing of it.
        wrong = await client.get("/payments", auth=httpx.BasicAuth(elsewhere["key"], "wrong"))
    assert refused.status_code == 403
    assert refused.json()["error"]["description"].startswith("This API key may not be used from 127.0.0.1")
    assert claimed.status_code == 403, claimed.text
    assert wrong.status_code == 401


async def test_a_key_ends_by_itself(stack: Stack, merchant: SignedUp) -> None:
    ending = await _key(merchant, expires_at=(now() + timedelta(seconds=3)).isoformat())
    async with api_client(stack) as client:

        async def ended() -> bool:
            return (await client.get("/payments", auth=_auth(ending))).status_code == 401

        await eventually(ended, timeout=20, what="the key to end")


async def test_a_key_gives_no_other_key_more_than_it_has(stack: Stack, merchant: SignedUp) -> None:
    settings = await _key(merchant, scopes=["settings", "read"])
    full = await _key(merchant, name="full")
    bounded = await _key(merchant, addresses=["127.0.0.0/8"])
    async with api_client(stack, auth=_auth(settings)) as client:
        body_of(await client.post("/merchants/me/keys", json={"scopes": ["read"]}), 201)
        for body in ({}, {"scopes": ["read", "refunds"]}):
            assert (await client.post("/merchants/me/keys", json=body)).status_code == 403
        # Nor does it get at the secret of a key that may do more.
        assert (await client.post(f"/merchants/me/keys/{full['id']}/rotate")).status_code == 403
        assert (await client.post("/merchants/me/keys/apk_nobody/rotate")).status_code == 404
        rotated = body_of(await client.post(f"/merchants/me/keys/{settings['id']}/rotate"), 201)
    assert rotated["scopes"] == ["read", "settings"]
    async with api_client(stack, auth=_auth(bounded)) as client:
        refused = await client.post("/merchants/me/keys", json={"scopes": ["read"]})
    assert refused.status_code == 403


async def test_a_key_that_expires_makes_none_that_lives_longer(stack: Stack) -> None:
    ends_at = now() + timedelta(days=2)
    async with signed_up(stack, "Passing") as merchant:
        ending, full = await _key(merchant, expires_at=ends_at.isoformat()), await _key(merchant, name="full")
        async with api_client(stack, auth=_auth(ending)) as client:
            for body in ({}, {"expires_at": (ends_at + timedelta(seconds=1)).isoformat()}):
                refused = await client.post("/merchants/me/keys", json=body)
                assert refused.status_code == 403, refused.text
                assert "can live longer" in refused.json()["error"]["description"]
            body_of(await client.post("/merchants/me/keys", json={"expires_at": ends_at.isoformat()}), 201)
            # Nor does it get at the secret of one that does, or renew itself, however short the overlap.
            assert (await client.post(f"/merchants/me/keys/{full['id']}/rotate")).status_code == 403
            path = f"/merchants/me/keys/{ending['id']}/rotate"
            for hours in (72, 1, 24):
                renewed = body_of(await client.post(path, json={"overlap_hours": hours}), 201)
                assert renewed["expires_at"] <= ending["expires_at"]


async def test_a_rotated_key_keeps_its_limits(merchant: SignedUp) -> None:
    ends_at = (now() + timedelta(days=30)).isoformat()
    limits: dict[str, Any] = {"scopes": ["payments"], "addresses": ["203.0.113.0/24", "2001:db8::1"]}
    limited = await _key(merchant, name="Till", expires_at=ends_at, **limits)
    path = f"/merchants/me/keys/{limited['id']}/rotate"
    rotated = body_of(await merchant.client.post(path), 201)
    for name in ("name", "scopes", "addresses", "expires_at"):
        assert rotated[name] == limited[name]
    # Repeated, as where the answer was lost: the end that the first rotation gave the old key is not the new one's.
    assert body_of(await merchant.client.post(path), 201)["expires_at"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": ["everything"]}, "scopes"),
        ({"addresses": ["not an address"]}, "addresses"),
        ({"addresses": ["10.0.0.1/8"]}, "addresses"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
    ],
)
async def test_a_limit_that_means_nothing_is_refused(merchant: SignedUp, body: dict[str, Any], field: str) -> None:
    refused = await merchant.client.post("/merchants/me/keys", json=body)
    assert refused.status_code == 400, refused.text
    assert refused.json()["error"]["field"].startswith(field)


async def test_a_new_secret_has_the_form_that_scanners_know(stack: Stack) -> None:
    async with signed_up(stack) as fresh:
        pair = await _key(fresh)
    assert SECRET.fullmatch(pair["secret"]) and not is_mistyped(pair["secret"])
    mistyped = pair["secret"][:-1] + ("0" if pair["secret"][-1] != "0" else "1")
    async with api_client(stack) as client:
        body_of(await client.get("/payments", auth=httpx.BasicAuth(pair["key"], mistyped)), 401)
