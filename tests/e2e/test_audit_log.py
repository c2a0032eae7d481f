"""The audit log over the API: every change leaves its entry, with who, from where, before and after."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from domain.audited import Action
from domain.role import Role
from tests.e2e.test_tenancy import routes
from tests.support.command import gateway
from tests.support.eventually import eventually
from tests.support.people import add_person, token_of
from tests.support.second_factor import set_up
from tests.support.signed_up import PASSWORD, SignedUp, api_client, body_of, signed_up
from tests.support.stack import Stack

AUDITED = {
    ("POST", "/merchants"): Action.MERCHANT_CREATED,
    ("PATCH", "/merchants/me"): Action.MERCHANT_CHANGED,
    ("POST", "/merchants/me/return-secret"): Action.RETURN_SECRET_ROTATED,
    ("PATCH", "/merchants/me/access"): Action.ACCESS_CHANGED,
    ("PATCH", "/merchants/me/users/{user_id}"): Action.USER_ROLE_CHANGED,
    ("DELETE", "/merchants/me/users/{user_id}"): Action.USER_REMOVED,
    ("POST", "/merchants/me/invitations"): Action.USER_INVITED,
    ("DELETE", "/merchants/me/invitations/{invitation_id}"): Action.INVITATION_REVOKED,
    ("POST", "/auth/join"): Action.USER_JOINED,
    ("POST", "/auth/password"): Action.PASSWORD_CHANGED,
    ("POST", "/auth/reset"): Action.PASSWORD_RESET,
    ("POST", "/auth/second-factor/confirm"): Action.SECOND_FACTOR_ENABLED,
    ("POST", "/auth/second-factor/recovery-codes"): Action.RECOVERY_CODES_RENEWED,
    ("POST", "/auth/second-factor/remove"): Action.SECOND_FACTOR_REMOVED,
    ("POST", "/merchants/me/keys"): Action.KEY_CREATED,
    ("POST", "/merchants/me/keys/{key_id}/rotate"): Action.KEY_ROTATED,
    ("DELETE", "/merchants/me/keys/{key_id}"): Action.KEY_REVOKED,
    ("POST", "/webhook-endpoints"): Action.ENDPOINT_CREATED,
    ("PATCH", "/webhook-endpoints/{endpoint_id}"): Action.ENDPOINT_CHANGED,
    ("POST", "/webhook-endpoints/{endpoint_id}/rotate-secret"): Action.ENDPOINT_SECRET_ROTATED,
    ("DELETE", "/webhook-endpoints/{endpoint_id}"): Action.ENDPOINT_DELETED,
    ("POST", "/webhook-endpoints/{endpoint_id}/replay"): Action.EVENTS_REPLAYED,
    ("PUT", "/webhooks/config"): Action.ENDPOINT_CREATED,
    ("POST", "/webhooks/regenerate-secret"): Action.ENDPOINT_SECRET_ROTATED,
    ("POST", "/webhooks/retry"): Action.DELIVERIES_RETRIED,
    ("POST", "/webhooks/{log_id}/retry"): Action.DELIVERIES_RETRIED,
    ("POST", "/webhook-logs/retry"): Action.DELIVERIES_RETRIED,
    ("POST", "/webhook-logs/{log_id}/retry"): Action.DELIVERIES_RETRIED,
    ("POST", "/payments/{payment_id}/refunds"): Action.REFUND_REQUESTED,
    ("POST", "/refunds"): Action.REFUND_REQUESTED,
    ("POST", "/payments/{payment_id}/capture"): Action.CAPTURE_REQUESTED,
    ("POST", "/payments/{payment_id}/void"): Action.VOID_REQUESTED,
    ("POST", "/orders/{order_id}/cancel"): Action.CANCEL_REQUESTED,
    ("POST", "/payments/{payment_id}/cancel"): Action.CANCEL_REQUESTED,
    ("POST", "/payment-links/{link_id}/cancel"): Action.CANCEL_REQUESTED,
    ("POST", "/auth/login"): Action.SESSION_STARTED,
    ("POST", "/auth/logout"): Action.SESSION_ENDED,
    ("DELETE", "/auth/sessions/{session_id}"): Action.SESSION_ENDED,
}
IN_EVENTS = {
    ("POST", "/orders"),
    ("POST", "/payments"),
    ("POST", "/payment-links"),
    ("POST", "/payment-links/{link_id}/resend"),
}
"""What shops and payers ask for all day: the events say everything about it, under the same request id."""
NO_CHANGE = {
    ("POST", "/webhook-endpoints/{endpoint_id}/test"),
    ("POST", "/webhooks/test"),
    ("POST", "/test/jobs/enqueue"),
    ("POST", "/test/payments/{payment_id}/scan"),
    ("POST", "/bank/notifications"),
    ("POST", "/auth/second-factor"),
}
"""A trial, the test mode's probe, the bank's own word, which is signed, and a seed that no code has confirmed."""


def test_every_route_that_changes_something_is_audited_or_exempt_with_a_reason() -> None:
    changing = {(method, path) for method, path in routes() if method not in ("GET", "HEAD")}
    assert changing == AUDITED.keys() | IN_EVENTS | NO_CHANGE


@dataclass(frozen=True, slots=True)
class Busy:
    """A merchant that has done everything once, by key and by session."""

    merchant: SignedUp
    ids: dict[str, str]


@pytest_asyncio.fixture(scope="module")
async def busy(stack: Stack) -> AsyncIterator[Busy]:
    async with signed_up(stack, "Busy") as merchant, merchant.browser() as browser:
        call, ids = merchant.client, {}
        key = body_of(await call.post("/merchants/me/keys", json={"name": "Till", "scopes": ["read"]}), 201)
        body_of(await call.post(f"/merchants/me/keys/{key['id']}/rotate"), 201)
        body_of(await call.delete(f"/merchants/me/keys/{key['id']}"), 204)
        body_of(await browser.patch("/merchants/me", json={"name": "Busier", "capture": "automatic"}), 200)
        body_of(await browser.patch("/merchants/me", json={"capture": "manual"}), 200)
        body_of(await browser.post("/merchants/me/return-secret"), 201)
        await _employ(browser, merchant)
        await _change_passwords(merchant, browser)
        await _use_second_factor(merchant)
        endpoint = body_of(await call.post("/webhook-endpoints", json={"url": "http://127.0.0.1:9/"}), 201)
        path = f"/webhook-endpoints/{endpoint['id']}"
        body_of(await call.patch(path, json={"url": "http://127.0.0.1:9/new"}), 200)
        body_of(await call.post(f"{path}/rotate-secret"), 200)
        paid, voided = await merchant.pay(), await merchant.pay()
        body_of(await call.post(f"{path}/replay", json={"from": "2026-01-01T00:00:00Z"}), 200)
        body_of(await call.post("/webhooks/retry"), 200)
        log_id = await eventually(lambda: _delivery(merchant), timeout=30, what="a delivery")
        await call.post(f"/webhooks/{log_id}/retry")
        refund = await merchant.refund(paid["id"], amount=100, reason="asked for")
        await call.post(f"/payments/{paid['id']}/capture", json={"amount": 100})
        body_of(await call.post(f"/payments/{voided['id']}/void"), 200)
        order = await merchant.order()
        body_of(await call.post(f"/orders/{order['id']}/cancel"), 200)
        body_of(await call.delete(path), 204)
        body_of(await browser.post("/auth/logout"), 204)
        ids |= {"key": key["id"], "endpoint": endpoint["id"], "paid": paid["id"], "refund": refund["id"]}
        yield Busy(merchant, ids)


async def _employ(browser: httpx.AsyncClient, merchant: SignedUp) -> None:
    person = await add_person(merchant.stack.database_url, merchant.id, Role.SUPPORT)
    limit = {"support_refunds": {"maximum_minor": 5_000}}
    body_of(await browser.patch("/merchants/me/access", json=limit), 200)
    body_of(await browser.patch(f"/merchants/me/users/{person.id}", json={"role": "finance"}), 200)
    body_of(await browser.delete(f"/merchants/me/users/{person.id}"), 204)


async def _change_passwords(merchant: SignedUp, owner: httpx.AsyncClient) -> None:
    """Of somebody who was invited, and then had a link from the operator."""
    path, new = "/merchants/me/invitations", {"role": "finance"}
    revoked = body_of(await owner.post(path, json=new | {"email": f"revoked-{merchant.email}"}), 201)
    body_of(await owner.delete(f"{path}/{revoked['id']}"), 204)
    invited = body_of(await owner.post(path, json=new | {"email": f"joined-{merchant.email}"}), 201)
    async with api_client(merchant.stack) as joined:
        body = {"token": token_of(invited["url"]), "password": PASSWORD}
        joined.headers["X-CSRF-Token"] = body_of(await joined.post("/auth/join", json=body), 201)["csrf_token"]
        changed = {"current_password": PASSWORD, "password": PASSWORD}
        body_of(await joined.post("/auth/password", json=changed), 200)
        ended = await gateway(merchant.stack, "users", "reset", invited["email"])
        body_of(await joined.post("/auth/reset", json={"token": token_of(ended.out), "password": PASSWORD}), 204)


async def _use_second_factor(merchant: SignedUp) -> None:
    """Of a user of its own: a wrong code, a recovery code, new ones, and removed again."""
    person = await add_person(merchant.stack.database_url, merchant.id, Role.FINANCE)
    login = {"email": person.email, "password": PASSWORD}
    async with api_client(merchant.stack) as client:
        client.headers["X-CSRF-Token"] = body_of(await client.post("/auth/login", json=login), 200)["csrf_token"]
        app = await set_up(merchant.stack, client, person.email)
        body_of(await client.post("/auth/login", json=login | {"otp": app.wrong_code}), 401)
        proof = {"current_password": PASSWORD, "otp": app.recovery_codes[0]}
        body_of(await client.post("/auth/second-factor/recovery-codes", json=proof), 201)
        body_of(await client.post("/auth/second-factor/remove", json=await app.proof()), 204)


async def _delivery(merchant: SignedUp) -> str | None:
    found = (await merchant.get("/webhooks"))["data"]
    return found[0]["id"] if found else None


async def _entries(merchant: SignedUp, **parameters: Any) -> list[dict[str, Any]]:
    return list((await merchant.get("/audit-log", limit=100, **parameters))["data"])


async def test_everything_that_was_done_is_there_once_and_in_order(busy: Busy) -> None:
    found = await _entries(busy.merchant)
    assert {entry["action"] for entry in found} == {*Action} - {Action.COMMAND_RUN}
    assert [entry["place"] for entry in found] == list(range(len(found), 0, -1))
    assert found[-1]["action"] == "merchant.created"
    for entry in found:
        assert entry["address"] == "127.0.0.1" and entry["request_id"].startswith("req_")


async def test_an_entry_shows_who_did_what_before_and_after(busy: Busy) -> None:
    merchant = busy.merchant
    (refund,) = await _entries(merchant, subject=busy.ids["paid"], action="refund.requested")
    assert refund["actor"].startswith("key apk_")
    assert refund["after"] == {"refund_id": busy.ids["refund"], "amount": 100, "reason": "asked for"}
    renamed = (await _entries(merchant, action="merchant.changed"))[-1]
    assert renamed["actor"].startswith("user user_")
    assert (renamed["before"], renamed["after"]) == (
        {"name": "Busy", "capture": "manual"},
        {"name": "Busier", "capture": "automatic"},
    )
    (moved,) = await _entries(merchant, subject=busy.ids["endpoint"], action="webhook_endpoint.changed")
    assert (moved["before"], moved["after"]) == ({"url": "http://127.0.0.1:9/"}, {"url": "http://127.0.0.1:9/new"})
    made, revoked = (await _entries(merchant, subject=busy.ids["key"]))[::2]
    assert {made["action"], revoked["action"]} == {"key.created", "key.revoked"}


async def test_its_pages_and_its_file_hold_the_same_entries(busy: Busy) -> None:
    merchant, whole = busy.merchant, await _entries(busy.merchant)
    paged: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await merchant.get("/audit-log", limit=7, cursor=cursor)
        paged, cursor = paged + page["data"], page["next_cursor"]
    assert paged == whole
    file = await merchant.client.get("/audit-log/export.csv")
    rows = list(csv.DictReader(io.StringIO(file.text)))
    assert [row["place"] for row in rows] == [str(entry["place"]) for entry in whole]
    assert [row["action"] for row in rows] == [entry["action"] for entry in whole]


@pytest.mark.parametrize("query", ["cursor=x", "cursor=-1", "cursor=" + "9" * 40, "action=all", "from=then", "limit=0"])
async def test_a_question_that_means_nothing_is_refused(busy: Busy, query: str) -> None:
    assert (await busy.merchant.client.get(f"/audit-log?{query}")).status_code == 400


async def test_a_refused_request_is_on_record_and_changes_nothing(stack: Stack) -> None:
    async with signed_up(stack) as merchant:
        payment = await merchant.pay()
        refused = await merchant.client.post(f"/payments/{payment['id']}/refunds", json={"amount": 10**9})
        assert refused.status_code == 400
        (entry,) = await _entries(merchant, action="refund.requested")
        assert entry["after"]["amount"] == 10**9


async def test_commands_of_the_operator_have_a_chain_of_their_own(stack: Stack, busy: Busy) -> None:
    ended = await gateway(stack, "keys", "rotate", "--json")
    assert '"sealed"' in ended.out, ended.out + ended.err
    assert "command.run" not in {entry["action"] for entry in await _entries(busy.merchant)}
    verified = await gateway(stack, "verify", "--json")
    assert '"audit_log"' in verified.out
