"""The API while a service is unavailable: 503 within five seconds or no difference at all, and unattended recovery."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import httpx
import redis.asyncio as redis

from store.probe import UNAVAILABLE_AFTER_SECONDS
from tests.support.api import Api, created, error_of
from tests.support.eventually import eventually
from tests.support.stack import Stack

TIMEOUT_SECONDS = 5.0


@contextmanager
def _away(stack: Stack, service: str) -> Iterator[None]:
    stack.hold(service)
    try:
        yield
    finally:
        stack.release(service)


async def _unavailable(api: Api, method: str, path: str, body: object = None) -> None:
    began = time.monotonic()
    response = await api.call(method, path, json=body)
    assert response.status_code == 503, response.text
    assert error_of(response)["code"] == "SERVICE_UNAVAILABLE"
    assert response.headers["Retry-After"] == "1"
    assert time.monotonic() - began < TIMEOUT_SECONDS


async def _unhealthy(api: Api) -> httpx.Response:
    """GET /health, once it is 503: what was found a second ago still counts."""

    async def read() -> httpx.Response | None:
        async with httpx.AsyncClient(base_url=api.url, timeout=10, trust_env=False) as http:
            response = await http.get("/health")
            return response if response.status_code == 503 else None

    found = await eventually(read, what="GET /health to be 503")
    assert found is not None
    return found


async def _pays_again(api: Api, stack: Stack) -> None:
    """From order to success without a hand; answers of the first moments may still be 503."""

    async def works() -> bool:
        return (await api.paid())["status"] == "SUCCESS"

    await eventually(works, timeout=60, interval=0.3, what="the API to take payments again")
    await asyncio.to_thread(stack.wait_until_ready)


async def test_without_redis_payments_go_on(api: Api, stack: Stack) -> None:
    with _away(stack, "redis"):
        order = await api.order()
        payment = await api.pay(order["id"])
        body = {"order_id": order["id"], "method": "upi", "vpa": "success@upi"}
        public = await api.public("POST", "/payments/public", json=body)
        assert (public.status_code, error_of(public)["description"]) == (400, "Order has a payment in progress")
        assert (await api.decided(f"/payments/{payment['id']}"))["status"] == "SUCCESS"
        replays = [await api.post("/orders", {"amount": 900}, key="without-redis") for _ in range(2)]
        assert created(replays[0]) == created(replays[1])
        unhealthy = await _unhealthy(api)
        assert (unhealthy.status_code, unhealthy.json()["redis"]) == (503, "disconnected")
        assert unhealthy.json()["database"] == "connected"
        await _unavailable(api, "GET", "/test/jobs/status")
    await _pays_again(api, stack)


async def test_without_the_database_nothing_is_taken(api: Api, stack: Stack) -> None:
    payment = await api.paid()
    with _away(stack, "postgres"):

        async def noticed() -> bool:
            return (await api.post("/orders", {"amount": 500})).status_code == 503

        await eventually(noticed, what="the API to notice")
        await _unavailable(api, "POST", "/orders", {"amount": 500})
        await _unavailable(api, "POST", f"/payments/{payment['id']}/capture", {})
        await _unavailable(api, "GET", f"/payments/{payment['id']}")
        await _unavailable(api, "GET", "/payments")
        unhealthy = await _unhealthy(api)
        assert (unhealthy.status_code, unhealthy.json()["database"]) == (503, "disconnected")
    await _pays_again(api, stack)


async def test_a_short_restart_of_the_database_refuses_no_request(api: Api, stack: Stack) -> None:
    order = await api.order()
    restarting = asyncio.create_task(asyncio.to_thread(stack.restart, "postgres", "fast"))
    requested: list[asyncio.Task[httpx.Response]] = []
    while not restarting.done():
        requested.append(asyncio.create_task(api.post("/orders", {"amount": 500})))
        requested.append(asyncio.create_task(api.get(f"/orders/{order['id']}")))
        await asyncio.sleep(0.03)
    responses = [(await task).status_code for task in requested]
    # A machine that is busy with other things may need longer than a request is made to wait: then it is told so.
    honest = {200, 201} if await restarting < UNAVAILABLE_AFTER_SECONDS / 2 else {200, 201, 202, 503}
    assert set(responses) <= honest
    await _pays_again(api, stack)


async def test_a_database_that_hangs_counts_as_unavailable(api: Api, database: asyncpg.Connection) -> None:
    payment = await api.paid()
    async with database.transaction():
        await database.execute("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
        await asyncio.gather(
            _unavailable(api, "GET", f"/payments/{payment['id']}"),
            _unavailable(api, "GET", "/payments"),
            _unavailable(api, "POST", f"/payments/{payment['id']}/refunds", {"amount": 100}),
        )
    assert (await api.get(f"/payments/{payment['id']}")).status_code == 200
    assert (await api.get("/refunds", payment_id=payment["id"])).json()["data"] == []


async def test_without_the_log_a_request_is_unknown_and_its_key_makes_it_safe(api: Api, stack: Stack) -> None:
    payment = await api.paid()
    key = f"log-away-{payment['id']}"
    stack.freeze("kafka")
    try:
        began = time.monotonic()
        unknown = await api.post("/orders", {"amount": 500, "receipt": key}, key=key)
        assert time.monotonic() - began < TIMEOUT_SECONDS
        assert (unknown.status_code, error_of(unknown)["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert "safe to retry" in error_of(unknown)["description"]
        assert (await api.get(f"/payments/{payment['id']}")).status_code == 200
        unhealthy = await _unhealthy(api)
        assert (unhealthy.status_code, unhealthy.json()["log"]) == (503, "disconnected")
    finally:
        stack.thaw("kafka")
    await _pays_again(api, stack)

    async def decided() -> bool:
        return (await api.post("/orders", {"amount": 500, "receipt": key}, key=key)).status_code == 201

    await eventually(decided, timeout=30)
    orders = (await api.get("/orders", receipt=key)).json()["data"]
    assert len(orders) == 1


async def test_a_repeat_after_an_unknown_response_names_the_same_payment(api: Api, stack: Stack) -> None:
    order = await api.order()
    body, key = {"order_id": order["id"], "method": "upi", "vpa": "success@upi"}, f"repeat-{order['id']}"
    stack.hold("payments")
    stack.freeze("kafka")
    try:
        unknown = await api.post("/payments", body, key=key)
    finally:
        stack.thaw("kafka")
    try:
        response = await api.post("/payments", body, key=key)
    finally:
        stack.release("payments")
    assert unknown.status_code == 503
    promised = response.json()["id"] if response.status_code == 202 else None
    await asyncio.to_thread(stack.wait_until_ready)

    async def replayed() -> dict[str, object] | None:
        again = await api.post("/payments", body, key=key)
        return again.json() if again.status_code == 201 else None

    made = await eventually(replayed, timeout=30)
    assert made is not None
    assert promised in (None, made["id"])


async def test_what_was_promised_outlives_everything_in_redis(api: Api, stack: Stack) -> None:
    order = await api.order()
    stack.hold("payments")
    try:
        payment = await api.post("/payments", {"order_id": order["id"], "method": "upi", "vpa": "success@upi"})
        promised = await api.post("/orders", {"amount": 900})
        assert (payment.status_code, promised.status_code) == (202, 202)
        await _flush(stack)
        paths = [f"/payments/{payment.json()['id']}", f"/orders/{promised.json()['id']}"]
        read = [await api.get(path) for path in paths]
    finally:
        stack.release("payments")
    assert [(response.status_code, response.json()) for response in read] == [
        (200, payment.json()),
        (200, promised.json()),
    ]
    assert (await api.decided(paths[0], timeout=30))["status"] == "SUCCESS"
    await asyncio.to_thread(stack.wait_until_ready)


async def test_a_payment_of_an_order_that_only_the_log_has_is_never_called_unknown(
    api: Api, stack: Stack, database: asyncpg.Connection
) -> None:
    # Given an order that stands on the log, is not decided, and of which the API has no trace,
    stack.hold("payments")
    try:
        order = (await api.post("/orders", {"amount": 900})).json()
        await _flush(stack)
        await database.execute("DELETE FROM promises WHERE resource_id = $1", order["id"])
        # when it is paid three times with one key,
        body = {"order_id": order["id"], "method": "upi", "vpa": "success@upi"}
        responses = [await api.post("/payments", body, key=f"unseen-{order['id']}") for _ in range(3)]
    finally:
        stack.release("payments")
    # then nobody is told that it does not exist: it does, and it is paid.
    assert {response.status_code for response in responses} <= {202, 409, 503}
    payment = await eventually(
        lambda: database.fetchval("SELECT status FROM payments WHERE order_id = $1", order["id"]), timeout=30
    )
    assert payment is not None
    await asyncio.to_thread(stack.wait_until_ready)


async def _flush(stack: Stack) -> None:
    async with redis.Redis.from_url(stack.redis_url) as client:
        await client.flushall()
