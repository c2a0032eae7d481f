"""What the operator reads about the audits, and who else may."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from store.operations.audits import AuditStore
from tests.support.live_api import live_api
from tests.support.signed_up import PASSWORD, api_client, body_of, signed_up
from tests.support.stack import Stack

AUDIT = "/operations/audit"
OPERATOR = {"Authorization": "Bearer the-operator"}
SEARCH_PATH = "audited,public"
AGED = "UPDATE audits SET finished_at = finished_at - make_interval(hours => $1)"


@pytest.fixture
async def pool(stack: Stack) -> AsyncIterator[asyncpg.Pool]:
    """With a table of audits of its own, because the stack's auditor writes to the usual one at any time."""
    async with asyncpg.create_pool(
        stack.settings.database_url.get_secret_value(),
        min_size=1,
        max_size=1,
        server_settings={"search_path": SEARCH_PATH},
    ) as pool:
        await pool.execute("CREATE SCHEMA audited CREATE TABLE audits (LIKE public.audits INCLUDING ALL)")
        yield pool
        await pool.execute("DROP SCHEMA audited CASCADE")


async def _audit(pool: asyncpg.Pool, *, whole: bool, differences: dict[str, int] | None = None) -> None:
    store = AuditStore(pool)
    await store.add(whole=whole, resumes_at=await store.now(), events=7, differences=differences or {})


async def test_the_status_follows_the_last_audits(stack: Stack, pool: asyncpg.Pool) -> None:
    async with live_api(stack, search_path=SEARCH_PATH) as client:

        async def status() -> str:
            found: str = body_of(await client.get(AUDIT, headers=OPERATOR), 200)["status"]
            return found

        assert await status() == "never"
        await _audit(pool, whole=True)
        assert await status() == "ok"
        hours = stack.settings.audit_whole_every_hours
        await pool.execute(AGED, 2 * hours - 1)
        assert await status() == "ok"
        await pool.execute(AGED, 1)
        assert await status() == "late"
        await _audit(pool, whole=False, differences={"reply": 1})
        assert await status() == "differences"
        await _audit(pool, whole=True)
        assert await status() == "ok", "a full audit supersedes the recent ones before it"


async def test_each_kind_of_difference_comes_with_its_repair(stack: Stack, pool: asyncpg.Pool) -> None:
    await _audit(pool, whole=True, differences={"reply": 2, "of_a_later_version": 1})
    await _audit(pool, whole=False, differences={"reply": 1})
    async with live_api(stack, search_path=SEARCH_PATH) as client:
        audit = body_of(await client.get(AUDIT, headers=OPERATOR), 200)
    assert audit["differences"] == {"of_a_later_version": 1, "reply": 3}
    assert audit["repair"] == {"reply": "gateway repair reply --apply"}
    assert audit["whole_audit_at"] < audit["recent_audit_at"]


async def test_outside_test_mode_only_the_operator_reads_it(stack: Stack) -> None:
    shop = {"name": "Shop", "email": f"{secrets.token_hex(8)}@example.com", "password": PASSWORD}
    async with live_api(stack) as client:
        made = body_of(await client.post("/merchants", json=shop, headers=OPERATOR), 201)
        own = {"X-Api-Key": made["api_key"], "X-Api-Secret": made["api_secret"]}
        assert (await client.get("/merchants/me", headers=own)).status_code == 200, "the merchant is authenticated"
        for headers in ({}, own, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}):
            _is_not_there(await client.get(AUDIT, headers=headers), await client.get("/nowhere", headers=headers))
        assert (await client.get(AUDIT, headers=OPERATOR)).status_code == 200
    async with live_api(stack, operator_token="") as client:
        _is_not_there(await client.get(AUDIT, headers={"Authorization": "Bearer "}), await client.get("/nowhere"))


async def test_in_test_mode_only_merchants_read_it(stack: Stack) -> None:
    async with signed_up(stack) as merchant, api_client(stack) as anyone:
        assert set(await merchant.get(AUDIT)) >= {"status", "differences", "repair"}
        _is_not_there(await anyone.get(AUDIT), await anyone.get("/nowhere"))
        wrong = {"X-Api-Key": merchant.key, "X-Api-Secret": "wrong"}
        _is_not_there(await anyone.get(AUDIT, headers=wrong), await anyone.get("/nowhere"))


def _is_not_there(response: httpx.Response, nowhere: httpx.Response) -> None:
    """The answer is that of a path that has no route."""
    assert response.status_code == nowhere.status_code == 404, response.text
    message, expected = response.json()["error"], nowhere.json()["error"]
    assert {**message, "request_id": None} == {**expected, "request_id": None}
