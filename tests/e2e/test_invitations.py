"""Invitations, passwords and reset links: each link works once, for a while, and not for a reader of the tables."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from api.access import passwords
from store.accounts.invitations import MADE_MAX
from tests.support.command import gateway
from tests.support.live_api import live_api
from tests.support.people import token_of
from tests.support.refused import until_refused
from tests.support.signed_up import PASSWORD, SignedUp, api_client, body_of, signed_up
from tests.support.stack import Stack

OTHER_PASSWORD = "another password of tests"


async def _invite(owner: httpx.AsyncClient, role: str = "support") -> tuple[dict[str, Any], str]:
    body = {"email": f"{secrets.token_hex(8)}@example.com", "role": role}
    made = body_of(await owner.post("/merchants/me/invitations", json=body), 201)
    return made, token_of(made["url"])


async def _join(stack: Stack, token: str, password: str = OTHER_PASSWORD) -> httpx.Response:
    async with api_client(stack) as client:
        return await client.post("/auth/join", json={"token": token, "password": password})


async def _login(client: httpx.AsyncClient, email: str, password: str) -> int:
    response = await client.post("/auth/login", json={"email": email, "password": password})
    if response.status_code == 200:
        client.headers["X-CSRF-Token"] = response.json()["csrf_token"]
    return response.status_code


async def _execute(stack: Stack, statement: str, *values: Any) -> None:
    connection = await asyncpg.connect(stack.database_url)
    try:
        await connection.execute(statement, *values)
    finally:
        await connection.close()


async def test_whoever_opens_an_invitation_joins_in_its_role_once(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as owner, api_client(stack) as joined:
        invitation, token = await _invite(owner, "finance")
        assert invitation["url"].startswith(stack.env["DASHBOARD_URL"] + "/join#")
        (waiting,) = body_of(await owner.get("/merchants/me/invitations"), 200)["data"]
        assert waiting["email"] == invitation["email"] and "url" not in waiting

        body = {"token": token, "password": OTHER_PASSWORD}
        session = body_of(await joined.post("/auth/join", json=body), 201)
        assert session["merchant"]["id"] == merchant.id
        assert (session["user"]["email"], session["user"]["role"]) == (invitation["email"], "finance")
        assert (await joined.get("/payments/export.csv")).status_code == 200
        body_of(await _join(stack, token), 400)
        assert body_of(await owner.get("/merchants/me/invitations"), 200)["data"] == []
        assert await _login(joined, invitation["email"], OTHER_PASSWORD) == 200
        # Somebody who is a user already is not invited.
        again = await owner.post("/merchants/me/invitations", json={"email": invitation["email"], "role": "owner"})
        assert again.status_code == 400 and again.json()["error"]["field"] == "email"


async def test_an_invitation_does_not_reveal_whether_another_merchant_has_a_user_with_the_address(stack: Stack) -> None:
    async with signed_up(stack) as other, signed_up(stack) as merchant, merchant.browser() as owner:
        body = {"email": other.email.upper(), "role": "owner"}
        invitation = body_of(await owner.post("/merchants/me/invitations", json=body), 201)
        (waiting,) = body_of(await owner.get("/merchants/me/invitations"), 200)["data"]
        assert waiting["id"] == invitation["id"]
        refused = await _join(stack, token_of(invitation["url"]))
        assert refused.status_code == 400 and "set-cookie" not in refused.headers
        assert len(body_of(await owner.get("/merchants/me/users"), 200)["data"]) == 1
        async with api_client(stack) as client:
            assert await _login(client, other.email, OTHER_PASSWORD) == 401, "the password is not another's to choose"
            assert await _login(client, other.email, PASSWORD) == 200
            assert body_of(await client.get("/auth/session"), 200)["merchant"]["id"] == other.id


async def test_nobody_tries_a_list_of_addresses_by_inviting_and_revoking(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as owner:
        made, _ = await _invite(owner)
        earlier = """
            INSERT INTO invitations (id, merchant_id, email, role, token_hash, invited_by, created_at, expires_at,
                                     revoked_at)
            SELECT id || $2::int || n, merchant_id, email, role, token_hash || (($2::int)::text || n)::bytea,
                   invited_by, created_at - make_interval(hours => $2::int), expires_at, created_at
              FROM invitations, generate_series(1, $3::int) AS n WHERE id = $1
        """
        await _execute(stack, earlier, made["id"], 25, MADE_MAX)
        await _execute(stack, earlier, made["id"], 23, MADE_MAX - 2)
        await _invite(owner)
        body = {"email": f"{secrets.token_hex(8)}@example.com", "role": "support"}
        refused = await owner.post("/merchants/me/invitations", json=body)
        assert refused.status_code == 400
        assert refused.json()["error"]["description"] == "At most 100 invitations can be made within a day"


async def test_two_who_open_an_invitation_at_once_are_one_user(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as owner:
        _, token = await _invite(owner)
        responses = await asyncio.gather(*(_join(stack, token) for _ in range(3)))
        assert sorted(response.status_code for response in responses) == [201, 400, 400]
        assert len(body_of(await owner.get("/merchants/me/users"), 200)["data"]) == 2


async def test_a_revoked_expired_or_invented_link_gives_no_access(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as owner:
        revoked, first = await _invite(owner)
        old, second = await _invite(owner)
        body_of(await owner.delete(f"/merchants/me/invitations/{revoked['id']}"), 204)
        body_of(await owner.delete(f"/merchants/me/invitations/{revoked['id']}"), 404)
        await _execute(stack, "UPDATE invitations SET expires_at = now() WHERE id = $1", old["id"])
        for token in (first, second, secrets.token_urlsafe(32)):
            refused = await _join(stack, token)
            assert refused.status_code == 400
            assert "no longer valid" in refused.json()["error"]["description"]


async def test_an_owner_who_is_removed_takes_open_invitations_along(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as owner, api_client(stack) as second:
        _, token = await _invite(owner, "owner")
        body = {"token": token, "password": OTHER_PASSWORD}
        joined = body_of(await second.post("/auth/join", json=body), 201)
        second.headers["X-CSRF-Token"] = joined["csrf_token"]
        _, way_back = await _invite(second, "owner")
        body_of(await owner.delete(f"/merchants/me/users/{joined['user']['id']}"), 204)
        body_of(await _join(stack, way_back), 400)


async def test_the_tables_hold_no_token(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as owner:
        invitation, token = await _invite(owner)
        connection = await asyncpg.connect(stack.database_url)
        try:
            row = await connection.fetchval("SELECT invitations::text FROM invitations WHERE id = $1", invitation["id"])
            audited = await connection.fetch("SELECT body FROM audit_log WHERE chain = $1", merchant.id)
        finally:
            await connection.close()
    assert token not in row
    assert not any(token in entry["body"] for entry in audited)


async def test_a_changed_password_ends_every_other_session(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as here, merchant.browser() as there:
        wrong = {"current_password": "not this one", "password": OTHER_PASSWORD}
        refused = await here.post("/auth/password", json=wrong)
        assert refused.status_code == 400 and refused.json()["error"]["field"] == "current_password"
        short = await here.post("/auth/password", json={"current_password": PASSWORD, "password": "short"})
        assert short.status_code == 400
        body = {"current_password": PASSWORD, "password": OTHER_PASSWORD}
        session = body_of(await here.post("/auth/password", json=body), 200)
        here.headers["X-CSRF-Token"] = session["csrf_token"]
        body_of(await here.get("/merchants/me"), 200)
        body_of(await there.get("/merchants/me"), 401)
        async with api_client(stack) as client:
            assert await _login(client, merchant.email, PASSWORD) == 401
            assert await _login(client, merchant.email, OTHER_PASSWORD) == 200


async def test_a_login_that_checked_the_password_just_before_it_changed_is_over(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as owner, live_api(stack) as client:
        compared = passwords.matches

        async def compare_and_be_overtaken(password: SecretStr, stored: str | None) -> bool:
            right = await compared(password, stored)
            body = {"current_password": PASSWORD, "password": OTHER_PASSWORD}
            body_of(await owner.post("/auth/password", json=body), 200)
            return right

        monkeypatch.setattr(passwords, "matches", compare_and_be_overtaken)
        assert await _login(client, merchant.email, PASSWORD) == 200
        body_of(await client.get("/auth/session"), 401)


async def test_a_login_with_the_old_password_while_the_new_one_is_hashed_is_over(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with signed_up(stack) as merchant, live_api(stack) as client, api_client(stack) as thief:
        token, hashed = await _reset_link(stack, merchant), passwords.hashed

        async def hash_while_a_thief_signs_in(password: SecretStr) -> str:
            assert await _login(thief, merchant.email, PASSWORD) == 200
            return await hashed(password)

        monkeypatch.setattr(passwords, "hashed", hash_while_a_thief_signs_in)
        body_of(await client.post("/auth/reset", json={"token": token, "password": OTHER_PASSWORD}), 204)
        body_of(await thief.get("/auth/session"), 401)


@pytest.mark.parametrize("path", ["/auth/join", "/auth/reset"])
async def test_a_dead_link_costs_no_hashing(stack: Stack, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    async def never(password: SecretStr) -> str:
        raise AssertionError("a password was hashed for a stranger")

    monkeypatch.setattr(passwords, "hashed", never)
    async with live_api(stack) as client:
        body_of(await client.post(path, json={"token": "x" * 43, "password": OTHER_PASSWORD}), 400)


async def test_an_invitation_of_a_former_owner_is_dead_also_where_it_was_made_too_late_to_be_revoked(
    stack: Stack,
) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as owner:
        _, token = await _invite(owner, "owner")
        await _execute(stack, "UPDATE users SET role = 'support' WHERE email = $1", merchant.email)
        body_of(await _join(stack, token), 400)


async def test_attempts_to_change_a_password_are_limited_like_logins(stack: Stack) -> None:
    limit = stack.settings.rate_limit_login_per_minute
    async with signed_up(stack) as merchant, merchant.browser() as browser:
        wrong = {"current_password": "not this one", "password": OTHER_PASSWORD}
        responses = await until_refused(lambda: browser.post("/auth/password", json=wrong))
        assert [response.status_code for response in responses[:limit]] == [400] * limit


async def _reset_link(stack: Stack, merchant: SignedUp) -> str:
    """As the operator gets it."""
    ended = await gateway(stack, "users", "reset", merchant.email)
    assert f"To: {merchant.email}" in ended.out, ended.out + ended.err
    assert stack.env["DASHBOARD_URL"] + "/reset#" in ended.out
    return token_of(ended.out)


async def test_an_operators_link_sets_a_password_and_ends_sessions_and_locks(stack: Stack) -> None:
    limit = stack.settings.rate_limit_login_per_minute
    async with signed_up(stack) as merchant, merchant.browser() as old, api_client(stack) as client:
        earlier, token = await _reset_link(stack, merchant), await _reset_link(stack, merchant)
        for _ in range(limit * 3):
            if await _login(client, merchant.email, "not this one") == 429:
                break
        body = {"token": token, "password": OTHER_PASSWORD}
        body_of(await client.post("/auth/reset", json=body), 204)
        body_of(await old.get("/merchants/me"), 401)
        assert await _login(client, merchant.email, OTHER_PASSWORD) == 200, "the lock ended with the link"
        for used in (token, earlier):
            body_of(await client.post("/auth/reset", json={"token": used, "password": PASSWORD}), 400)


async def test_an_operators_link_ends_after_an_hour(stack: Stack) -> None:
    async with signed_up(stack) as merchant, api_client(stack) as client:
        token = await _reset_link(stack, merchant)
        statement = (
            "UPDATE password_resets SET expires_at = now() WHERE user_id IN (SELECT id FROM users WHERE email = $1)"
        )
        await _execute(stack, statement, merchant.email)
        body_of(await client.post("/auth/reset", json={"token": token, "password": OTHER_PASSWORD}), 400)
        assert await _login(client, merchant.email, PASSWORD) == 200


async def test_a_link_without_an_address_is_refused_with_an_explanation(stack: Stack) -> None:
    ended = await gateway(stack, "users", "reset", "nobody@example.com")
    assert ended.code != 0
    assert "No user has the e-mail address 'nobody@example.com'" in ended.out + ended.err


@pytest.mark.parametrize("path", ["/auth/join", "/auth/reset"])
async def test_another_sites_page_uses_no_link(stack: Stack, path: str) -> None:
    async with api_client(stack) as client:
        body = {"token": "x", "password": OTHER_PASSWORD}
        body_of(await client.post(path, json=body, headers={"Origin": "https://evil.example"}), 403)
