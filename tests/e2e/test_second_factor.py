"""The second factor: each code signs in once, few guesses are possible, and a merchant can require it of everybody."""

from __future__ import annotations

import asyncio
import base64
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import pyotp
import pytest

from api.access.second_factor import WRONG_FORGIVEN, WRONG_MAX
from api.access.sessions import HELD_BACK
from domain.role import Role
from runtime.clock import now
from runtime.secrets import Sealed, SealError, unseal
from tests.e2e.test_key_limits import BODIES_BY_ROUTE, WITHOUT_KEYS
from tests.e2e.test_tenancy import HIDDEN, ID, NOBODYS, routes
from tests.support.command import gateway
from tests.support.people import Person, add_person, token_of
from tests.support.refused import until_refused
from tests.support.second_factor import PATH, App, execute, set_up
from tests.support.signed_up import PASSWORD, api_client, body_of, signed_up
from tests.support.stack import Stack

NEEDED = (401, "SECOND_FACTOR_REQUIRED")
WRONG = "The code is wrong, too old, or was used before"
ACCESS = "/merchants/me/access"


def _message(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


async def _login(client: httpx.AsyncClient, email: str, otp: str | None = None) -> httpx.Response:
    body = {"email": email, "password": PASSWORD} | ({} if otp is None else {"otp": otp})
    response = await client.post("/auth/login", json=body)
    if response.status_code == 200:
        client.headers["X-CSRF-Token"] = response.json()["csrf_token"]
    return response


async def test_a_login_needs_a_code_and_each_code_works_once(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as browser, api_client(stack) as client:
        app = await set_up(stack, browser, merchant.email)
        requested = await _login(client, merchant.email)
        assert _message(requested) == NEEDED and requested.json()["error"]["field"] == "otp"
        assert "set-cookie" not in requested.headers
        assert _message(await _login(client, merchant.email, app.code)) == NEEDED, "confirming used this step up"
        wrong = {"email": merchant.email, "password": "not this one", "otp": await app.fresh_code()}
        assert _message(await client.post("/auth/login", json=wrong)) == (401, "AUTHENTICATION_ERROR")

        code = await app.fresh_code()
        session = body_of(await _login(client, merchant.email, f"{code[:3]} {code[3:]}"), 200)
        assert session["user"]["second_factor"] is True
        again = await _login(client, merchant.email, code)
        assert _message(again) == NEEDED and again.json()["error"]["description"] == WRONG


async def test_a_code_sent_by_three_at_once_is_one_session(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as browser, api_client(stack) as client:
        app = await set_up(stack, browser, merchant.email)
        for otp in (await app.fresh_code(), app.recovery_codes[0]):
            responses = await asyncio.gather(*(_login(client, merchant.email, otp) for _ in range(3)))
            assert sorted(response.status_code for response in responses) == [200, 401, 401]


async def test_a_recovery_code_signs_in_once_in_any_spelling_and_is_on_record(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as browser, api_client(stack) as client:
        app = await set_up(stack, browser, merchant.email)
        assert len(set(app.recovery_codes)) == 10
        body_of(await _login(client, merchant.email, app.recovery_codes[3].upper().replace("-", " ")), 200)
        assert _message(await _login(client, merchant.email, app.recovery_codes[3])) == NEEDED
        assert body_of(await browser.get(PATH), 200)["recovery_codes_left"] == 9
        (entry,) = (await merchant.get("/audit-log", action="recovery_code.used"))["data"]
        assert entry["after"] == {"left": 9}

        renewed = body_of(await browser.post(f"{PATH}/recovery-codes", json=await app.proof()), 201)["recovery_codes"]
        assert _message(await _login(client, merchant.email, app.recovery_codes[0])) == NEEDED
        body_of(await _login(client, merchant.email, renewed[0]), 200)


async def test_after_too_many_wrong_codes_only_a_recovery_code_signs_in(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as browser, api_client(stack) as client:
        app = await set_up(stack, browser, merchant.email)
        wrong = "UPDATE users SET second_factor_wrong = $2 WHERE email = $1"
        await execute(stack, wrong, merchant.email, WRONG_MAX - 1)
        assert _message(await _login(client, merchant.email, app.wrong_code)) == NEEDED
        locked = await _login(client, merchant.email, await app.fresh_code())
        assert _message(locked) == NEEDED and "Too many wrong codes" in locked.json()["error"]["description"]
        refused = (await merchant.get("/audit-log", action="second_factor.refused"))["data"]
        assert [entry["after"] for entry in refused] == [{"wrong_codes": WRONG_MAX}]
        body_of(await _login(client, merchant.email, app.recovery_codes[0]), 200)
        body_of(await _login(client, merchant.email, await app.fresh_code()), 200)


async def test_a_right_code_takes_back_few_wrong_ones(stack: Stack) -> None:
    """Whoever knows the password would else have nine guesses for each time that the user signs in."""
    async with signed_up(stack) as merchant, merchant.browser() as browser, api_client(stack) as client:
        app = await set_up(stack, browser, merchant.email)
        wrong = "UPDATE users SET second_factor_wrong = $2 WHERE email = $1"
        await execute(stack, wrong, merchant.email, WRONG_MAX - 1)
        body_of(await _login(client, merchant.email, await app.fresh_code()), 200)
        for _ in range(WRONG_FORGIVEN + 1):
            assert _message(await _login(client, merchant.email, app.wrong_code)) == NEEDED
        locked = await _login(client, merchant.email, await app.fresh_code())
        assert _message(locked) == NEEDED and "Too many wrong codes" in locked.json()["error"]["description"]


async def test_a_seed_that_was_not_confirmed_ends_with_the_password_it_was_made_with(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as browser:
        begun = body_of(await browser.post(PATH, json={"current_password": PASSWORD}), 201)
        body = {"current_password": PASSWORD, "password": "another password of tests"}
        changed = body_of(await browser.post("/auth/password", json=body), 200)
        browser.headers["X-CSRF-Token"] = changed["csrf_token"]
        code = pyotp.TOTP(begun["secret"]).at(now())
        proof = {"current_password": "another password of tests", "otp": code}
        body_of(await browser.post(f"{PATH}/confirm", json=proof), 400)


async def test_attempts_with_codes_are_limited_like_any_login(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as browser, api_client(stack) as client:
        app = await set_up(stack, browser, merchant.email)
        responses = await until_refused(lambda: _login(client, merchant.email, app.wrong_code))
        assert 200 not in [response.status_code for response in responses]


async def test_setting_it_up_needs_the_password_and_ends_other_sessions(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as here, merchant.browser() as there:
        refused = await here.post(PATH, json={"current_password": "not this one"})
        assert refused.status_code == 400 and refused.json()["error"]["field"] == "current_password"
        assert body_of(await here.get(PATH), 200) == {"enabled_at": None, "recovery_codes_left": 0}
        app = await set_up(stack, here, merchant.email)
        body_of(await there.get("/merchants/me"), 401)
        body_of(await here.get("/merchants/me"), 200)
        state = body_of(await here.get(PATH), 200)
        assert state["enabled_at"] is not None and state["recovery_codes_left"] == 10
        assert (await here.post(PATH, json={"current_password": PASSWORD})).status_code == 400, "one at a time"
        confirmed_again = await here.post(f"{PATH}/confirm", json=await app.proof())
        assert confirmed_again.status_code == 400


async def test_a_seed_that_no_code_confirmed_counts_for_nothing(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as browser, api_client(stack) as client:
        body = {"current_password": PASSWORD, "otp": "123456"}
        body_of(await browser.post(f"{PATH}/confirm", json=body), 400)
        begun = body_of(await browser.post(PATH, json={"current_password": PASSWORD}), 201)
        app = App(stack, merchant.email, begun["secret"], [])
        unconfirmed = await browser.post(f"{PATH}/confirm", json=body | {"otp": app.wrong_code})
        assert unconfirmed.status_code == 400 and unconfirmed.json()["error"]["field"] == "otp"
        body_of(await _login(client, merchant.email), 200)


async def test_the_seed_is_what_the_qr_code_holds_and_is_sealed_for_its_row(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as browser:
        begun = body_of(await browser.post(PATH, json={"current_password": PASSWORD}), 201)
        link = urlsplit(begun["uri"])
        assert (link.scheme, link.netloc) == ("otpauth", "totp") and merchant.email in link.path.replace("%40", "@")
        assert parse_qs(link.query)["secret"] == [begun["secret"]]
        assert len(base64.b32decode(begun["secret"])) == 20

        connection = await asyncpg.connect(stack.database_url)
        try:
            row = await connection.fetchrow(
                "SELECT id, second_factor_sealed FROM users WHERE email = $1", merchant.email
            )
        finally:
            await connection.close()
        sealed, ring = row["second_factor_sealed"], stack.settings.keys
        assert begun["secret"].encode() not in sealed
        assert unseal(sealed, ring, Sealed.SECOND_FACTOR, row["id"]) == begun["secret"]
        with pytest.raises(SealError):
            unseal(sealed, ring, Sealed.SECOND_FACTOR, "user_0000000000000000")


async def test_removing_it_needs_password_and_code(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as browser, api_client(stack) as client:
        app = await set_up(stack, browser, merchant.email)
        proof = await app.proof()
        for body, field in (
            (proof | {"current_password": "not this one"}, "current_password"),
            (proof | {"otp": app.wrong_code}, "otp"),
        ):
            refused = await browser.post(f"{PATH}/remove", json=body)
            assert refused.status_code == 400 and refused.json()["error"]["field"] == field
        body_of(await browser.post(f"{PATH}/remove", json=await app.proof()), 204)
        body_of(await _login(client, merchant.email), 200)


async def _employ(stack: Stack, merchant_id: str, role: Role, client: httpx.AsyncClient) -> Person:
    person = await add_person(stack.database_url, merchant_id, role)
    body_of(await _login(client, person.email), 200)
    return person


async def test_a_merchant_that_requires_it_holds_everybody_back_who_has_none(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as owner, api_client(stack) as theirs:
        person = await _employ(stack, merchant.id, Role.OWNER, theirs)
        early = await owner.patch(ACCESS, json={"second_factor_required": True})
        assert early.status_code == 400 and early.json()["error"]["field"] == "second_factor_required"
        app = await set_up(stack, owner, merchant.email)
        assert body_of(await owner.patch(ACCESS, json={"second_factor_required": True}), 200)["second_factor_required"]

        for method, path in sorted({(m, path) for m, path in routes() if path not in WITHOUT_KEYS | HIDDEN}):
            filled = ID.sub(lambda found: NOBODYS[found.group(1)], path)
            response = await theirs.request(method, filled, json=BODIES_BY_ROUTE.get((method, path), {}))
            assert (response.status_code, response.json()["error"]["description"]) == (403, HELD_BACK), (
                f"{method} {path}"
            )
        session = body_of(await theirs.get("/auth/session"), 200)
        assert session["merchant"]["second_factor_required"] and not session["user"]["second_factor"]
        assert await merchant.get("/payments") == [], "API keys are not affected"
        await set_up(stack, theirs, person.email)
        body_of(await theirs.get("/payments"), 200)

        assert (await owner.post(f"{PATH}/remove", json=await app.proof())).status_code == 400
        body_of(await owner.patch(ACCESS, json={"second_factor_required": False}), 200)
        body_of(await owner.post(f"{PATH}/remove", json=await app.proof()), 204)
        (dropped, required) = (await merchant.get("/audit-log", action="access.changed"))["data"]
        assert (required["after"], dropped["after"]) == (
            {"second_factor_required": True}, {"second_factor_required": False},
        )  # fmt: skip


@pytest.mark.parametrize("removes", [True, False])
async def test_an_operators_link_removes_it_where_the_operator_meant_that(stack: Stack, removes: bool) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as browser, api_client(stack) as client:
        app = await set_up(stack, browser, merchant.email)
        await execute(stack, "UPDATE users SET second_factor_wrong = $2 WHERE email = $1", merchant.email, WRONG_MAX)
        ended = await gateway(stack, "users", "reset", merchant.email, *(["--second-factor"] if removes else []))
        assert ("remove the second factor" in ended.out) is removes, ended.out + ended.err
        assert _message(await _login(client, merchant.email)) == NEEDED, "the link alone changes nothing"
        body_of(await client.post("/auth/reset", json={"token": token_of(ended.out), "password": PASSWORD}), 204)
        (entry,) = (await merchant.get("/audit-log", action="password.reset"))["data"]
        assert entry["after"] == ({"second_factor": "ended"} if removes else None)
        if removes:
            body_of(await _login(client, merchant.email), 200)
            assert body_of(await client.get(PATH), 200) == {"enabled_at": None, "recovery_codes_left": 0}
        else:
            assert _message(await _login(client, merchant.email)) == NEEDED
            body_of(await _login(client, merchant.email, await app.fresh_code()), 200)


async def test_a_removed_user_leaves_neither_seed_nor_recovery_codes(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as owner, api_client(stack) as theirs:
        person = await _employ(stack, merchant.id, Role.FINANCE, theirs)
        await set_up(stack, theirs, person.email)
        (shown,) = [one for one in body_of(await owner.get("/merchants/me/users"), 200)["data"] if one["second_factor"]]
        assert shown["id"] == person.id, "an owner sees who has one"
        body_of(await owner.delete(f"/merchants/me/users/{person.id}"), 204)
        connection = await asyncpg.connect(stack.database_url)
        try:
            sealed = await connection.fetchval("SELECT second_factor_sealed FROM users WHERE id = $1", person.id)
            left = await connection.fetchval("SELECT count(*) FROM recovery_codes WHERE user_id = $1", person.id)
        finally:
            await connection.close()
        assert (sealed, left) == (None, 0)
