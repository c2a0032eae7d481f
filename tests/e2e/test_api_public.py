"""A payer's browser: public orders and payments, origins, the stream of a payment, and health and jobs beside it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from aiokafka import TopicPartition

from tests.support.api import CARD, Api, created, error_of
from tests.support.eventually import eventually
from tests.support.stack import Stack
from topics.reader import log_reader

ELSEWHERE = "https://shop.example"


@pytest_asyncio.fixture
async def choosy(newcomer: Api, database: asyncpg.Connection) -> Api:
    """A merchant with one allowed origin and browser orders up to 1,000."""
    change = """
        UPDATE merchants SET allowed_origins = $2, browser_orders_enabled = $3, browser_orders_max_amount = $4
         WHERE id = (SELECT merchant_id FROM api_keys WHERE key = $1)
    """
    await database.execute(change, newcomer.key, [ELSEWHERE], True, 1_000)
    return newcomer


async def test_a_browser_orders_and_pays_without_a_secret(api: Api) -> None:
    order = created(await api.public("POST", "/orders/public", json={"amount": 500}))
    assert order["merchant_id"] == "test_merchant"
    assert order["receipt"].startswith("rcpt_")
    seen = (await api.public("GET", f"/orders/public/{order['id']}")).json()
    assert seen == (await api.public("GET", f"/orders/{order['id']}/public")).json()
    assert seen["merchant"] == {"id": "test_merchant", "name": "Test Merchant"}
    assert (seen["amount"], seen["methods"], seen["test_mode"], seen["payment"]) == (
        500,
        ["upi", "card", "netbanking"],
        True,
        None,
    )
    body = {"order_id": order["id"], "method": "card", "card": CARD}
    payment = created(await api.public("POST", "/payments/public", json=body))
    assert "merchant_id" not in payment
    read = (await api.public("GET", f"/payments/{payment['id']}/public")).json()
    assert "merchant_id" not in read
    assert read["id"] == payment["id"]
    after = (await api.public("GET", f"/orders/{order['id']}/public")).json()
    assert after["payment"]["id"] == payment["id"]
    await api.decided(f"/payments/{payment['id']}")


async def test_a_merchant_decides_who_may_order_from_a_browser(stranger: Api, api: Api) -> None:
    closed = await api.public("POST", "/orders/public", json={"amount": 500, "key": stranger.key})
    assert (closed.status_code, error_of(closed)["code"]) == (403, "FORBIDDEN_ERROR")
    unknown = await api.public("POST", "/orders/public", json={"amount": 500, "key": "key_of_nobody"})
    assert (unknown.status_code, error_of(unknown)["code"]) == (401, "AUTHENTICATION_ERROR")


async def test_browser_orders_have_a_maximum_and_an_origin(choosy: Api) -> None:
    body = {"amount": 1_000, "key": choosy.key}
    headers = {"Origin": ELSEWHERE}
    assert (await choosy.public("POST", "/orders/public", json=body, headers=headers)).status_code == 201
    above = await choosy.public("POST", "/orders/public", json={**body, "amount": 1_001}, headers=headers)
    assert (above.status_code, error_of(above)["field"]) == (400, "amount")
    foreign = await choosy.public("POST", "/orders/public", json=body, headers={"Origin": "https://evil.example"})
    assert (foreign.status_code, error_of(foreign)["code"]) == (403, "FORBIDDEN_ERROR")


async def test_a_merchants_origins_guard_its_orders_and_payments(choosy: Api) -> None:
    order = await choosy.order()
    payment = await choosy.pay(order["id"])
    for path in (f"/orders/{order['id']}/public", f"/payments/{payment['id']}/public"):
        foreign = await choosy.public("GET", path, headers={"Origin": "https://evil.example"})
        allowed = await choosy.public("GET", path, headers={"Origin": ELSEWHERE})
        assert (foreign.status_code, allowed.status_code) == (403, 200)
        assert allowed.headers["Access-Control-Allow-Origin"] == ELSEWHERE
        assert "Access-Control-Allow-Credentials" not in allowed.headers


async def test_cors_lets_our_pages_in_with_credentials_and_others_only_where_it_is_public(
    api: Api, stack: Stack
) -> None:
    requests = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    own = await api.public("OPTIONS", "/payments", headers={"Origin": stack.dashboard_url, **requests})
    assert own.status_code == 204
    assert own.headers["Access-Control-Allow-Origin"] == stack.dashboard_url
    assert own.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Idempotency-Key" in own.headers["Access-Control-Allow-Headers"]
    private = await api.public("OPTIONS", "/payments", headers={"Origin": ELSEWHERE, **requests})
    assert "Access-Control-Allow-Origin" not in private.headers
    public = await api.public("OPTIONS", "/payments/public", headers={"Origin": ELSEWHERE, **requests})
    assert public.headers["Access-Control-Allow-Origin"] == ELSEWHERE
    assert "Access-Control-Allow-Credentials" not in public.headers
    refused = await api.public("POST", "/payments", headers={"Origin": stack.checkout_url}, json={})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, stack.checkout_url)


async def test_every_response_forbids_sniffing_framing_and_storing(api: Api) -> None:
    for response in (await api.get("/payments"), await api.get("/nowhere"), await api.public("POST", "/orders")):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "Server" not in response.headers


# The stream of a payment


async def _events(api: Api, payment_id: str, **headers: str) -> list[dict[str, Any]]:
    """Every status event of a stream until it closes: {id, …data}."""
    events = []
    async with api.http.stream("GET", f"/payments/{payment_id}/public/stream", headers=headers) as response:
        assert response.status_code == 200, response.status_code
        assert response.headers["Content-Type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
            elif fields.get("event") == "status":
                events.append({"version": int(fields["id"]), **json.loads(fields["data"])})
                fields = {}
    return events


@pytest.mark.parametrize(("vpa", "status"), [("slow@upi", "SUCCESS"), ("failure@upi", "FAILED")])
async def test_a_stream_sends_each_status_and_closes_with_the_last(api: Api, vpa: str, status: str) -> None:
    payment = await api.pay((await api.order())["id"], vpa=vpa)
    events = await asyncio.wait_for(_events(api, payment["id"]), 20)
    assert [event["status"] for event in events][-1] == status
    assert [event["version"] for event in events] == sorted({event["version"] for event in events})
    assert events[-1]["webhook_delivered"] is None
    assert "merchant_id" not in events[-1]
    if vpa == "slow@upi":
        assert events[0]["status"] == "PROCESSING"


async def test_a_stream_resumes_after_the_last_event_and_ends_a_browser_that_saw_it_all(api: Api) -> None:
    payment = await api.pay((await api.order())["id"], vpa="slow@upi")
    first = (await asyncio.wait_for(_events(api, payment["id"]), 20))[0]
    rest = await asyncio.wait_for(_events(api, payment["id"], **{"Last-Event-ID": str(first["version"])}), 20)
    assert [event["status"] for event in rest] == ["SUCCESS"]
    path = f"/payments/{payment['id']}/public/stream"
    over = await api.public("GET", path, headers={"Last-Event-ID": str(rest[-1]["version"])})
    assert over.status_code == 204
    assert (await api.public("GET", "/payments/pay_0000000000000000/public/stream")).status_code == 404


async def test_many_streams_at_once_hear_each_of_its_own_payment(api: Api, stack: Stack) -> None:
    payments = [await api.pay((await api.order())["id"], vpa="slow@upi") for _ in range(4)]
    limits = httpx.Limits(max_connections=80)
    async with httpx.AsyncClient(base_url=api.http.base_url, timeout=30, limits=limits, trust_env=False) as http:
        many = Api(stack.api_url, api.key, api.secret)
        await many.http.aclose()
        many.http = http
        found = await asyncio.gather(*(_events(many, payments[number % 4]["id"]) for number in range(60)))
    for number, events in enumerate(found):
        assert {event["id"] for event in events} == {payments[number % 4]["id"]}
        assert events[-1]["status"] == "SUCCESS"


# Health, test mode, jobs, metrics


@pytest.mark.parametrize("path", ["/health", "/api/v1/health"])
async def test_health_names_every_part(api: Api, path: str) -> None:
    async with httpx.AsyncClient(base_url=api.url, trust_env=False) as http:
        answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert report.pop("timestamp").endswith("Z")
    assert report == {
        "status": "healthy", "database": "connected", "redis": "connected", "log": "connected", "worker": "running",
    }  # fmt: skip


async def test_many_health_requests_cost_one_check_a_second(api: Api) -> None:
    limits = httpx.Limits(max_connections=20)
    async with httpx.AsyncClient(base_url=api.url, trust_env=False, timeout=30, limits=limits) as http:
        answers = await asyncio.gather(*(http.get("/health") for _ in range(300)))
    assert [answer.text for answer in answers if answer.status_code != 200] == []
    checks = {answer.json()["timestamp"] for answer in answers}
    assert len(checks) < 100, "each answer came from a check of its own"


async def test_the_test_merchant_is_shown_without_its_secret(api: Api) -> None:
    response = await api.public("GET", "/test/merchant")
    assert response.json() == {
        "id": "test_merchant", "email": "test@example.com", "api_key": "key_test_abc123", "seeded": True,
    }  # fmt: skip
    assert api.secret not in response.text


async def _status(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = (await api.public("GET", "/test/jobs/status")).json()
    return found


async def test_an_enqueued_job_is_a_real_payment_and_is_counted_once(api: Api, database: asyncpg.Connection) -> None:
    before = await _status(api)
    job = (await api.public("POST", "/test/jobs/enqueue")).json()
    assert set(job) == {"status", "job_id", "payment_id", "queue"}
    assert job["status"] == "queued"
    assert (await api.decided(f"/payments/{job['payment_id']}"))["status"] == "SUCCESS"

    async def counted() -> dict[str, Any] | None:
        now = await _status(api)
        is_counted = now["completed"] > before["completed"] and await _undecided_are_counted(now, database)
        return now if is_counted else None

    after = await eventually(counted, what="the job to be completed")
    assert after is not None
    assert after["worker_status"] == "running"
    for name in ("pending", "processing", "completed", "failed"):
        assert type(after[name]) is int
        assert after[name] == after[f"{name}_jobs"]


async def _undecided_are_counted(status: dict[str, Any], database: asyncpg.Connection) -> bool:
    """Other tests leave payments that wait for their payer."""
    undecided = await database.fetchval("SELECT count(*) FROM payments WHERE status NOT IN ('SUCCESS', 'FAILED')")
    return bool(status["pending"] + status["processing"] == undecided)


async def test_the_job_status_is_right_after_a_crash_of_the_counting_and_of_an_actor(
    api: Api, stack: Stack, database: asyncpg.Connection
) -> None:
    stack.kill("jobs")
    stack.kill("payments")
    for _ in range(3):
        await api.public("POST", "/test/jobs/enqueue")

    async def right() -> bool:
        status = await _status(api)
        decided = await database.fetchval("SELECT count(*) FROM payments WHERE status IN ('SUCCESS', 'FAILED')")
        return bool(status["completed"] == decided and await _undecided_are_counted(status, database))

    await eventually(right, timeout=60, what="the counters to equal the payments")


async def test_requests_and_commands_are_measured_on_the_internal_port_only(api: Api, stack: Stack) -> None:
    await api.order()
    texts = []
    async with httpx.AsyncClient(trust_env=False) as http:
        for index in range(stack.plan.worker_count("api")):
            texts.append((await http.get(f"{stack.metrics_url('api', index)}/metrics")).text)
        assert (await http.get(f"{api.url}/metrics")).status_code == 404
    text = "\n".join(texts)
    assert 'gateway_api_request_seconds_count{method="POST",route="/api/v1/orders",status="201"}' in text
    assert 'gateway_api_commands_total{outcome="accepted",type="order.create"}' in text


# Events and the timeline


async def test_the_feed_is_complete_in_order_and_resumes_anywhere(stranger: Api) -> None:
    payment = await stranger.paid()
    created(await stranger.post(f"/payments/{payment['id']}/refunds", {"amount": 100}))

    async def all_there() -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = (await stranger.get("/events", payment_id=payment["id"])).json()["data"]
        return found if found and found[-1]["type"] == "refund.processed" else None

    events = await eventually(all_there)
    assert events is not None
    assert [event["type"] for event in events] == [
        "payment.created", "payment.processing", "payment.success", "refund.created", "refund.processed",
    ]  # fmt: skip
    assert [event["sequence"] for event in events] == [2, 3, 4, 6, 7]
    assert (await stranger.get(f"/events/{events[0]['id']}")).json() == events[0]
    assert "bank" not in events[0]["data"]
    seen, after = [], ""
    while True:
        page = (await stranger.get("/events", limit=3, after=after)).json()
        seen += page["data"]
        after = page["next_cursor"]
        if not page["has_more"]:
            break
    assert len({event["id"] for event in seen}) == len(seen)
    assert [event["type"] for event in seen][-6:-2] == [*(event["type"] for event in events[:3]), "order.paid"]
    assert [event["id"] for event in seen if event["type"] != "order.paid"][-5:] == [event["id"] for event in events]
    assert (await stranger.get("/events", after=after)).json()["data"] == []
    later = (await stranger.get("/events", after=events[2]["id"])).json()["data"]
    assert later[0]["data"]["order"]["status"] == "PAID"
    assert [event["id"] for event in later[1:]] == [event["id"] for event in events[3:]]
    only = (await stranger.get("/events", type="payment.success", limit=100)).json()["data"]
    assert {event["type"] for event in only} == {"payment.success"}


async def test_the_timeline_shows_a_payment_from_its_beginning(api: Api) -> None:
    order = await api.order()
    response = await api.call(
        "POST",
        "/payments",
        json={"order_id": order["id"], "method": "upi", "vpa": "success@upi"},
        headers={"X-Request-Id": "told-by-a-test"},
    )
    payment = await api.decided(f"/payments/{response.json()['id']}")
    timeline = (await api.get(f"/payments/{payment['id']}/timeline")).json()
    assert (timeline["payment_id"], timeline["order_id"]) == (payment["id"], order["id"])
    steps = [(step["type"], step["before"], step["after"], step["request_id"]) for step in timeline["data"]]
    assert steps == [
        ("payment.created", None, "CREATED", "told-by-a-test"),
        ("payment.processing", "CREATED", "PROCESSING", "told-by-a-test"),
        ("payment.success", "PROCESSING", "SUCCESS", "told-by-a-test"),
    ]
    assert [(one["kind"], one["outcome"], one["times_asked"]) for one in timeline["bank"]] == [("charge", "success", 1)]
    assert timeline["webhooks"] == []


async def test_the_timeline_names_the_records_of_its_events(api: Api, stack: Stack) -> None:
    payment = await api.decided(f"/payments/{(await api.pay((await api.order())['id']))['id']}")

    async def steps_with_places() -> list[dict[str, Any]] | None:
        """An event is answered once it is committed, and on the log a moment later."""
        steps: list[dict[str, Any]] = (await api.get(f"/payments/{payment['id']}/timeline")).json()["data"]
        return steps if all(step["offset"] is not None for step in steps) else None

    steps = await eventually(steps_with_places)
    places = {TopicPartition(step["topic"], step["partition"]): step["offset"] for step in steps}
    assert len(places) == 1, "an order's events stand in one partition"
    async with log_reader(stack.settings) as reader:
        for step in steps:
            place = TopicPartition(step["topic"], step["partition"])
            (record,) = (await reader.first_at({place: step["offset"]})).values()
            assert record.envelope is not None
            assert (record.offset, record.envelope.id, record.type) == (step["offset"], step["id"], step["type"])


async def test_the_timeline_is_shown_without_the_log(api: Api, stack: Stack) -> None:
    payment = await api.decided(f"/payments/{(await api.pay((await api.order())['id']))['id']}")
    stack.freeze("kafka")
    try:
        response = await api.get(f"/payments/{payment['id']}/timeline")
    finally:
        stack.thaw("kafka")
    assert response.status_code == 200
    assert [(step["type"], step["offset"]) for step in response.json()["data"]] == [
        ("payment.created", None),
        ("payment.processing", None),
        ("payment.success", None),
    ]
