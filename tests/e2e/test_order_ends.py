"""Orders end, over HTTP: cancelled, or with a time of their own; and no payment comes after."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from ops.audit.verify.audit import audit, second_process
from tests.support.api import Api, created, error_of
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(300)


def ahead(**time: float) -> str:
    return (datetime.now(UTC) + timedelta(**time)).isoformat(timespec="seconds")


async def refused(api: Api, path: str, body: Any = None) -> tuple[int, str]:
    response = await api.post(path, body)
    return response.status_code, error_of(response)["description"]


async def test_a_cancelled_order_takes_no_payment(api: Api) -> None:
    order = await api.order()
    response = await api.call("POST", f"/orders/{order['id']}/cancel")
    assert (response.status_code, response.json()["status"], response.json()["amount_paid"]) == (200, "CANCELLED", 0)
    assert (await api.get(f"/orders/{order['id']}")).json() == response.json()
    body = {"order_id": order["id"], "method": "upi", "vpa": "success@upi"}
    assert await refused(api, "/payments", body) == (400, "Order is not payable")
    public = await api.public("POST", "/payments/public", json=body)
    assert (public.status_code, error_of(public)["description"]) == (400, "Order is not payable")
    shown = (await api.public("GET", f"/orders/public/{order['id']}")).json()
    assert shown["status"] == "CANCELLED"
    listed = (await api.get("/orders", status="CANCELLED", q=order["id"])).json()["data"]
    assert [one["id"] for one in listed] == [order["id"]]


async def test_a_cancellation_may_be_repeated(api: Api) -> None:
    order, key = await api.order(), secrets.token_hex(8)
    path = f"/orders/{order['id']}/cancel"
    first = await api.post(path, {}, key=key)
    again = await api.post(path, {}, key=key)
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    later = await api.post(path)
    assert (later.status_code, later.json()) == (200, first.json())
    other = await api.post(f"/orders/{(await api.order())['id']}/cancel", {}, key=key)
    assert other.status_code == 422


async def test_an_order_with_a_payment_is_not_cancelled(api: Api, stranger: Api) -> None:
    order = await api.order()
    path = f"/orders/{order['id']}/cancel"
    assert await refused(stranger, path) == (404, "Order not found")
    payment = await api.pay(order["id"], vpa="slow@upi")
    assert await refused(api, path) == (400, "Order has a payment in progress")
    await api.decided(f"/payments/{payment['id']}", timeout=30)
    assert await refused(api, path) == (400, "Order already paid")


async def test_an_order_can_be_cancelled_after_a_failed_payment(api: Api) -> None:
    payment = await api.paid(vpa="failure@upi")
    response = await api.post(f"/orders/{payment['order_id']}/cancel")
    assert (response.status_code, response.json()["status"]) == (200, "CANCELLED")


async def test_cancellations_against_payments_leave_an_order_paid_or_cancelled(
    api: Api, database: asyncpg.Connection
) -> None:
    orders = [(await api.order())["id"] for _ in range(12)]
    bodies = [{"order_id": order_id, "method": "upi", "vpa": "success@upi"} for order_id in orders]
    responses = await asyncio.gather(
        *(api.post("/payments", body) for body in bodies),
        *(api.post(f"/orders/{order_id}/cancel") for order_id in orders),
    )
    assert {response.status_code for response in responses} <= {200, 201, 202, 400}

    async def settled() -> bool:
        rows = await database.fetch(
            "SELECT o.status, count(p.id) AS payments FROM orders o LEFT JOIN payments p ON p.order_id = o.id"
            " WHERE o.id = ANY($1) GROUP BY o.id",
            orders,
        )
        return all((row["status"], row["payments"]) in (("PAID", 1), ("CANCELLED", 0)) for row in rows)

    await eventually(settled, timeout=40, what="each order to be paid or cancelled")


async def test_an_order_shows_when_it_ends(api: Api) -> None:
    expires_at = ahead(hours=2)
    order = created(await api.post("/orders", {"amount": 500, "expires_at": expires_at}))
    assert order["expires_at"] == expires_at.replace("+00:00", ".000000Z")
    assert (await api.get(f"/orders/{order['id']}")).json() == order
    shown = (await api.public("GET", f"/orders/public/{order['id']}")).json()
    assert shown["expires_at"] == order["expires_at"]


@pytest.mark.parametrize(
    "expires_at",
    [ahead(minutes=4), ahead(days=181), ahead(days=-1), "tomorrow", "2999-01-01T00:00:00", 7],
    ids=["too soon", "too late", "past", "no instant", "no zone", "a number"],
)
async def test_an_end_that_is_none_is_refused(api: Api, expires_at: object) -> None:
    response = await api.post("/orders", {"amount": 500, "expires_at": expires_at})
    assert (response.status_code, error_of(response)["field"]) == (400, "expires_at")


async def test_a_repeated_order_returns_the_first_only_with_the_same_end(api: Api) -> None:
    key = secrets.token_hex(8)
    body = {"amount": 500, "expires_at": ahead(minutes=20)}
    order = created(await api.post("/orders", body, key=key))
    again = await api.post("/orders", body, key=key)
    assert (again.status_code, again.json(), again.headers["Idempotent-Replayed"]) == (201, order, "true")
    other = await api.post("/orders", body | {"expires_at": ahead(hours=1)}, key=key)
    assert (other.status_code, "expires_at" in error_of(other)["description"]) == (422, True)


async def test_the_events_of_an_order_are_its_merchants(stranger: Api) -> None:
    paid = await stranger.paid()
    order = await stranger.order()
    await stranger.post(f"/orders/{order['id']}/cancel")

    async def of(order_id: str, kind: str) -> list[dict[str, Any]]:
        found = (await stranger.get("/events", type=kind, limit=100)).json()["data"]
        return [event["data"]["order"] for event in found if event["data"]["order"]["id"] == order_id]

    (announced,) = await eventually(lambda: of(paid["order_id"], "order.paid"), timeout=20)
    assert (announced["status"], announced["amount_paid"]) == ("PAID", paid["amount"])
    (cancelled,) = await eventually(lambda: of(order["id"], "order.cancelled"), timeout=20)
    assert cancelled["status"] == "CANCELLED"


async def test_after_all_this_nothing_differs(stack: Stack) -> None:
    with second_process() as second:
        report = await audit(stack.settings, second, settle_seconds=20)
    assert report.differences == 0, report.as_json()
