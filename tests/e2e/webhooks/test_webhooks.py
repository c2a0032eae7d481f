"""A merchant's whole experience of webhooks, over HTTP: signed events, retries, the dead-letter topic, replays."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import orjson
import pytest
import redis.asyncio as redis
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from agents.webhooks.lanes import SHARE
from domain.signature import hex_signature
from tests.e2e.webhooks.conftest import Merchant
from tests.support.eventually import eventually
from tests.support.receiver import Received
from tests.support.shop import Shop
from tests.support.stack import Stack
from topics.catalogue import WEBHOOKS_DLQ
from topics.reader import Start, log_reader

BOTH = ["payment.created", "payment.success"]


async def test_events_arrive_signed_in_order_and_as_they_are_stored(merchant: Merchant) -> None:
    endpoint = await merchant.endpoint(events=BOTH)
    payment_id = await merchant.shop.pay()

    await eventually(lambda: merchant.receiver.events() == BOTH)
    for received in merchant.receiver.received:
        assert Webhook(endpoint["secret"]).verify(received.body, dict(received.headers)) == received.json
        assert received.headers["X-Signature"] == hex_signature(endpoint["secret"], received.body)
        assert received.headers["X-Webhook-Signature"] == received.headers["X-Signature"]
        assert received.json["data"]["payment"]["id"] == payment_id
    logs = await eventually(lambda: _ended(merchant))
    assert [log["event"] for log in reversed(logs)] == BOTH
    detail = await merchant.call("GET", f"/webhooks/{logs[0]['id']}")
    assert detail["raw_body"].encode() == merchant.receiver.received[1].body
    assert detail["attempts_log"][0]["response_code"] == 200


async def test_a_merchant_fails_sees_the_retries_finds_the_dead_letter_and_sends_it_again(
    merchant: Merchant, webhook_stack: Stack
) -> None:
    endpoint = await merchant.endpoint()
    merchant.receiver.responses["/hook"] = [500]
    await merchant.shop.pay()

    (dead,) = await eventually(lambda: merchant.logs(status="failed"), timeout=20)
    assert dead["attempts"] == 3 and dead["response_code"] == 500
    attempts = (await merchant.call("GET", f"/webhooks/{dead['id']}"))["attempts_log"]
    assert [attempt["attempt"] for attempt in attempts] == [1, 2, 3]
    assert [attempt["next_retry_at"] is None for attempt in attempts] == [False, False, True]
    letter = await _dead_letter(webhook_stack, dead["id"])
    assert letter["body"]["reason"] == "attempts_exhausted"
    assert "HTTP 500" in letter["body"]["error"]

    merchant.receiver.responses["/hook"] = [200]
    scheduled = await merchant.call("POST", f"/webhooks/{dead['id']}/retry")
    assert scheduled == {"id": dead["id"], "status": "pending", "message": "Webhook retry scheduled"}
    (delivered,) = await eventually(lambda: merchant.logs(status="success"))
    assert delivered["id"] == dead["id"] and delivered["attempts"] == 4
    received = merchant.receiver.received
    assert [one.headers["webhook-attempt"] for one in received] == ["1", "2", "3", "4"]
    assert len({one.event_id for one in received}) == len({one.body for one in received}) == 1
    assert len({one.headers["X-Signature"] for one in received}) == 1
    Webhook(endpoint["secret"]).verify(received[3].body, dict(received[3].headers))


async def test_a_later_event_of_a_payment_waits_for_the_earlier_one_and_other_payments_do_not(
    merchant: Merchant,
) -> None:
    await merchant.endpoint(events=BOTH)
    met: list[str] = []

    def refuse_the_first_payment(one: Received) -> int | None:
        met.append(one.json["data"]["payment"]["id"])
        return 500 if met[-1] == met[0] else None

    merchant.receiver.decide = refuse_the_first_payment
    payments = await merchant.shop.pay_many(2)
    await eventually(lambda: len(met))
    first = met[0]
    (second,) = set(payments) - {first}

    await eventually(lambda: _count(merchant, 2, payment_id=first, status="failed"), timeout=30)
    assert _events_of(merchant, second) == BOTH
    assert _events_of(merchant, first) == ["payment.created"] * 3 + ["payment.success"] * 3
    order = [(one.json["data"]["payment"]["id"], one.headers["webhook-attempt"]) for one in merchant.receiver.received]
    assert order.index((second, "1")) < order.index((first, "3"))


def _events_of(merchant: Merchant, payment_id: str) -> list[str]:
    return [one.json["event"] for one in merchant.receiver.received if one.json["data"]["payment"]["id"] == payment_id]


async def test_an_endpoint_without_ordering_gets_later_events_at_once(merchant: Merchant) -> None:
    await merchant.endpoint(events=BOTH, ordering="none")
    merchant.receiver.responses["/hook"] = [500, 200]
    await merchant.shop.pay()
    await eventually(lambda: merchant.receiver.events() == ["payment.created", "payment.success", "payment.created"])


async def test_410_switches_the_endpoint_off_and_on_again_nothing_is_lost(merchant: Merchant) -> None:
    endpoint = await merchant.endpoint(events=BOTH)
    merchant.receiver.responses["/hook"] = [410]
    first = await merchant.shop.pay()
    await eventually(lambda: _is_off(merchant, endpoint["id"], "gone"))
    second = await merchant.shop.pay()
    await eventually(lambda: _count(merchant, 4, status="held"))
    assert len(merchant.receiver.received) == 1

    merchant.receiver.responses["/hook"] = [200]
    await merchant.call("PATCH", f"/webhook-endpoints/{endpoint['id']}", {"active": True})
    await eventually(lambda: _count(merchant, 4, status="success"))
    assert _events_of(merchant, first) == ["payment.created", *BOTH]
    assert _events_of(merchant, second) == BOTH


async def test_an_endpoint_that_fails_for_a_day_is_switched_off(merchant: Merchant) -> None:
    endpoint = await merchant.endpoint()
    merchant.receiver.responses["/hook"] = [500]
    await merchant.shop.pool.execute(
        "UPDATE webhooks SET failures_in_a_row = 30, failing_since = now() - interval '25 hours' WHERE id = $1",
        endpoint["id"],
    )
    await merchant.shop.pay()
    await eventually(lambda: _is_off(merchant, endpoint["id"], "failing"))
    await eventually(lambda: _count(merchant, 1, status="held"), timeout=15)


async def test_an_endpoint_that_hangs_fills_its_own_share_only(merchant: Merchant) -> None:
    await merchant.endpoint("/slow")
    merchant.receiver.hang("/slow")
    await merchant.shop.pay_many(100)
    await eventually(lambda: len(merchant.receiver.at("/slow")) >= SHARE, timeout=30)
    quick = await merchant.endpoint("/quick")
    payments = await merchant.shop.pay_many(20)

    await eventually(lambda: _delivered_to(merchant, quick["id"], payments), timeout=30)
    waits = await merchant.shop.pool.fetch(
        "SELECT extract(epoch FROM min(made.at) - log.created_at) AS seconds FROM webhook_logs log "
        "JOIN webhook_attempts made ON made.log_id = log.id WHERE log.endpoint_id = $1 GROUP BY log.id",
        quick["id"],
    )
    assert max(row["seconds"] for row in waits) < 4, "nobody waits for the time-outs of a stranger"
    merchant.receiver.hanging.clear()
    merchant.receiver.released.set()
    await eventually(lambda: _all_decided(merchant.shop), timeout=40)


async def _delivered_to(merchant: Merchant, endpoint_id: str, payments: list[str]) -> bool:
    delivered = await merchant.shop.logs(endpoint_id=endpoint_id, status="success")
    return not set(payments) - {row["payment_id"] for row in delivered}


async def test_replay_sends_a_span_again_even_from_before_the_endpoint(merchant: Merchant) -> None:
    payments = await merchant.shop.pay_many(5)
    await eventually(lambda: _outcomes(merchant, 5))
    endpoint = await merchant.endpoint(events=BOTH)
    path = f"/webhook-endpoints/{endpoint['id']}/replay"

    counted = await merchant.call("POST", path, {"from": "2020-01-01T00:00:00Z", "dry_run": True})
    assert counted == {"matching": 10, "job_id": None}
    assert merchant.receiver.received == []
    job = await merchant.call("POST", path, {"from": "2020-01-01T00:00:00Z"})
    await eventually(lambda: len(merchant.receiver.received) == 10)
    assert {one.headers["webhook-replay"] for one in merchant.receiver.received} == {"true"}
    for payment_id in payments:
        of_payment = [one for one in merchant.receiver.received if one.json["data"]["payment"]["id"] == payment_id]
        assert [one.json["event"] for one in of_payment] == BOTH
    await eventually(lambda: _job_is_done(merchant, job["job_id"], done=10))

    await merchant.call("POST", path, {"from": "2020-01-01T00:00:00Z"})
    await eventually(lambda: len(merchant.receiver.received) == 20)
    assert len({one.event_id for one in merchant.receiver.received}) == 10


async def test_bulk_retry_sends_what_failed(merchant: Merchant) -> None:
    await merchant.endpoint(ordering="none")
    merchant.receiver.responses["/hook"] = [500]
    await merchant.shop.pay_many(3)
    await eventually(lambda: _count(merchant, 3, status="failed"), timeout=20)
    merchant.receiver.responses["/hook"] = [200]
    assert (await merchant.call("POST", "/webhooks/retry", {"dry_run": True}))["matching"] == 3
    await merchant.call("POST", "/webhooks/retry", {"filter": {"event": "payment.success"}})
    await eventually(lambda: _count(merchant, 3, status="success"))


async def test_after_a_rotation_both_secrets_verify_and_neither_is_stored_in_clear(merchant: Merchant) -> None:
    endpoint = await merchant.endpoint()
    rotated = await merchant.call("POST", f"/webhook-endpoints/{endpoint['id']}/rotate-secret")
    await merchant.call("POST", f"/webhook-endpoints/{endpoint['id']}/test")

    await eventually(lambda: merchant.receiver.events() == ["webhook.test"])
    received = merchant.receiver.received[0]
    for secret in (endpoint["secret"], rotated["secret"]):
        Webhook(secret).verify(received.body, dict(received.headers))
        assert secret not in orjson.dumps(await merchant.call("GET", "/webhook-endpoints")).decode()
        (row,) = await merchant.shop.pool.fetch("SELECT * FROM webhooks WHERE id = $1", endpoint["id"])
        assert secret not in str(row) and base64.b64decode(secret.removeprefix("whsec_")) not in row["secret_sealed"]


async def test_two_rotations_in_a_row_leave_all_three_secrets_valid_and_expire_previous_ends_them(
    merchant: Merchant,
) -> None:
    endpoint = await merchant.endpoint()
    path = f"/webhook-endpoints/{endpoint['id']}"
    secrets = [endpoint["secret"]]
    own = "whsec_" + base64.b64encode(bytes(range(32))).decode()
    secrets.append((await merchant.call("POST", f"{path}/rotate-secret"))["secret"])
    secrets.append((await merchant.call("POST", f"{path}/rotate-secret", {"secret": own}))["secret"])
    assert secrets[2] == own
    await merchant.call("POST", f"{path}/test")
    await eventually(lambda: len(merchant.receiver.received) == 1)
    for secret in secrets:
        _verify(secret, merchant.receiver.received[0])

    alone = await merchant.call("POST", f"{path}/rotate-secret", {"expire_previous": True})
    assert alone["previous_secret_expires_at"] is None
    await merchant.call("POST", f"{path}/test")
    await eventually(lambda: len(merchant.receiver.received) == 2)
    _verify(alone["secret"], merchant.receiver.received[1])
    for secret in secrets:
        with pytest.raises(WebhookVerificationError):
            _verify(secret, merchant.receiver.received[1])


def _verify(secret: str, received: Received) -> None:
    Webhook(secret).verify(received.body, dict(received.headers))


async def test_an_endpoint_may_have_its_own_secret_and_headers_which_are_never_shown(merchant: Merchant) -> None:
    own = "whsec_" + base64.b64encode(bytes(32)).decode()
    headers = {"Authorization": "Bearer t0ken-of-the-shop", "X-Shop": "one"}
    endpoint = await merchant.endpoint(secret=own, headers=headers)
    assert endpoint["secret"] == own and endpoint["header_names"] == ["Authorization", "X-Shop"]
    path = f"/webhook-endpoints/{endpoint['id']}"
    test = await merchant.call("POST", f"{path}/test")
    await eventually(lambda: len(merchant.receiver.received) == 1)
    received = merchant.receiver.received[0]
    _verify(own, received)
    assert received.headers["Authorization"] == "Bearer t0ken-of-the-shop"

    (row,) = await merchant.shop.pool.fetch("SELECT * FROM webhooks WHERE id = $1", endpoint["id"])
    await eventually(lambda: _count(merchant, 1, status="success"))
    detail = await merchant.call("GET", f"/webhooks/{test['id']}")
    assert detail["attempts_log"][0]["request_headers"]["X-Shop"] == "••••"
    attempts = await merchant.shop.attempts(test["id"])
    shown = [await merchant.call("GET", path), detail, str(row), row["headers_sealed"], [dict(one) for one in attempts]]
    assert "t0ken" not in str(shown)

    changed = await merchant.call("PATCH", path, {"headers": {"X-Shop": "two"}})
    assert changed["header_names"] == ["X-Shop"]
    assert (await merchant.call("PATCH", path, {"description": "same headers"}))["header_names"] == ["X-Shop"]
    await merchant.call("POST", f"{path}/test")
    await eventually(lambda: len(merchant.receiver.received) == 2)
    received = merchant.receiver.received[1]
    assert received.headers["X-Shop"] == "two" and "Authorization" not in received.headers
    assert (await merchant.call("PATCH", path, {"headers": None}))["header_names"] == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"secret": "hunter2"}, "secret"),
        ({"headers": {"webhook-id": "evt_forged"}}, "headers"),
        ({"headers": {"X-Shop": "a\r\nHost: elsewhere"}}, "headers"),
        ({"headers": ["X-Shop"]}, "headers"),
        ({"headers": {"X-Shop": 1}}, "headers.X-Shop"),
        ({"signing_secret": "whsec_"}, "signing_secret"),
        ({"enabled": True}, "enabled"),
    ],
)
async def test_what_an_endpoint_does_not_take_is_refused_by_name(
    merchant: Merchant, fields: dict[str, Any], field: str
) -> None:
    body = {"url": merchant.receiver.url(), **fields}
    refused = await merchant.call("POST", "/webhook-endpoints", body, expect=400)
    assert refused["error"]["field"] == field
    assert "hunter2" not in str(refused) and "elsewhere" not in str(refused)
    assert (await merchant.call("GET", "/webhook-endpoints"))["data"] == []


async def test_other_endpoints_and_the_live_feed_learn_of_an_endpoint_that_was_switched_off_and_on(
    merchant: Merchant,
) -> None:
    endpoint = await merchant.endpoint(description="the shop")
    await merchant.endpoint("/watch", events=["endpoint.disabled", "endpoint.recovered"])
    await merchant.endpoint("/other", events=["payment.success"])
    merchant.receiver.responses["/hook"] = [410]
    feed = f"{merchant.client.base_url}/api/v1/merchants/me/stream"
    async with open_feed(feed, merchant.headers) as changes:
        await merchant.shop.pay()
        await eventually(lambda: merchant.receiver.events("/watch") == ["endpoint.disabled"], timeout=20)
        merchant.receiver.responses["/hook"] = [200]  # else the released delivery switches it off again at once
        await merchant.call("PATCH", f"/webhook-endpoints/{endpoint['id']}", {"active": True})
        await eventually(lambda: merchant.receiver.events("/watch") == BOTH_SWITCHES, timeout=20)
        await eventually(lambda: switches_in(changes) == BOTH_SWITCHES, timeout=20)
    (received, again) = (one.json["data"]["endpoint"] for one in merchant.receiver.at("/watch"))
    assert (received["id"], received["active"], received["disabled_reason"]) == (endpoint["id"], False, "gone")
    assert (again["id"], again["active"], again["description"]) == (endpoint["id"], True, "the shop")
    assert "endpoint.disabled" not in merchant.receiver.events("/other") + merchant.receiver.events("/hook")
    async with open_feed(feed, merchant.headers) as changes:
        await eventually(lambda: "endpoint.recovered" in switches_in(changes), timeout=20)


BOTH_SWITCHES = ["endpoint.disabled", "endpoint.recovered"]


def switches_in(changes: list[dict[str, Any]]) -> list[str]:
    """Types of the endpoint events among what the feed sent, in order."""
    return [change["type"] for change in changes if change["type"].startswith("endpoint.")]


@contextlib.asynccontextmanager
async def open_feed(url: str, headers: dict[str, str]) -> AsyncIterator[list[dict[str, Any]]]:
    """The merchant's live feed; the list grows as frames come."""
    changes: list[dict[str, Any]] = []

    async def read(response: httpx.Response) -> None:
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                changes.append(orjson.loads(line.removeprefix("data: ")))

    async with httpx.AsyncClient(timeout=30) as client, client.stream("GET", url, headers=headers) as response:
        assert response.status_code == 200
        reading = asyncio.create_task(read(response))
        try:
            yield changes
        finally:
            reading.cancel()


