"""Roles: every route of the application, called by a user in each role, with unknown ids and with another merchant's.

the role has the right    nobody's id and a foreign id get the same answer, which is never 403
the role lacks it         403 with the sentence that names who has it, whatever the id is
no right is needed        the answer is the one that a stranger gets, who is not signed in at all

The routes are those that the application has. One that is added stands in the second or first row unless it is named
below as open to everybody.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from api.access.rights import right_of
from api.app import PREFIX, create_app
from domain.role import Right, Role, denial, may
from runtime.settings import Settings
from tests.e2e.test_key_limits import BODIES_BY_ROUTE
from tests.e2e.test_tenancy import ID, NOBODYS, OPEN_IN_TEST_MODE, PUBLIC, Owned, owned
from tests.support.eventually import eventually
from tests.support.people import add_person, browser_of
from tests.support.signed_up import PASSWORD, SignedUp, api_client, body_of, signed_up
from tests.support.stack import Stack

__all__ = ["owned"]

ROUTES = sorted(
    {
        (method, route.path)
        for route in iter_route_contexts(create_app(Settings(test_mode=True)).routes)
        if route.path is not None
        for method in route.methods or ()
    }
)
"""(method, whole path) of every route there is."""
SIGNING_OUT = ("POST", f"{PREFIX}/auth/logout")
FEED = ("GET", f"{PREFIX}/merchants/me/stream")
OPEN = {
    ("POST", f"{PREFIX}/auth/login"),
    ("POST", f"{PREFIX}/auth/join"),
    ("POST", f"{PREFIX}/auth/reset"),
    ("POST", f"{PREFIX}/merchants"),
    ("POST", f"{PREFIX}/bank/notifications"),
    ("GET", f"{PREFIX}/health"),
}
"""What needs no right, beside the payer's routes, those of test mode, and what is outside the API."""
PAYERS_OR_USERS = "/cancel"
"""A payer needs no right to leave a payment, a user does."""
REQUEST_ID = re.compile(r'"request_id":"[^"]*"')
COUNTED = f"{PREFIX}{OPEN_IN_TEST_MODE}jobs/"
"""Its answers differ with the time; they name no merchant (test_job_counters.py)."""


def _is_open(method: str, path: str) -> bool:
    outside = not path.startswith(PREFIX) or path.startswith(f"{PREFIX}{OPEN_IN_TEST_MODE}")
    return outside or (method, path) in OPEN or (PUBLIC.search(path) is not None and not path.endswith(PAYERS_OR_USERS))


WITHOUT_RIGHTS = [route for route in ROUTES if _is_open(*route)]
REQUESTED = [route for route in ROUTES if not _is_open(*route) and route not in (SIGNING_OUT, FEED)]
LIMIT = {"support_refunds": {"maximum_minor": 10_000, "currency": "INR"}}
Browsers = dict[Role, httpx.AsyncClient]


@pytest.fixture(scope="module")
async def merchant(stack: Stack) -> AsyncIterator[SignedUp]:
    async with signed_up(stack, "Staffed") as found:
        yield found


@pytest.fixture(scope="module")
async def browsers(merchant: SignedUp) -> AsyncIterator[Browsers]:
    """A person in each role, signed in to the merchant that owns nothing of what is asked about."""
    async with AsyncExitStack() as stack:
        yield {role: await stack.enter_async_context(browser_of(merchant, role)) for role in Role}


@pytest.mark.parametrize(("method", "path"), REQUESTED, ids=lambda value: value)
async def test_a_role_does_what_its_rights_name_and_reaches_nothing_of_another_merchant(
    owned: Owned, browsers: Browsers, method: str, path: str
) -> None:
    needed = right_of(method, path)
    for role, browser in browsers.items():
        unknown = await _request(browser, method, path, NOBODYS)
        if not may(role, needed):
            assert _message(unknown) == (403, denial(role, needed)), role
        elif _is_limited_key(role, method, path):
            assert unknown.status_code == 403 and "cannot grant it" in unknown.text
        else:
            assert unknown.status_code not in (401, 403), f"{role}: {unknown.text}"
        if ID.search(path):
            foreign = await _request(browser, method, path, owned.ids)
            assert _message(foreign) == _message(unknown), role
            assert foreign.status_code in (403, 404), role


def _is_limited_key(role: Role, method: str, path: str) -> bool:
    """A developer lacks refunds, and so makes no key for everything."""
    return (
        role is Role.DEVELOPER
        and (method, path) == ("POST", f"{PREFIX}/merchants/me/keys")
        and not BODIES_BY_ROUTE[method, path.removeprefix(PREFIX)]
    )


async def _request(browser: httpx.AsyncClient, method: str, path: str, ids: dict[str, str]) -> httpx.Response:
    filled = ID.sub(lambda found: ids[found.group(1)], path)
    body = None if method == "GET" else BODIES_BY_ROUTE.get((method, path.removeprefix(PREFIX)), {})
    return await browser.request(method, browser.base_url.join(filled), json=body)


def _shown(response: httpx.Response) -> str:
    """The body without what differs between two requests of one caller."""
    return REQUEST_ID.sub("", response.text)


