"""Signing in to the dashboard: what a login gives, what ends it, and what a forged request gets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import orjson
import pytest
import redis.asyncio
from argon2 import PasswordHasher
from starlette.responses import Response

from api.access.sessions import set_cookie
from runtime.settings import Settings
from store.redis.sessions import Lifetime
from tests.support.refused import until_refused
from tests.support.signed_up import PASSWORD, SignedUp, api_client, body_of, signed_up
from tests.support.stack import Stack

FORBIDDEN = "FORBIDDEN_ERROR"
LIFETIME = Lifetime.of(Settings(test_mode=True))


def code_of(response: httpx.Response) -> str:
    code: str = response.json()["error"]["code"]
    return code


async def test_a_login_gives_an_http_only_cookie_a_csrf_token_and_the_merchant(stack: Stack) -> None:
    async with signed_up(stack) as merchant, api_client(stack) as client:
        response = await client.post("/auth/login", json={"email": merchant.email.upper(), "password": PASSWORD})
        body = body_of(response, 200)
        cookie = response.headers["set-cookie"].lower()
        assert {"httponly", "samesite=lax", "path=/"} <= {part.strip() for part in cookie.split(";")}
        assert "secure" not in cookie, "the dashboard of this stack is on plain http"
        assert body["merchant"]["id"] == merchant.id
        assert (await client.get("/auth/session")).json() == body


async def test_a_wrong_password_and_an_unknown_email_get_the_same_response(stack: Stack) -> None:
    async with signed_up(stack) as merchant, api_client(stack) as client:
        wrong = await client.post("/auth/login", json={"email": merchant.email, "password": "not this one"})
        unknown = await client.post("/auth/login", json={"email": "nobody@example.com", "password": "not this one"})
    assert wrong.status_code == unknown.status_code == 401
    assert _without_request_id(wrong) == _without_request_id(unknown)
    assert "set-cookie" not in wrong.headers
    assert "www-authenticate" not in wrong.headers, "a browser would ask for a password over the page"


def _without_request_id(response: httpx.Response) -> dict[str, Any]:
    return {name: value for name, value in response.json()["error"].items() if name != "request_id"}


async def test_a_login_renews_a_password_hash_made_with_weaker_parameters(stack: Stack) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    async with signed_up(stack) as merchant, api_client(stack) as client:
        connection = await asyncpg.connect(stack.database_url)
        try:
            await connection.execute("UPDATE users SET password_hash = $2 WHERE merchant_id = $1", merchant.id, weak)
            body_of(await client.post("/auth/login", json={"email": merchant.email, "password": PASSWORD}), 200)
            renewed = await connection.fetchval("SELECT password_hash FROM users WHERE merchant_id = $1", merchant.id)
        finally:
            await connection.close()
        assert renewed != weak
        assert not PasswordHasher().check_needs_rehash(renewed)
        body_of(await client.post("/auth/login", json={"email": merchant.email, "password": PASSWORD}), 200)


async def test_too_many_attempts_get_a_retry_after_even_with_the_right_password(stack: Stack) -> None:
    limit = stack.settings.rate_limit_login_per_minute
    async with signed_up(stack) as merchant, signed_up(stack) as other, api_client(stack) as client:
        wrong = {"email": merchant.email, "password": "not this one"}
        responses = await until_refused(lambda: client.post("/auth/login", json=wrong))
        assert [response.status_code for response in responses[:limit]] == [401] * limit
        held = await client.post("/auth/login", json={"email": merchant.email, "password": PASSWORD})
        assert (held.status_code, code_of(held)) == (429, "RATE_LIMITED")
        assert 1 <= int(held.headers["retry-after"]) <= 60
        elsewhere = await client.post("/auth/login", json={"email": other.email, "password": PASSWORD})
        assert elsewhere.status_code == 200, "another e-mail from the same address is not held up"


async def test_signing_in_repeatedly_is_not_an_attack(stack: Stack) -> None:
    async with signed_up(stack) as merchant, api_client(stack) as client:
        for _ in range(stack.settings.rate_limit_login_per_minute + 2):
            body_of(await client.post("/auth/login", json={"email": merchant.email, "password": PASSWORD}), 200)


@pytest.mark.parametrize("token", [None, "", "wrong", "é"])
async def test_a_session_without_its_csrf_token_changes_nothing(stack: Stack, token: str | None) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as browser:
        del browser.headers["X-CSRF-Token"]
        headers = {} if token is None else {"X-CSRF-Token": token.encode()}
        for method, path, body in (
            ("PATCH", "/merchants/me", {"name": "Forged"}),
            ("POST", "/merchants/me/keys", {"name": "Forged"}),
            ("POST", "/orders", {"amount": 50_000}),
            ("POST", "/auth/logout", None),
        ):
            response = await browser.request(method, path, json=body, headers=headers)
            assert (response.status_code, code_of(response)) == (403, FORBIDDEN), path
        assert (await merchant.get("/merchants/me"))["name"] == "Shop"
        assert len((await merchant.get("/merchants/me/keys"))["data"]) == 1
        assert (await merchant.get("/orders", limit=10))["data"] == []
        assert (await browser.get("/auth/session")).status_code == 200


async def test_another_sites_page_cannot_use_a_session_though_it_knew_the_token(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as browser:
        evil = {"Origin": "https://evil.example"}
        response = await browser.patch("/merchants/me", json={"name": "Forged"}, headers=evil)
        assert (response.status_code, code_of(response)) == (403, FORBIDDEN)
        login = {"email": merchant.email, "password": PASSWORD}
        planted = await browser.post("/auth/login", json=login, headers=evil)
        assert (planted.status_code, code_of(planted)) == (403, FORBIDDEN), "nor sign somebody in to another account"
        own = {"Origin": stack.env["DASHBOARD_URL"]}
        assert (await browser.patch("/merchants/me", json={"name": "Mine"}, headers=own)).status_code == 200


async def test_only_our_own_pages_may_read_responses_with_credentials(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as browser:
        own = await browser.get("/auth/session", headers={"Origin": stack.env["DASHBOARD_URL"]})
        assert own.headers["access-control-allow-origin"] == stack.env["DASHBOARD_URL"]
        assert own.headers["access-control-allow-credentials"] == "true"
        evil = await browser.get("/auth/session", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-credentials" not in evil.headers
        assert evil.headers.get("access-control-allow-origin") != "https://evil.example"


async def test_a_logout_ends_the_session_for_good(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as browser:
        kept = dict(browser.cookies)
        body_of(await browser.post("/auth/logout"), 204)
        assert not dict(browser.cookies)
        async with api_client(stack, cookies=kept) as thief:
            response = await thief.get("/payments")
        assert response.status_code == 401
        assert "www-authenticate" not in response.headers


async def test_sessions_are_listed_and_one_can_end_another(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as here, merchant.browser() as there:
        listed = body_of(await here.get("/auth/sessions"), 200)["data"]
        assert [session["current"] for session in listed].count(True) == 1
        assert {session["ip"] for session in listed} == {"127.0.0.1"}
        other = next(
            session["id"] for session in body_of(await there.get("/auth/sessions"), 200)["data"] if session["current"]
        )
        body_of(await here.delete(f"/auth/sessions/{other}"), 204)
        assert (await there.get("/merchants/me")).status_code == 401
        assert (await here.get("/merchants/me")).status_code == 200
        assert (await here.delete(f"/auth/sessions/{other}")).status_code == 404


async def test_a_new_login_ends_the_session_it_came_with(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as browser:
        before = dict(browser.cookies)
        body_of(await browser.post("/auth/login", json={"email": merchant.email, "password": PASSWORD}), 200)
        assert dict(browser.cookies) != before
        async with api_client(stack, cookies=before) as old:
            assert (await old.get("/merchants/me")).status_code == 401


async def test_an_idle_session_expires_and_a_used_one_is_prolonged(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as browser, _redis(stack) as client:
        key = await _session_key(client, merchant)
        assert 0 < await client.ttl(key) <= LIFETIME.idle_seconds
        await _age(client, key, last_seen_at=datetime.now(UTC) - timedelta(minutes=5))
        await client.expire(key, 25 * 60)
        assert (await browser.get("/merchants/me")).status_code == 200
        assert await client.ttl(key) > 29 * 60, "a request puts the idle end off"
        await client.expire(key, 0)
        assert (await browser.get("/merchants/me")).status_code == 401


async def test_no_session_lasts_longer_than_twelve_hours_however_busy(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as browser, _redis(stack) as client:
        key = await _session_key(client, merchant)
        nearly_over = datetime.now(UTC) - timedelta(seconds=LIFETIME.whole_seconds - 90)
        await _age(client, key, created_at=nearly_over, last_seen_at=datetime.now(UTC) - timedelta(minutes=5))
        assert (await browser.get("/merchants/me")).status_code == 200
        assert await client.ttl(key) <= 90, "being used does not put the absolute end off"
        await _age(client, key, created_at=datetime.now(UTC) - timedelta(seconds=LIFETIME.whole_seconds + 1))
        assert (await browser.get("/merchants/me")).status_code == 401


async def test_redis_never_holds_a_credential(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as browser, _redis(stack) as client:
        (token,) = dict(browser.cookies).values()
        stored = await client.get(await _session_key(client, merchant))
        keys = [key async for key in client.scan_iter("user-session*")]
        assert token.encode() not in stored
        assert not any(token.encode() in key for key in keys)


def _redis(stack: Stack) -> redis.asyncio.Redis:
    return redis.asyncio.from_url(stack.redis_url)


async def _session_key(client: redis.asyncio.Redis, merchant: SignedUp) -> str:
    """The session used last."""
    digests = await client.hvals(f"user-sessions:{merchant.id}")
    keys = [f"user-session:{digest.decode()}" for digest in digests]
    stored = {key: orjson.loads(value) for key in keys if (value := await client.get(key))}
    return max(stored, key=lambda key: stored[key]["last_seen_at"])


async def _age(client: redis.asyncio.Redis, key: str, **changed: datetime) -> None:
    facts = orjson.loads(await client.get(key)) | {name: value.isoformat() for name, value in changed.items()}
    await client.set(key, orjson.dumps(facts), keepttl=True)


def test_over_https_the_cookie_is_bound_to_the_host() -> None:
    settings = Settings(test_mode=True, dashboard_url="https://dashboard.example")
    assert _cookie_of(settings).startswith(
        "__Host-gateway_session=t; HttpOnly; Max-Age=43200; Path=/; SameSite=lax; Secure"
    )


def _cookie_of(settings: Settings) -> str:
    response = Response()
    set_cookie(response, settings, "t")
    return response.headers["set-cookie"]