async def test_the_log_shows_the_responses_headers(merchant: Merchant) -> None:
    endpoint = await merchant.endpoint()
    merchant.receiver.responses["/hook"] = [web.Response(status=202, headers={"X-Trace": "abc"})]
    test = await merchant.call("POST", f"/webhook-endpoints/{endpoint['id']}/test")
    await eventually(lambda: _count(merchant, 1, status="success"))
    (attempt,) = (await merchant.call("GET", f"/webhooks/{test['id']}"))["attempts_log"]
    assert attempt["response_headers"]["X-Trace"] == "abc"


async def test_the_one_endpoint_form_does_the_same(merchant: Merchant) -> None:
    assert (await merchant.call("GET", "/webhooks/config"))["webhook_url"] is None
    await merchant.call("POST", "/webhooks/test", expect=400)
    config = await merchant.call("PUT", "/webhooks/config", {"webhook_url": merchant.receiver.url()})
    await merchant.shop.pay()
    await eventually(lambda: merchant.receiver.events() == ["payment.success"])
    received = merchant.receiver.received[0]
    assert received.headers["X-Webhook-Signature"] == hex_signature(config["webhook_secret"], received.body)
    again = await merchant.call("PUT", "/webhooks/config", {"webhook_url": merchant.receiver.url("/new")})
    assert again["webhook_secret"] is None and again["endpoint_id"] == config["endpoint_id"]
    new = await merchant.call("POST", "/webhooks/regenerate-secret")
    assert new["webhook_secret"] not in (None, config["webhook_secret"])
    assert (await merchant.call("PUT", "/webhooks/config", {"webhook_url": None}))["webhook_url"] is None