def _message(response: httpx.Response) -> tuple[int, str]:
    error = response.json()["error"] if response.status_code >= 400 else {"description": ""}
    return response.status_code, error["description"]


@pytest.mark.parametrize(("method", "path"), WITHOUT_RIGHTS, ids=lambda value: value)
async def test_a_session_in_no_role_gets_more_from_an_open_route_than_a_stranger(
    stack: Stack, owned: Owned, browsers: Browsers, method: str, path: str
) -> None:
    async with api_client(stack) as stranger:
        for ids in (NOBODYS, owned.ids) if ID.search(path) else (NOBODYS,):
            known = {"attempt_id": ids["payment_id"], "name": "nothing.js", **ids}
            expected = await _request(stranger, method, path, known)
            for role, browser in browsers.items():
                found = await _request(browser, method, path, known)
                assert found.status_code == expected.status_code, role
                if found.is_error or (method == "GET" and not path.startswith(COUNTED) and "/health" not in path):
                    assert _shown(found) == _shown(expected), role


async def test_every_role_signs_itself_out_and_nobody_else(merchant: SignedUp, browsers: Browsers) -> None:
    for role in Role:
        async with browser_of(merchant, role) as leaving:
            body_of(await leaving.post("/auth/logout"), 204)
            body_of(await leaving.get("/payments"), 401)
    for browser in browsers.values():
        body_of(await browser.get("/payments"), 200)


async def test_every_role_follows_its_merchants_feed_and_takes_it_up_at_no_event_of_anothers(
    owned: Owned, browsers: Browsers
) -> None:
    assert right_of(*FEED) is Right.READ
    for role, browser in browsers.items():
        foreign, unknown = [
            await browser.get("/merchants/me/stream", params={"after": ids["event_id"]}) for ids in (owned.ids, NOBODYS)
        ]
        assert _message(foreign) == _message(unknown), role
        assert foreign.status_code == 400
        async with browser.stream("GET", "/merchants/me/stream") as feed:
            first = await anext(feed.aiter_lines())
            assert (feed.status_code, first.partition(":")[0]) in {(200, "id"), (200, "retry")}, role


async def test_the_matrix_is_the_applications_and_leaves_nothing_out() -> None:
    assert len(ROUTES) > 95, "the routes were found at all"
    assert {*REQUESTED, *WITHOUT_RIGHTS, SIGNING_OUT, FEED} == {*ROUTES}
    assert {*ROUTES} >= OPEN


@pytest.mark.parametrize("role", Role)
async def test_a_session_names_its_person_and_what_the_role_may_do(browsers: Browsers, role: Role) -> None:
    user = body_of(await browsers[role].get("/auth/session"), 200)["user"]
    assert user["role"] == role
    assert user["rights"] == [right for right in Right if may(role, right)]
    assert user["last_login_at"] is not None


