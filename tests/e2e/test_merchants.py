"""Merchants: signing up, what they allow, and keys that come, overlap and go."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from tests.support.eventually import eventually
from tests.support.live_api import live_api
from tests.support.signed_up import PASSWORD, SignedUp, api_client, body_of, signed_up
from tests.support.stack import Stack

API_WORKERS_TRIED = 12
"""Connections opened afresh, so that every API process is asked."""


async def test_a_new_merchant_can_be_paid_at_once(stack: Stack) -> None:
    async with signed_up(stack, "Café ✓") as merchant:
        payment = await merchant.pay()
        assert payment["merchant_id"] == merchant.id
        assert (await merchant.get("/merchants/me")) == {
            "id": merchant.id,
            "name": "Café ✓",
            "email": merchant.email,
            "allowed_origins": [],
            "browser_orders": {"enabled": False, "maximum_minor": None},
            "capture": "manual",
            "capture_within_minutes": None,
            "upi_payee": None,
            "support_refunds": None,
            "second_factor_required": False,
            "created_at": (await merchant.get("/merchants/me"))["created_at"],
        }


async def test_an_email_address_signs_up_once_whatever_its_case(stack: Stack) -> None:
    async with signed_up(stack) as merchant, api_client(stack) as client:
        body = {"name": "Again", "email": merchant.email.upper(), "password": PASSWORD}
        response = await client.post("/merchants", json=body)
        assert response.status_code == 400
        assert response.json()["error"]["field"] == "email"


async def test_of_two_sign_ups_at_once_with_one_email_one_is_made(stack: Stack) -> None:
    body = {"name": "Twice", "email": f"{secrets.token_hex(8)}@example.com", "password": PASSWORD}
    async with api_client(stack) as client:
        responses = await asyncio.gather(*(client.post("/merchants", json=body) for _ in range(3)))
    assert sorted(response.status_code for response in responses) == [201, 400, 400]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", " \t "),
        ("name", "n" * 256),
        ("name", 7),
        ("email", "no-at-sign"),
        ("email", "a@b"),
        ("email", "a b@example.com"),
        ("email", "a@example.com\r\nBcc: b@example.com"),
        ("password", "short"),
        ("password", "p" * 129),
        ("password", None),
    ],
)
async def test_a_sign_up_that_is_not_complete_is_refused_by_field(stack: Stack, field: str, value: object) -> None:
    body: dict[str, Any] = {"name": "Shop", "email": "someone@example.com", "password": PASSWORD} | {field: value}
    async with api_client(stack) as client:
        response = await client.post("/merchants", json=body)
    assert (response.status_code, response.json()["error"]["field"]) == (400, field)
    assert PASSWORD not in response.text


async def test_outside_test_mode_only_the_operator_creates_merchants(stack: Stack) -> None:
    body = {"name": "Shop", "email": f"{secrets.token_hex(8)}@example.com", "password": PASSWORD}
    async with live_api(stack) as client:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}):
            assert (await client.post("/merchants", json=body, headers=headers)).status_code == 401, headers
        made = body_of(
            await client.post("/merchants", json=body, headers={"Authorization": "Bearer the-operator"}), 201
        )
        assert made["api_key"].startswith("key_live_")
        assert made["csrf_token"] is None, "the operator is not signed in as the merchant"
        key = {"X-Api-Key": made["api_key"], "X-Api-Secret": made["api_secret"]}
        assert (await client.get("/merchants/me", headers=key)).json()["id"] == made["id"]


async def test_without_an_operator_token_no_bearer_token_is_the_operators(stack: Stack) -> None:
    body = {"name": "Shop", "email": "x@example.com", "password": PASSWORD}
    async with live_api(stack, operator_token="") as client:
        for token in ("", "None", " "):
            response = await client.post("/merchants", json=body, headers={"Authorization": f"Bearer {token}"})
            assert response.status_code == 401


async def test_what_is_left_out_of_a_change_stays(stack: Stack) -> None:
    async with signed_up(stack) as merchant:
        orders = {"enabled": True, "maximum_minor": 500_000}
        body_of(await merchant.client.patch("/merchants/me", json={"browser_orders": orders}), 200)
        body_of(await merchant.client.patch("/merchants/me", json={"name": " Renamed "}), 200)
        origins = ["https://shop.example", "HTTP://LOCALHOST:8080", "https://shop.example:443"]
        changed = body_of(await merchant.client.patch("/merchants/me", json={"allowed_origins": origins}), 200)
        assert (changed["name"], changed["browser_orders"]) == ("Renamed", orders)
        assert changed["allowed_origins"] == ["https://shop.example", "http://localhost:8080"]
        assert (await merchant.get("/merchants/me")) == changed


async def test_changes_of_different_things_at_once_all_last(stack: Stack) -> None:
    async with signed_up(stack) as merchant:
        for number in range(5):
            name, origin = f"Name {number}", f"https://shop{number}.example"
            await asyncio.gather(
                merchant.client.patch("/merchants/me", json={"name": name}),
                merchant.client.patch("/merchants/me", json={"allowed_origins": [origin]}),
            )
            found = await merchant.get("/merchants/me")
            assert (found["name"], found["allowed_origins"]) == (name, [origin])


@pytest.mark.parametrize(
    "origin",
    [
        "*", "null", "", "shop.example", "https://", "https://shop.example/", "https://shop.example/path",
        "https://shop.example?x", "https://user@shop.example", "ftp://shop.example", "javascript://shop.example",
        "https://*.shop.example", "https://shop.example:99999", "https://shop.example:", "https://shop example",
        "https://shop.example\u0000", "https://shöp.example", "file:///etc/passwd", "https://[::1",
    ],
)  # fmt: skip
async def test_only_origins_can_be_allowed(stack: Stack, origin: str) -> None:
    async with _seeded(stack) as client:
        response = await client.patch("/merchants/me", json={"allowed_origins": ["https://good.example", origin]})
    assert response.status_code == 400, response.text


@pytest.mark.parametrize(
    "orders", [{}, {"enabled": "yes"}, {"enabled": True, "maximum_minor": 99}, {"enabled": True, "maximum_minor": 1.5}]
)
async def test_browser_orders_are_switched_with_whole_values_only(stack: Stack, orders: dict[str, object]) -> None:
    async with _seeded(stack) as client:
        assert (await client.patch("/merchants/me", json={"browser_orders": orders})).status_code == 400


async def test_a_further_key_works_beside_the_first_and_its_secret_is_shown_once(stack: Stack) -> None:
    async with signed_up(stack) as merchant:
        added = body_of(await merchant.client.post("/merchants/me/keys", json={"name": "Shop 2"}), 201)
        assert await _statuses(stack, added) == {200}
        assert await _statuses(stack, {"key": merchant.key, "secret": merchant.secret}) == {200}
        listed = (await merchant.get("/merchants/me/keys"))["data"]
        assert [key["name"] for key in listed] == ["Shop 2", "Default"]
        assert not any("secret" in key for key in listed)
        assert added["secret"] not in str(await _stored(stack, "SELECT * FROM api_keys"))


async def test_a_revoked_key_is_refused_by_every_api_process_at_once(stack: Stack) -> None:
    async with signed_up(stack) as merchant:
        added = body_of(await merchant.client.post("/merchants/me/keys"), 201)
        assert await _statuses(stack, added) == {200}, "it is in every process's cache now"
        body_of(await merchant.client.delete(f"/merchants/me/keys/{added['id']}"), 204)
        await eventually(lambda: _only(stack, added, 401), timeout=3, what="the key to be refused everywhere")
        revoked = next(key for key in (await merchant.get("/merchants/me/keys"))["data"] if key["id"] == added["id"])
        assert revoked["revoked_at"] is not None
        again = await merchant.client.delete(f"/merchants/me/keys/{added['id']}")
        assert again.status_code == 204, "revoking twice is no error"


async def test_a_rotated_key_works_beside_its_successor_until_the_overlap_ends(stack: Stack) -> None:
    async with signed_up(stack) as merchant:
        (first,) = (await merchant.get("/merchants/me/keys"))["data"]
        path = f"/merchants/me/keys/{first['id']}/rotate"
        successor = body_of(await merchant.client.post(path, json={"overlap_hours": 1}), 201)
        assert (successor["name"], successor["id"] != first["id"]) == (first["name"], True)
        assert await _statuses(stack, successor) == await _statuses(stack, _pair(merchant)) == {200}
        old = next(key for key in (await merchant.get("/merchants/me/keys"))["data"] if key["id"] == first["id"])
        left = datetime.fromisoformat(old["expires_at"]) - datetime.now(UTC)
        assert timedelta(minutes=59) < left <= timedelta(minutes=60)
        body_of(await merchant.client.post(path, json={"overlap_hours": 100}), 201)
        old_again = next(key for key in (await merchant.get("/merchants/me/keys"))["data"] if key["id"] == first["id"])
        assert old_again["expires_at"] == old["expires_at"], "a second rotation does not lengthen its life"


async def test_a_rotation_without_overlap_ends_the_old_key_at_once(stack: Stack) -> None:
    async with signed_up(stack) as merchant:
        (first,) = (await merchant.get("/merchants/me/keys"))["data"]
        path = f"/merchants/me/keys/{first['id']}/rotate"
        successor = body_of(await merchant.client.post(path, json={"overlap_hours": 0}), 201)
        await eventually(lambda: _only(stack, _pair(merchant), 401), timeout=3, what="the old key to be refused")
        assert await _statuses(stack, successor) == {200}
        merchant.client.headers.update({"X-Api-Key": successor["key"], "X-Api-Secret": successor["secret"]})
        assert (await merchant.client.post(path)).status_code == 404, "an ended key cannot be rotated"


async def test_there_is_a_bound_to_a_merchants_keys(stack: Stack) -> None:
    async with signed_up(stack) as merchant:
        responses = await asyncio.gather(*(merchant.client.post("/merchants/me/keys") for _ in range(24)))
        made = [response.status_code for response in responses].count(201)
        assert made == 19, "twenty with the first, though all were asked for at once"


async def test_a_keys_last_use_is_recorded_but_not_for_each_request(stack: Stack) -> None:
    async with signed_up(stack) as merchant:
        await merchant.get("/merchants/me")
        (key,) = await eventually(lambda: _used_keys(merchant), what="the key's use to be recorded")
        for _ in range(5):
            await merchant.get("/merchants/me")
        assert [key] == await _used_keys(merchant)


async def _used_keys(merchant: SignedUp) -> list[dict[str, Any]]:
    return [key for key in (await merchant.get("/merchants/me/keys"))["data"] if key["last_used_at"]]


async def test_only_the_seeded_pair_of_test_mode_is_shown_again(stack: Stack) -> None:
    async with _seeded(stack) as client:
        extra = body_of(await client.post("/merchants/me/keys", json={"name": "Extra"}), 201)
        listed = body_of(await client.get("/merchants/me/keys"), 200)["data"]
        body_of(await client.delete(f"/merchants/me/keys/{extra['id']}"), 204)
    shown = {key["key"]: key["secret"] for key in listed if "secret" in key}
    assert shown == {"key_test_abc123": "secret_test_xyz789"}


def _seeded(stack: Stack) -> httpx.AsyncClient:
    return api_client(stack, headers={"X-Api-Key": "key_test_abc123", "X-Api-Secret": "secret_test_xyz789"})


def _pair(merchant: SignedUp) -> dict[str, str]:
    return {"key": merchant.key, "secret": merchant.secret}


async def _only(stack: Stack, pair: dict[str, Any], status: int) -> bool:
    return await _statuses(stack, pair) == {status}


async def _statuses(stack: Stack, pair: dict[str, Any]) -> set[int]:
    """What the API processes answer to this key pair."""
    headers = {"X-Api-Key": pair["key"], "X-Api-Secret": pair["secret"], "Connection": "close"}
    async with api_client(stack, headers=headers) as client:
        responses = await asyncio.gather(*(client.get("/merchants/me") for _ in range(API_WORKERS_TRIED)))
    return {response.status_code for response in responses}


async def _stored(stack: Stack, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(stack.database_url)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()
