"""What one merchant or one client uses up is its own: the others are answered as before."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from api.access.limits import MERCHANT_BURST_MIN
from api.app import RESPONSE_SECONDS_BEYOND_DECISION
from tests.support.api import Api, error_of, signed_up
from tests.support.extra_api import extra_api
from tests.support.refused import until_refused
from tests.support.stack import Stack

PER_MINUTE, LOOKUPS_PER_MINUTE, LOGINS_PER_MINUTE = 60, 18, 3
BURST, LOOKUPS_BURST = MERCHANT_BURST_MIN, LOOKUPS_PER_MINUTE
ORDER = {"amount": 500, "currency": "INR"}
PASSWORD = "a long password"


@pytest.fixture(scope="module")
async def narrow(stack: Stack) -> AsyncIterator[str]:
    """The address of one more API process, with low quotas, behind a trusted proxy: the test."""
    settings = {
        "RATE_LIMIT_MERCHANT_PER_MINUTE": str(PER_MINUTE), "RATE_LIMIT_LOOKUPS_PER_MINUTE": str(LOOKUPS_PER_MINUTE),
        "RATE_LIMIT_LOGIN_PER_MINUTE": str(LOGINS_PER_MINUTE), "RATE_LIMIT_PUBLIC_PER_MINUTE": "3",
        "TRUSTED_PROXIES": "127.0.0.0/8",
    }  # fmt: skip
    async with extra_api(stack, "narrow", settings) as url:
        yield url


@pytest.fixture
async def pair(stack: Stack, narrow: str) -> AsyncIterator[tuple[Api, Api]]:
    """Two merchants on the narrow process."""
    async with (
        await signed_up(stack) as one,
        await signed_up(stack) as other,
        Api(narrow, one.key, one.secret) as first,
        Api(narrow, other.key, other.secret) as second,
    ):
        yield first, second


@pytest.mark.parametrize(
    ("method", "path", "body", "burst"),
    [("POST", "/orders", ORDER, BURST), ("GET", "/merchants/me", None, BURST), ("GET", "/orders", None, LOOKUPS_BURST)],
)
async def test_a_merchant_above_its_quota_is_held_and_the_others_are_not(
    pair: tuple[Api, Api], method: str, path: str, body: object, burst: int
) -> None:
    noisy, quiet = pair
    responses = await until_refused(lambda: noisy.call(method, path, json=body))
    assert all(response.is_success for response in responses[:burst]), responses[0].text
    assert responses[0].headers["RateLimit-Limit"] == str(burst)
    assert responses[0].headers["RateLimit-Remaining"] == str(burst - 1)
    held = responses[-1]
    assert error_of(held)["code"] == "RATE_LIMITED"
    assert 1 <= int(held.headers["Retry-After"]) <= 60
    assert held.headers["RateLimit-Remaining"] == "0"
    assert 1 <= int(held.headers["RateLimit-Reset"]) <= 60
    assert (await quiet.call(method, path, json=body)).is_success


async def test_a_refusal_that_is_held_longer_than_responses_may_take_is_still_a_refusal(
    stack: Stack, pair: tuple[Api, Api]
) -> None:
    noisy, _ = pair
    slow = {"RATE_LIMIT_MERCHANT_PER_MINUTE": str(PER_MINUTE), "DECISION_TIMEOUT_MS": "100"}
    async with extra_api(stack, "impatient", slow) as url, Api(url, noisy.key, noisy.secret) as api:
        await until_refused(lambda: api.call("GET", "/webhook-endpoints"))
        began = time.monotonic()
        responses = await asyncio.gather(*(api.call("GET", "/webhook-endpoints") for _ in range(90)))
    assert {response.status_code for response in responses} <= {200, 429}, "a 503 would be an outage"
    assert time.monotonic() - began > 0.1 + RESPONSE_SECONDS_BEYOND_DECISION


async def test_what_a_merchant_looks_up_leaves_its_payments_alone(pair: tuple[Api, Api]) -> None:
    noisy, _ = pair
    assert (await noisy.call("POST", "/orders", json=ORDER)).status_code == 201
    await until_refused(lambda: noisy.call("GET", "/payments"))
    assert (await noisy.call("POST", "/orders", json=ORDER)).status_code == 201


async def _payer(url: str, address: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", trust_env=False, timeout=10) as http:
        return await http.post("/payments/public", json={}, headers={"X-Forwarded-For": address})


async def test_payers_behind_a_trusted_proxy_are_told_apart_and_cannot_lie(narrow: str) -> None:
    first, second = (f"198.51.100.{secrets.randbelow(120) + start}" for start in (1, 130))
    numbers = itertools.count(1)
    await until_refused(lambda: _payer(narrow, f"10.1.1.{next(numbers) % 250}, {first}"))
    assert (await _payer(narrow, second)).status_code != 429


async def test_an_ipv6_network_of_64_bits_is_one_client(narrow: str) -> None:
    network, other = (f"2001:db8:{secrets.token_hex(2)}:{part}" for part in ("1", "2"))
    numbers = itertools.count(1)
    await until_refused(lambda: _payer(narrow, f"{network}::{next(numbers):x}"))
    assert (await _payer(narrow, f"{other}::1")).status_code != 429


async def test_without_a_trusted_proxy_the_header_changes_nothing(stack: Stack) -> None:
    async with extra_api(stack, "unproxied", {"RATE_LIMIT_PUBLIC_PER_MINUTE": "3"}) as url:
        numbers = itertools.count(1)
        await until_refused(lambda: _payer(url, f"203.0.113.{next(numbers)}"))


class _Door:
    """Signing in to one account from chosen addresses."""

    def __init__(self, url: str, email: str) -> None:
        self._url, self._email = url, email

    async def try_from(self, address: str, password: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=f"{self._url}/api/v1", trust_env=False, timeout=20) as http:
            body = {"email": self._email, "password": password}
            headers = {"X-Forwarded-For": address}
            return await http.post("/auth/login", json=body, headers=headers)


async def test_guesses_from_many_addresses_are_held_and_the_owner_still_gets_in(narrow: str) -> None:
    email, home = f"{secrets.token_hex(6)}@example.com", f"2001:db8:{secrets.token_hex(2)}::1"
    async with httpx.AsyncClient(base_url=f"{narrow}/api/v1", trust_env=False, timeout=20) as http:
        sign_up = {"name": "Shop", "email": email, "password": PASSWORD}
        response = await http.post("/merchants", json=sign_up, headers={"X-Forwarded-For": home})
        assert response.status_code == 201
    door = _Door(narrow, email)
    assert (await door.try_from(home, PASSWORD)).status_code == 200
    salt, numbers = secrets.token_hex(2), itertools.count()
    guesses = await until_refused(lambda: door.try_from(f"2001:db8:{salt}:{next(numbers):x}::1", "not this one"))
    assert [response.status_code for response in guesses[:LOGINS_PER_MINUTE]] == [401] * LOGINS_PER_MINUTE
    assert (await door.try_from(home, PASSWORD)).status_code == 200


async def test_sessions_and_audit_log_show_the_client_behind_the_proxy(narrow: str) -> None:
    email, home = f"{secrets.token_hex(6)}@example.com", f"198.51.100.{secrets.randbelow(250) + 1}"
    async with httpx.AsyncClient(base_url=f"{narrow}/api/v1", trust_env=False, timeout=20) as http:
        http.headers["X-Forwarded-For"] = home
        sign_up = {"name": "Shop", "email": email, "password": PASSWORD}
        assert (await http.post("/merchants", json=sign_up)).status_code == 201
        sessions = (await http.get("/auth/sessions")).json()["data"]
        entries = (await http.get("/audit-log")).json()["data"]
    assert [session["ip"] for session in sessions] == [home]
    assert {entry["address"] for entry in entries} == {home}