async def test_a_changed_role_counts_at_the_next_request_and_is_on_record(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as owner:
        person = await add_person(stack.database_url, merchant.id, Role.DEVELOPER)
        async with api_client(stack) as theirs:
            login = {"email": person.email, "password": PASSWORD}
            theirs.headers["X-CSRF-Token"] = body_of(await theirs.post("/auth/login", json=login), 200)["csrf_token"]
            body_of(await theirs.get("/merchants/me/keys"), 200)
            changed = await owner.patch(f"/merchants/me/users/{person.id}", json={"role": "finance"})
            assert body_of(changed, 200)["role"] == "finance"
            body_of(await theirs.get("/merchants/me/keys"), 403)
            (entry,) = (await merchant.get("/audit-log", subject=person.id))["data"]
            assert (entry["action"], entry["before"], entry["after"]) == (
                "user.role_changed", {"role": "developer"}, {"role": "finance"},
            )  # fmt: skip
            assert entry["actor"].startswith("user user_")
            # Removed, the person is signed out and stays out.
            body_of(await owner.delete(f"/merchants/me/users/{person.id}"), 204)
            body_of(await theirs.get("/payments"), 401)
            body_of(await theirs.post("/auth/login", json=login), 401)
        assert person.id not in [one["id"] for one in body_of(await owner.get("/merchants/me/users"), 200)["data"]]
        # The address is free again.
        body = {"name": "Own shop", "email": person.email, "password": PASSWORD}
        async with api_client(stack) as client:
            body_of(await client.post("/merchants", json=body), 201)


async def test_the_last_owner_stays_one(stack: Stack) -> None:
    async with signed_up(stack) as merchant, merchant.browser() as owner:
        (only,) = body_of(await owner.get("/merchants/me/users"), 200)["data"]
        assert (only["role"], only["email"]) == ("owner", merchant.email)
        for response in (
            await owner.delete(f"/merchants/me/users/{only['id']}"),
            await owner.patch(f"/merchants/me/users/{only['id']}", json={"role": "support"}),
        ):
            assert _message(response) == (400, "A merchant needs an owner: make another user an owner first")


async def test_everybody_ends_their_own_sessions_and_an_owner_everybodys(stack: Stack) -> None:
    async with (
        signed_up(stack) as merchant,
        merchant.browser() as owner,
        browser_of(merchant, Role.SUPPORT) as support,
        browser_of(merchant, Role.FINANCE) as finance,
    ):
        (own,) = body_of(await support.get("/auth/sessions"), 200)["data"]
        assert own["current"] and own["email"].startswith("support-")
        everybodys = body_of(await owner.get("/auth/sessions"), 200)["data"]
        assert {one["email"].partition("-")[0] for one in everybodys} >= {"support", "finance"}
        anothers = next(one["id"] for one in everybodys if one["email"].startswith("finance-"))
        body_of(await support.delete(f"/auth/sessions/{anothers}"), 404)
        body_of(await finance.get("/payments"), 200)
        body_of(await owner.delete(f"/auth/sessions/{anothers}"), 204)
        body_of(await finance.get("/payments"), 401)


async def test_support_refunds_nothing_before_an_owner_sets_a_limit(stack: Stack) -> None:
    async with signed_up(stack) as merchant, browser_of(merchant, Role.SUPPORT) as support:
        payment = await merchant.pay()
        refused = await support.post(f"/payments/{payment['id']}/refunds", json={"amount": 100})
        assert _message(refused) == (403, "An owner has not set a refund limit for the role 'support'")


async def _refund_patiently(browser: httpx.AsyncClient, path: str, key: str) -> httpx.Response:
    """A busy gateway may answer 503; whoever repeats the request with its key is counted once."""

    async def response() -> httpx.Response | None:
        found = await browser.post(path, json={"amount": 1_000}, headers={"Idempotency-Key": key})
        return None if found.status_code == 503 else found

    found = await eventually(response, timeout=30, what="an answer that is not 503")
    assert found is not None
    return found


async def test_support_refunds_up_to_the_limit_of_a_payment_however_it_is_split(stack: Stack) -> None:
    async with (
        signed_up(stack) as merchant,
        merchant.browser() as owner,
        browser_of(merchant, Role.SUPPORT) as support,
        browser_of(merchant, Role.SUPPORT) as another,
    ):
        changed = body_of(await owner.patch("/merchants/me/access", json=LIMIT), 200)
        assert changed["support_refunds"] == LIMIT["support_refunds"]
        payment, dollars = await merchant.pay(), await merchant.pay(currency="USD")
        path = f"/payments/{payment['id']}/refunds"
        assert _message(await support.post(path))[0] == 400, "all that is left might be more than the limit"
        foreign = await support.post("/refunds", json={"payment_id": dollars["id"], "amount": 100})
        assert _message(foreign)[0] == 403

        whose = [support, another] * 10
        responses = await asyncio.gather(*(_refund_patiently(browser, path, str(n)) for n, browser in enumerate(whose)))
        taken = [response for response in responses if response.status_code in (201, 202)]
        assert len(taken) == 10, "twenty at once, and ten fit in"
        assert {response.status_code for response in responses if response not in taken} == {403}
        assert _message(await support.post(path, json={"amount": 100})) == (
            403,
            "Refunds of the role 'support' are limited to INR 100.00 for one payment, of which INR 0.00 is left; "
            "an owner may refund more",
        )
        body_of(await owner.post(path, json={"amount": 1_000}), 201)


async def test_a_repeated_refund_counts_once_against_the_limit(stack: Stack) -> None:
    async with (
        signed_up(stack) as merchant,
        merchant.browser() as owner,
        browser_of(merchant, Role.SUPPORT) as support,
    ):
        body_of(await owner.patch("/merchants/me/access", json=LIMIT), 200)
        payment = await merchant.pay()
        path, body = f"/payments/{payment['id']}/refunds", {"amount": 10_000}
        first = await support.post(path, json=body, headers={"Idempotency-Key": "once"})
        again = await support.post(path, json=body, headers={"Idempotency-Key": "once"})
        assert first.status_code == again.status_code == 201
        assert first.content == again.content
        assert (await support.post(path, json={"amount": 100})).status_code == 403


async def test_a_developer_makes_no_key_that_refunds(stack: Stack) -> None:
    async with signed_up(stack) as merchant, browser_of(merchant, Role.DEVELOPER) as developer:
        (full,) = body_of(await developer.get("/merchants/me/keys"), 200)["data"]
        own = ["read", "payments", "webhooks", "settings"]
        body_of(await developer.post("/merchants/me/keys", json={"scopes": own}), 201)
        for response in (
            await developer.post("/merchants/me/keys", json={"scopes": [*own, "refunds"]}),
            await developer.post("/merchants/me/keys"),
            await developer.post(f"/merchants/me/keys/{full['id']}/rotate"),
        ):
            assert _message(response) == (403, "Your role 'developer' lacks the scope 'refunds', so it cannot grant it")


@pytest.mark.parametrize(
    "body",
    [
        {"support_refunds": {"maximum_minor": 0}},
        {"support_refunds": {"maximum_minor": 100, "currency": "RUPEES"}},
        {"support_refunds": 100},
    ],
)
async def test_a_limit_that_means_nothing_is_refused(browsers: Browsers, body: dict[str, Any]) -> None:
    assert (await browsers[Role.OWNER].patch("/merchants/me/access", json=body)).status_code == 400