async def test_another_merchants_deliveries_do_not_exist(merchant: Merchant, webhook_stack: Stack) -> None:
    endpoint = await merchant.endpoint()
    await merchant.shop.pay()
    (log,) = await eventually(merchant.logs)
    foreign = {"X-Api-Key": "key_test_abc123", "X-Api-Secret": "secret_test_xyz789"}
    places = [
        ("GET", f"/webhooks/{log['id']}"),
        ("POST", f"/webhooks/{log['id']}/retry"),
        ("POST", "/webhook-logs/not-a-uuid/retry"),
        ("GET", f"/webhook-endpoints/{endpoint['id']}"),
        ("PATCH", f"/webhook-endpoints/{endpoint['id']}"),
        ("DELETE", f"/webhook-endpoints/{endpoint['id']}"),
        ("POST", f"/webhook-endpoints/{endpoint['id']}/rotate-secret"),
        ("POST", f"/webhook-endpoints/{endpoint['id']}/test"),
    ]
    async with httpx.AsyncClient(base_url=f"{webhook_stack.api_url}/api/v1", headers=foreign) as other:
        for method, path in places:
            response = await other.request(method, path, json={"active": False} if method == "PATCH" else None)
            assert response.status_code == 404, f"{method} {path}: {response.text}"
    assert (await merchant.call("GET", f"/webhook-endpoints/{endpoint['id']}"))["active"]


