"""One merchant never sees, changes or learns of another's objects: every route, as it is registered.

    a path with an id in it   × the other merchant's id   → 404, with the text of an id that nobody has
    a list                    as the other merchant       → none of the first one's ids

A route that is added without a place in this matrix fails here.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from api.routes import ROUTERS
from tests.support.eventually import eventually
from tests.support.signed_up import SignedUp, body_of, signed_up
from tests.support.stack import Stack

ID = re.compile(r"\{(\w+)\}")
PUBLIC = re.compile(r"/public\b|/public/")
"""An unguessable id is the capability there (test_public.py)."""
ENDLESS = frozenset({"/merchants/me/stream"})
HIDDEN = frozenset({"/operations/audit"})
"""Not there for those who may not read it (test_operations.py)."""
NOBODYS = {
    "order_id": "order_0000000000000000",
    "payment_id": "pay_0000000000000000",
    "refund_id": "rfnd_0000000000000000",
    "event_id": "evt_0000000000000000_1",
    "endpoint_id": "whe_0000000000000000",
    "log_id": "00000000-0000-4000-8000-000000000000",
    "job_id": "whj_0000000000000000",
    "key_id": "apk_0000000000000000",
    "link_id": "plink_0000000000000000",
    "session_id": "ses_0000000000000000",
    "user_id": "user_0000000000000000",
    "invitation_id": "inv_0000000000000000",
}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/payments/{payment_id}/refunds"): {"amount": 100},
    ("PATCH", "/webhook-endpoints/{endpoint_id}"): {"active": False},
    ("PATCH", "/merchants/me/users/{user_id}"): {"role": "finance"},
    ("POST", "/webhook-endpoints/{endpoint_id}/replay"): {"from": "2026-01-01T00:00:00Z"},
}


def routes() -> Iterator[tuple[str, str]]:
    """(method, path below /api/v1) of every route that needs a merchant."""
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            if not PUBLIC.search(route.path):
                yield from ((method, route.path) for method in sorted(route.methods))


OPEN_IN_TEST_MODE = "/test/"
"""Paths that need no credentials in test mode and are not there otherwise."""
SIGNED_IN_ONLY = re.compile(r"/merchants/me/(users|invitations|access)\b|/auth/(session|second-factor)$")
"""No API key will do (test_roles.py asks them as people)."""
WITH_IDS = sorted({(m, path) for m, path in routes() if ID.search(path) and not path.startswith(OPEN_IN_TEST_MODE)})
BY_KEY = [(method, path) for method, path in WITH_IDS if not SIGNED_IN_ONLY.match(path)]
LISTS = sorted(
    path
    for path in {path for method, path in routes() if method == "GET" and not ID.search(path)} - ENDLESS
    if not SIGNED_IN_ONLY.match(path)
)


@dataclass(frozen=True, slots=True)
class Owned:
    """One of everything that the first merchant has; by the name of its parameter."""

    ids: dict[str, str]
    owner: SignedUp
    other: SignedUp


@pytest.fixture(scope="module")
async def owned(stack: Stack) -> AsyncIterator[Owned]:
    async with signed_up(stack) as owner, signed_up(stack) as other, owner.browser() as browser:
        endpoint = body_of(await owner.client.post("/webhook-endpoints", json={"url": "http://127.0.0.1:9/"}), 201)
        payment = await owner.pay()
        refund = await owner.refund(payment["id"], amount=100)
        deliveries = await eventually(lambda: _data(owner, "/webhooks"), timeout=30, what="a delivery")
        retry = {"filter": {"event": "payment.failed"}}
        job = body_of(await owner.client.post("/webhooks/retry", json=retry), 200)
        session = body_of(await browser.get("/auth/sessions"), 200)["data"][0]
        new = {"email": f"invited-{owner.email}", "role": "owner"}
        invitation = body_of(await browser.post("/merchants/me/invitations", json=new), 201)
        link = body_of(await owner.client.post("/payment-links", json={"amount": 500}), 201)
        events = await eventually(lambda: _data(owner, "/events"), timeout=30, what="an event in the feed")
        ids = {
            "order_id": payment["order_id"],
            "payment_id": payment["id"],
            "refund_id": refund["id"],
            "event_id": events[0]["id"],
            "endpoint_id": endpoint["id"],
            "log_id": deliveries[0]["id"],
            "job_id": job["job_id"],
            "link_id": link["id"],
            "key_id": (await _data(owner, "/merchants/me/keys"))[0]["id"],
            "session_id": session["id"],
            "user_id": session["user_id"],
            "invitation_id": invitation["id"],
        }
        yield Owned(ids, owner, other)


async def _data(merchant: SignedUp, path: str) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = (await merchant.get(path))["data"]
    return data


def test_every_id_in_a_path_is_in_the_matrix() -> None:
    assert {name for _, path in WITH_IDS for name in ID.findall(path)} <= set(NOBODYS)
    assert len(WITH_IDS) > 20, "the routes were found at all"


@pytest.mark.parametrize(("method", "path"), BY_KEY, ids=lambda value: value)
async def test_anothers_object_is_as_unknown_as_nobodys(owned: Owned, method: str, path: str) -> None:
    foreign = await _request(owned.other, method, path, owned.ids)
    unknown = await _request(owned.other, method, path, NOBODYS)
    assert foreign.status_code == unknown.status_code == 404, f"{foreign.text} / {unknown.text}"
    assert _message(foreign) == _message(unknown)


async def _request(merchant: SignedUp, method: str, path: str, ids: dict[str, str]) -> httpx.Response:
    filled = ID.sub(lambda found: ids[found.group(1)], path)
    return await merchant.client.request(method, filled, json=BODIES.get((method, path)))


def _message(response: httpx.Response) -> tuple[str, str]:
    error = response.json()["error"]
    return error["code"], error["description"]


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_shows_nothing_of_anothers(owned: Owned, path: str) -> None:
    response = await owned.other.client.get(path)
    assert response.status_code == 200, response.text
    assert _leaks(owned, response.text) == []


@pytest.mark.parametrize("path", LISTS)
async def test_naming_anothers_objects_in_a_filter_finds_nothing(owned: Owned, path: str) -> None:
    named = {name: value for name, value in owned.ids.items() if name != "event_id"}
    for name, value in {**named, "q": owned.ids["payment_id"]}.items():
        response = await owned.other.client.get(path, params={name: value})
        assert response.status_code == 200, response.text
        assert _leaks(owned, response.text) == [], name


def _leaks(owned: Owned, text: str) -> list[str]:
    return [value for value in (owned.owner.id, owned.owner.email, *owned.ids.values()) if value in text]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/payments", {"order_id": "order_id", "method": "upi", "vpa": "success@upi"}),
        ("/refunds", {"payment_id": "payment_id", "amount": 100}),
    ],
)
async def test_nothing_is_made_on_anothers_object(owned: Owned, path: str, body: dict[str, Any]) -> None:
    response = await owned.other.client.post(
        path, json={name: owned.ids.get(str(value), value) for name, value in body.items()}
    )
    assert response.status_code == 404, response.text


async def test_sending_deliveries_again_reaches_only_ones_own(owned: Owned) -> None:
    expected = {"endpoint_id": owned.ids["endpoint_id"], "status": None}
    response = await owned.other.client.post("/webhooks/retry", json={"filter": expected, "dry_run": True})
    assert body_of(response, 200)["matching"] == 0


async def test_the_owner_still_has_everything(owned: Owned) -> None:
    """The matrix's deletes and changes have reached nothing; and its ids were real ones."""
    for method, path in BY_KEY:
        if method == "GET":
            response = await _request(owned.owner, method, path, owned.ids)
            assert response.status_code == 200, f"{path}: {response.text}"
    keys, endpoint = await _data(owned.owner, "/merchants/me/keys"), owned.ids["endpoint_id"]
    assert keys[0]["revoked_at"] is keys[0]["expires_at"] is None
    assert (await owned.owner.get(f"/webhook-endpoints/{endpoint}"))["active"] is True
    assert owned.ids["session_id"] in [session["id"] for session in await _data(owned.owner, "/auth/sessions")]


@pytest.mark.parametrize(("method", "path"), sorted(set(routes())), ids=lambda value: value)
async def test_no_route_works_without_credentials(owned: Owned, stack: Stack, method: str, path: str) -> None:
    """But the ones that exist to get some, and the one that a payer calls as well."""
    open_to_all = {("POST", "/auth/login"), ("POST", "/auth/logout"), ("POST", "/merchants")}
    open_to_all |= {("POST", "/auth/join"), ("POST", "/auth/reset")}
    open_to_all.add(("POST", "/payments/{payment_id}/cancel"))
    if (method, path) in open_to_all or path.startswith(OPEN_IN_TEST_MODE):
        return
    filled = ID.sub(lambda found: owned.ids[found.group(1)], path)
    async with httpx.AsyncClient(base_url=f"{stack.api_url}/api/v1", timeout=15) as client:
        for headers in ({}, {"X-Api-Key": owned.owner.key}, {"X-Api-Key": owned.owner.key, "X-Api-Secret": "wrong"}):
            response = await client.request(method, filled, headers=headers)
            expected = 404 if path in HIDDEN else 401
            assert response.status_code == expected, f"{headers}: {response.status_code} {response.text}"
