"""Secrets stay where they belong: what was given to a merchant or a browser is in no log, topic, table or Redis key.

Kept in the open on purpose, and left out for that place alone: the CSRF token, which Redis holds beside its session.
Everything else is a hash (API secret, session token, password) or sealed (webhook secret).
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.security.planted import planted
from tests.security.remains import everything, forms_of, hits
from tests.support.eventually import eventually
from tests.support.receiver import receiver
from tests.support.signed_up import PASSWORD, SignedUp, api_client, body_of, signed_up
from tests.support.stack import Stack

WRONG_PASSWORD = "an honest mistake in a password 4711"
IN_REDIS_ON_PURPOSE = "csrf token"

Secrets = dict[str, str]


@pytest_asyncio.fixture(scope="module")
async def used(stack: Stack) -> AsyncIterator[Secrets]:
    """Name -> secret, each of them used: rightly, wrongly, in the wrong place."""
    async with receiver() as server, signed_up(stack, "Secretive") as merchant:
        secrets = {"api secret": merchant.secret, "password": PASSWORD, "wrong password": WRONG_PASSWORD}
        secrets |= await _webhook_secrets(merchant, server.url())
        secrets |= await _key_secrets(merchant)
        secrets |= await _return_secrets(merchant)
        secrets |= await _session_secrets(stack, merchant)
        await _misuse(stack, merchant, secrets)
        payment = await merchant.pay()
        await eventually(lambda: "payment.success" in server.events(), timeout=20, what="the webhook")
        await merchant.refund(payment["id"], amount=100)
        yield secrets | _settings_secrets(stack)


async def _webhook_secrets(merchant: SignedUp, url: str) -> Secrets:
    """An endpoint's, before and after it was rotated; and the test that is signed with both."""
    endpoint = body_of(await merchant.client.post("/webhook-endpoints", json={"url": url}), 201)
    path = f"/webhook-endpoints/{endpoint['id']}"
    rotated = body_of(await merchant.client.post(f"{path}/rotate-secret"), 200)
    body_of(await merchant.client.post(f"{path}/test"), 200)
    assert endpoint["secret"] != rotated["secret"]
    return {"webhook secret": endpoint["secret"], "rotated webhook secret": rotated["secret"]}


async def _key_secrets(merchant: SignedUp) -> Secrets:
    created = body_of(await merchant.client.post("/merchants/me/keys", json={"name": "second"}), 201)
    path = f"/merchants/me/keys/{created['id']}/rotate"
    rotated = body_of(await merchant.client.post(path, json={"overlap_hours": 1}), 201)
    basic = base64.b64encode(f"{created['key']}:{created['secret']}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}"}
    async with api_client(merchant.stack) as client:
        body_of(await client.get("/payments", headers=headers), 200)
    return {"created secret": created["secret"], "rotated secret": rotated["secret"]}


async def _return_secrets(merchant: SignedUp) -> Secrets:
    """Two, so that one is the previous one; each signs a payer's way back."""
    made = [body_of(await merchant.client.post("/merchants/me/return-secret"), 201)["secret"] for _ in range(2)]
    order = body_of(
        await merchant.client.post("/orders", json={"amount": 500, "return_url": "https://a.example/"}), 201
    )
    body_of(await merchant.client.post(f"/orders/{order['id']}/cancel"), 200)
    seen = body_of(await merchant.client.get(f"/orders/{order['id']}/public"), 200)
    assert "signature_previous" in seen["return_to"]["url"]
    return {"previous return secret": made[0], "return secret": made[1]}


async def _session_secrets(stack: Stack, merchant: SignedUp) -> Secrets:
    async with merchant.browser() as browser:
        (token,) = dict(browser.cookies).values()
        csrf = browser.headers["X-CSRF-Token"]
        body_of(await browser.patch("/merchants/me", json={"name": "Renamed"}), 200)
        wrong = await browser.patch("/merchants/me", json={"name": "Forged"}, headers={"X-CSRF-Token": csrf[:-1]})
        body_of(wrong, 403)
    return {"session token": token, IN_REDIS_ON_PURPOSE: csrf}


async def _misuse(stack: Stack, merchant: SignedUp, secrets: Secrets) -> None:
    """Where a secret is refused, its text must not be kept with the refusal."""
    async with api_client(stack) as client:
        login = {"email": merchant.email, "password": WRONG_PASSWORD}
        body_of(await client.post("/auth/login", json=login), 401)
        for secret in secrets.values():
            headers: Any = {"X-Api-Key": merchant.key, "X-Api-Secret": secret + "x"}
            body_of(await client.get("/payments", headers=headers), 401)
            body_of(await client.get("/payments", headers={"Authorization": f"Bearer {secret}"}), 401)
            body_of(await client.get("/payments", headers={"Cookie": f"gateway_session={secret}x"}), 401)
            body_of(await client.get(f"/payments?secret={secret}&api_secret={secret}"), 401)
            refused = await merchant.client.post("/orders", json={"amount": secret, "secret": secret})
            assert secret not in refused.text


def _settings_secrets(stack: Stack) -> Secrets:
    settings = stack.settings
    return {
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        "seeded api secret": settings.test_api_secret.get_secret_value(),
        "database password": settings.database_url.get_secret_value().split(":")[2].split("@")[0],
    }


def _forms(name: str, secret: str) -> dict[str, bytes]:
    """As any text's; a webhook secret's key bytes too, which are what signs."""
    forms = forms_of(secret)
    if name.endswith("webhook secret"):
        key = base64.b64decode(secret.removeprefix("whsec_"))
        forms |= {"key": key, "key in hex": key.hex().encode()}
    return forms


async def test_no_secret_is_kept_readable_anywhere(stack: Stack, used: Secrets) -> None:
    found = hits(await everything(stack), {name: _forms(name, secret) for name, secret in used.items()})
    kept = {hit for hit in found if hit.startswith("redis value of b'user-session:") and IN_REDIS_ON_PURPOSE in hit}
    assert found - kept == set()
    assert kept, "the search finds the one that is there"


async def test_the_search_finds_each_secret_where_it_is_planted(stack: Stack, used: Secrets) -> None:
    async with planted(stack, " ".join(used.values()).encode()) as places:
        found = hits(await everything(stack), {name: {"plain": secret.encode()} for name, secret in used.items()})
    assert {f"{place}: {name}, plain" for place in places for name in used} <= found


def test_no_secret_is_on_a_command_line_or_in_a_file_of_the_runner(stack: Stack, used: Secrets) -> None:
    """Command lines are shown to every account of a machine."""
    seen = b""
    for child in stack.processes().values():
        if child["pid"]:
            seen += Path(f"/proc/{child['pid']}/cmdline").read_bytes()
    assert b"agents.payments" in seen
    for path in stack.plan.run_dir.iterdir():
        if path.is_file():
            seen += path.read_bytes()
    assert [name for name, secret in used.items() if secret.encode() in seen] == []


@pytest.mark.parametrize("response_of", ["/merchants/me", "/merchants/me/keys", "/webhook-endpoints", "/auth/sessions"])
async def test_no_secret_is_shown_twice(stack: Stack, used: Secrets, response_of: str) -> None:
    """Once, in the answer that made it."""
    async with signed_up(stack) as merchant:
        endpoint = body_of(await merchant.client.post("/webhook-endpoints", json={"url": "http://127.0.0.1:9/"}), 201)
        async with merchant.browser() as browser:
            (token,) = dict(browser.cookies).values()
            for client in (merchant.client, browser):
                text = (await client.get(response_of)).text
                assert not [one for one in (merchant.secret, endpoint["secret"], token, PASSWORD) if one in text]