async def test_a_deleted_endpoint_gets_nothing_more_and_its_deliveries_end_as_dead(
    merchant: Merchant, webhook_stack: Stack
) -> None:
    endpoint = await merchant.endpoint(active=False)
    await merchant.shop.pay()
    (held,) = await eventually(lambda: merchant.logs(status="held"))
    await merchant.call("DELETE", f"/webhook-endpoints/{endpoint['id']}", expect=204)
    await eventually(lambda: _count(merchant, 1, status="failed"))
    assert (await _dead_letter(webhook_stack, held["id"]))["body"]["reason"] == "endpoint_deleted"
    assert merchant.receiver.received == []


async def test_a_delivery_that_the_log_lost_is_found(merchant: Merchant) -> None:
    endpoint = await merchant.endpoint(active=False)
    await merchant.shop.pay()
    await eventually(lambda: _count(merchant, 1, status="held"))
    # As if the record had never been written: the row says that its attempt was due a minute ago.
    await merchant.shop.pool.execute(
        "WITH row AS (UPDATE webhooks SET active = true, disabled_reason = NULL WHERE id = $1 RETURNING id) "
        "UPDATE webhook_logs SET status = 'pending', next_retry_at = now() - interval '1 minute' "
        "WHERE endpoint_id = (SELECT id FROM row)",
        endpoint["id"],
    )
    await eventually(lambda: merchant.receiver.events() == ["payment.success"], timeout=60)


