"""Orders as a merchant looks for them: how often they were tried, and which are unpaid or abandoned."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.support.api import Api, created, signed_up
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(300)


async def ids(api: Api, **filters: Any) -> list[str]:
    return [order["id"] for order in (await api.get("/orders", **filters)).json()["data"]]


async def test_an_order_counts_its_attempts(api: Api) -> None:
    order = await api.order()
    assert order["attempts"] == 0
    await api.paid(order["id"], vpa="failure@upi")
    assert (await api.get(f"/orders/{order['id']}")).json()["attempts"] == 1
    await api.paid(order["id"])
    paid = (await api.get(f"/orders/{order['id']}")).json()
    assert (paid["status"], paid["attempts"]) == ("PAID", 2)
    listed = (await api.get("/orders", q=order["id"])).json()["data"]
    assert listed == [paid]


async def test_every_response_about_an_order_counts_them(api: Api) -> None:
    key = secrets.token_hex(8)
    order = created(await api.post("/orders", {"amount": 500}, key=key))
    await api.paid(order["id"], vpa="failure@upi")
    again = await api.post("/orders", {"amount": 500}, key=key)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (order, "true")
    cancelled = await api.post(f"/orders/{order['id']}/cancel", key=key)
    assert (cancelled.json()["status"], cancelled.json()["attempts"]) == ("CANCELLED", 1)
    assert (await api.post(f"/orders/{order['id']}/cancel", key=key)).content == cancelled.content
    assert (await api.get(f"/orders/{order['id']}")).json() == cancelled.json()


async def test_unpaid_and_abandoned_orders_are_found(stack: Stack) -> None:
    async with await signed_up(stack) as api:
        untried = (await api.order())["id"]
        paid = (await api.paid())["order_id"]
        abandoned = (await api.paid(vpa="failure@upi"))["order_id"]
        cancelled = (await api.paid(vpa="failure@upi"))["order_id"]
        await api.post(f"/orders/{cancelled}/cancel")
        retried = (await api.paid(vpa="failure@upi"))["order_id"]
        await api.paid(retried)
        trying = (await api.paid(vpa="failure@upi"))["order_id"]
        created(await api.post("/payments", {"order_id": trying, "method": "netbanking", "bank": "HDFC"}))
        assert await ids(api, paid="false") == [trying, cancelled, abandoned, untried]
        assert await ids(api, paid="true") == [retried, paid]
        assert await ids(api, abandoned="true") == [cancelled, abandoned]
        assert await ids(api, abandoned="true", status="CREATED") == [abandoned]
        assert await ids(api, abandoned="true", paid="true") == []