async def test_the_counters_are_right_after_redis_was_flushed(merchant: Merchant, webhook_stack: Stack) -> None:
    await merchant.endpoint(events=BOTH)
    await merchant.shop.pay()
    await eventually(lambda: _ended(merchant, 2))
    client = redis.Redis.from_url(webhook_stack.redis_url, decode_responses=True)
    async with client:
        await client.flushall()
        await eventually(lambda: _counters_equal_the_table(client, merchant.shop.pool))


async def _ended(merchant: Merchant, count: int = 2) -> list[dict[str, Any]]:
    logs = await merchant.logs()
    return logs if len(logs) == count and all(log["status"] in ("success", "failed") for log in logs) else []


async def _count(merchant: Merchant, count: int, **filters: Any) -> bool:
    return len(await merchant.logs(**filters)) == count


async def _is_off(merchant: Merchant, endpoint_id: str, reason: str) -> bool:
    endpoint = await merchant.call("GET", f"/webhook-endpoints/{endpoint_id}")
    return (endpoint["active"], endpoint["disabled_reason"]) == (False, reason)


async def _outcomes(merchant: Merchant, count: int) -> bool:
    query = "SELECT count(*) FROM payments WHERE merchant_id = $1 AND status = 'SUCCESS'"
    return bool(await merchant.shop.pool.fetchval(query, merchant.shop.merchant_id) == count)


async def _all_decided(shop: Shop) -> bool:
    query = "SELECT count(*) FROM webhook_logs WHERE merchant_id = $1 AND status IN ('pending', 'held')"
    return bool(await shop.pool.fetchval(query, shop.merchant_id) == 0)


async def _job_is_done(merchant: Merchant, job_id: str, *, done: int) -> bool:
    job = await merchant.call("GET", f"/webhook-jobs/{job_id}")
    return (job["state"], job["done"]) == ("done", done)


async def _counters_equal_the_table(client: redis.Redis, pool: asyncpg.Pool) -> bool:
    counters = await client.hgetall("jobs:webhooks")  # type: ignore[misc]  # redis types both of its clients
    row = await pool.fetchrow(
        "SELECT count(*) FILTER (WHERE status = 'success'), count(*) FILTER (WHERE status = 'failed'), "
        "sum(attempts) FROM webhook_logs"
    )
    assert row is not None
    return [int(counters.get(name, -1)) for name in ("delivered", "failed", "attempts")] == [
        int(value) for value in row
    ]


async def _dead_letter(stack: Stack, log_id: str) -> dict[str, Any]:
    """The letter about this delivery, read from the dead-letter topic; other tests may have damaged batches there."""

    async def find() -> dict[str, Any] | None:
        async with log_reader(stack.settings) as reader:
            spans = await reader.spans(await reader.partitions([WEBHOOKS_DLQ]), Start())
            async for record in reader.merged(spans):
                letter = _readable(record.value)
                if _log_id_of(letter) == log_id:
                    return letter
        return None

    found = await eventually(find)
    assert found is not None
    return found


def _readable(value: bytes | None) -> dict[str, Any]:
    """A letter; empty for what other tests wrote to the topic and nobody can read."""
    try:
        letter = orjson.loads(value or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return letter if isinstance(letter, dict) else {}


def _log_id_of(letter: dict[str, Any]) -> str | None:
    """Whose delivery a letter is about; None for the letters that other tests caused with unreadable records."""
    try:
        found: str = orjson.loads(letter["body"]["value"])["body"]["log_id"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return found
