"""Delivery rows under repetition and under races: planned once, recorded once, released once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import orjson
import pytest

from agents.webhooks.preparation import prepare
from domain.delivery import (
    PREVIOUS_SECRETS_MAX,
    ROTATION_OVERLAP,
    DeliveryStatus,
    Due,
    HttpResponse,
    Prepared,
    Sent,
    log_id,
)
from domain.event_kind import EVENTS_OFF_THE_LOG, ORDER_EVENTS
from domain.ids import ORDER, PAYMENT
from domain.signature import Secrets
from runtime.clock import make_id, now
from runtime.secrets import Sealed, seal
from store.webhooks.attempt_batch import Made, load_deliveries, record, release_after
from store.webhooks.deliveries import attempts_of
from store.webhooks.endpoint_events import switches_since
from store.webhooks.endpoints import Endpoint, TooManySecretsError, rotate_secret
from store.webhooks.plan import LOCK_KNOWN, Draft, Reopened, plan_deliveries, replay_deliveries
from store.webhooks.pool import make_webhook_pool
from store.webhooks.upkeep import find_lost
from tests.support.shop import Shop, open_shop
from tests.support.stack import Stack, running_stack
from tests.support.witness import somebody

RACES = 40
WITHOUT_PAYMENT = (*ORDER_EVENTS, *EVENTS_OFF_THE_LOG)
MANY_LOGS = """
INSERT INTO webhook_logs (id, merchant_id, endpoint_id, event_id, event, order_id, payment_id, sequence, body, status)
SELECT gen_random_uuid(), 'mrc_1', 'we_' || number % 10, 'evt_' || number, 'payment.success', 'order_' || number,
       CASE WHEN number % 5 > 0 THEN 'pay_' || number END, 1, '{}', 'success'
  FROM generate_series(1, 50000) AS number
"""


@pytest.fixture
async def shop(services: Stack) -> AsyncIterator[Shop]:
    async with open_shop(services.settings) as shop:
        yield shop


async def test_an_event_read_again_makes_no_second_row(shop: Shop) -> None:
    first, second = await _drafts(shop)
    assert [due.log_id for due in await plan_deliveries(shop.pool, [first, second], now())] == [first.id]
    again = await plan_deliveries(shop.pool, [first, second], now())
    assert [due.log_id for due in again] == [first.id], "its record may never have been written"
    assert [row["status"] for row in await shop.logs()] == ["pending", "held"]

    await record(shop.pool, [_made(first, 500, DeliveryStatus.PENDING)], [], now())
    assert await plan_deliveries(shop.pool, [first, second], now()) == [], "the retry tier has it"


async def test_an_attempt_is_recorded_once_and_its_repeat_still_finds_what_it_released(shop: Shop) -> None:
    first, second = await _drafts(shop)
    await plan_deliveries(shop.pool, [first, second], now())
    made = _made(first, 200, DeliveryStatus.SUCCESS)

    once = await record(shop.pool, [made], [], now())
    twice = await record(shop.pool, [made], [], now())
    assert (once.counted, twice.counted) == (1, 0)
    assert [due.log_id for due in once.released] == [due.log_id for due in twice.released] == [second.id]
    loaded = await load_deliveries(shop.pool, [first.id])
    assert [due.log_id for due in await release_after(shop.pool, list(loaded.values()), now())] == [second.id]
    assert [row["attempt"] for row in await shop.attempts(first.id)] == [1]


async def test_the_end_of_a_delivery_and_the_planning_of_the_next_never_miss_each_other(shop: Shop) -> None:
    for _ in range(RACES):
        first, second = await _drafts(shop)
        await plan_deliveries(shop.pool, [first], now())
        recorded, planned = await asyncio.gather(
            record(shop.pool, [_made(first, 200, DeliveryStatus.SUCCESS)], [], now()),
            plan_deliveries(shop.pool, [second], now()),
        )
        assert [due.log_id for due in (*recorded.released, *planned)] == [second.id]


async def test_a_replay_opens_what_ended_once_for_each_job(shop: Shop) -> None:
    first, second = await _drafts(shop)
    await plan_deliveries(shop.pool, [first, second], now())
    await record(shop.pool, [_made(first, 200, DeliveryStatus.SUCCESS)], [], now())
    await record(shop.pool, [_made(second, 200, DeliveryStatus.SUCCESS)], [], now())

    opened = await replay_deliveries(shop.pool, [first, second], now(), job_id="job_1")
    assert opened == Reopened([Due(first.id, first.endpoint_id, first.order_id, 2)], 2)
    assert await replay_deliveries(shop.pool, [first, second], now(), job_id="job_1") == opened, "may not be written"
    assert await replay_deliveries(shop.pool, [first, second], now(), job_id="job_0") == Reopened([], 0), "on the way"
    await record(shop.pool, [_made(first, 200, DeliveryStatus.SUCCESS, attempt=2)], [], now())
    await record(shop.pool, [_made(second, 200, DeliveryStatus.SUCCESS, attempt=2)], [], now())
    assert await replay_deliveries(shop.pool, [first, second], now(), job_id="job_1") == Reopened([], 2)
    assert len((await replay_deliveries(shop.pool, [first, second], now(), job_id="job_2")).dues) == 1


@pytest.mark.parametrize("event", WITHOUT_PAYMENT)
async def test_a_replay_opens_deliveries_without_a_payment_as_well(shop: Shop, event: str) -> None:
    draft, other = [_without_payment(one, event) for one in await _drafts(shop)]
    assert len(await plan_deliveries(shop.pool, [draft, other], now())) == 2
    assert len(await plan_deliveries(shop.pool, [draft, other], now())) == 2, (
        "their records may never have been written"
    )
    for one in (draft, other):
        await record(shop.pool, [_made(one, 500, DeliveryStatus.FAILED)], [], now())

    opened = await replay_deliveries(shop.pool, [draft], now(), job_id="job_1")
    assert opened == Reopened([Due(draft.id, draft.endpoint_id, draft.order_id, 2)], 1)
    assert {row["id"]: row["status"] for row in await shop.logs()} == {draft.id: "pending", other.id: "failed"}
    await record(shop.pool, [_made(draft, 200, DeliveryStatus.SUCCESS, attempt=2)], [], now())
    assert await replay_deliveries(shop.pool, [draft], now(), job_id="job_1") == Reopened([], 1), "once for each job"


async def test_planning_reads_rows_by_their_indexes() -> None:
    with running_stack(roles=()) as stack:
        pool = await make_webhook_pool(stack.settings, size=1)
        async with pool.acquire() as connection:
            plans = await _plans_of_known(connection)
            await connection.execute(MANY_LOGS)
            await connection.execute("ANALYZE webhook_logs")
            plans += await _plans_of_known(connection)
        await pool.close()
    for plan in plans:
        assert "webhook_logs_payment" in plan and "webhook_logs_pkey" in plan and "Seq Scan" not in plan, plan


async def _plans_of_known(connection: Any) -> list[str]:
    plans = []
    for mode in ("force_custom_plan", "force_generic_plan"):
        await connection.execute(f"SET plan_cache_mode = {mode}")
        await connection.execute(f"PREPARE known AS {LOCK_KNOWN}")
        rows = await connection.fetch(
            "EXPLAIN EXECUTE known(ARRAY['pay_1', 'pay_2'], ARRAY['we_1', 'we_2'],"
            " ARRAY['00000000-0000-8000-8000-000000000000'::uuid])"
        )
        await connection.execute("DEALLOCATE known")
        plans.append("\n".join(row[0] for row in rows))
    return plans


async def test_an_endpoint_that_is_off_gets_held_rows(shop: Shop) -> None:
    first, _ = await _drafts(shop)
    assert await plan_deliveries(shop.pool, [replace(first, active=False)], now()) == []
    assert [row["status"] for row in await shop.logs()] == ["held"]


async def test_the_net_for_lost_records_leaves_the_due_time_alone(shop: Shop) -> None:
    first, _ = await _drafts(shop)
    due_at = now() - timedelta(minutes=5)
    await plan_deliveries(shop.pool, [first], due_at)

    found = await _lost(shop, first)
    again = await _lost(shop, first)
    assert (found, again) == (1, 0), "published once, then not again for a while"
    ((kept_at,),) = [(row["next_retry_at"],) for row in await shop.logs()]
    assert kept_at == due_at, "verify and stuck go by it"
    await shop.pool.execute("UPDATE webhook_logs SET republished_at = $2 WHERE id = $1", first.id, due_at)
    assert await _lost(shop, first) == 1, "its record may have been lost once more"


async def _lost(shop: Shop, draft: Draft) -> int:
    """How often the net finds this delivery now; other tests' rows are found as well."""
    at = now()
    found = await find_lost(shop.pool, at, overdue_since=at - timedelta(seconds=30), limit=10_000)
    return sum(due.log_id == draft.id for due in found)


async def test_every_response_is_recorded(shop: Shop) -> None:
    first, _ = await _drafts(shop)
    await plan_deliveries(shop.pool, [first], now())
    made = _made(first, 503, DeliveryStatus.PENDING)
    headers = (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Odd", "\ufffd ₹"))
    response = HttpResponse(503, "\ufffd", 1e9, headers)
    await record(shop.pool, [replace(made, sent=replace(made.sent, response=response, error="broke off"))], [], now())
    (attempt,) = await attempts_of(shop.pool, first.id)
    assert orjson.loads(attempt.response_headers or "") == {"Set-Cookie": "a=1, b=2", "X-Odd": "\ufffd ₹"}
    assert (attempt.response_code, attempt.error) == (503, "broke off")


async def test_each_secret_signs_until_its_own_end_however_often_it_was_rotated(shop: Shop) -> None:
    endpoint, begin = await shop.endpoint("http://127.0.0.1:9/hook"), now()
    for hours in (0, 1, 2):
        await _rotate(shop, endpoint.id, f"secret {hours + 1}", begin + timedelta(hours=hours))
    signing = [await _signing(shop, endpoint.id, begin + timedelta(hours=hours)) for hours in (3, 24.5, 25.5, 26.5)]
    assert signing == [
        ("secret 3", ("secret 2", "secret 1", endpoint.secret)),
        ("secret 3", ("secret 2", "secret 1")),
        ("secret 3", ("secret 2",)),
        ("secret 3", ()),
    ]


async def test_rotations_at_the_same_time_forget_no_secret(shop: Shop) -> None:
    endpoint, at = await shop.endpoint("http://127.0.0.1:9/hook"), now()
    names = [f"secret {number}" for number in range(PREVIOUS_SECRETS_MAX)]
    await asyncio.gather(*[_rotate(shop, endpoint.id, name, at) for name in names])
    current, previous = await _signing(shop, endpoint.id, at)
    assert {current, *previous} == {endpoint.secret, *names}


async def test_one_rotation_too_many_is_refused_and_an_overlap_can_be_ended_at_once(shop: Shop) -> None:
    endpoint, at = await shop.endpoint("http://127.0.0.1:9/hook"), now()
    for number in range(PREVIOUS_SECRETS_MAX):
        await _rotate(shop, endpoint.id, f"secret {number}", at)
    with pytest.raises(TooManySecretsError):
        await _rotate(shop, endpoint.id, "one too many", at)
    assert (await _signing(shop, endpoint.id, at))[0] == f"secret {PREVIOUS_SECRETS_MAX - 1}"

    ended = await _rotate(shop, endpoint.id, "alone", at, expire_previous=True)
    assert ended is not None and ended.previous_expires_at is None
    assert await _signing(shop, endpoint.id, at) == ("alone", ())
    await _rotate(shop, endpoint.id, "next", at)
    later = await _rotate(shop, endpoint.id, "a day later", at + ROTATION_OVERLAP)
    assert later is not None and len((await _sealed(shop, endpoint.id))["previous_secrets_sealed"]) == 1


async def _rotate(
    shop: Shop, endpoint_id: str, secret: str, at: datetime, *, expire_previous: bool = False
) -> Endpoint | None:
    return await rotate_secret(
        shop.pool,
        shop.merchant_id,
        endpoint_id,
        secret_sealed=seal(secret, shop.settings.keys, Sealed.WEBHOOK_SECRET, endpoint_id),
        secret_hint="…",
        expire_previous=expire_previous,
        at=at,
        witness=somebody(shop.settings, shop.merchant_id),
    )


async def _sealed(shop: Shop, endpoint_id: str) -> asyncpg.Record:
    row = await shop.pool.fetchrow("SELECT * FROM webhooks WHERE id = $1", endpoint_id)
    assert row is not None
    return row


async def _signing(shop: Shop, endpoint_id: str, at: datetime) -> tuple[str, tuple[str, ...]]:
    """What the dispatcher would sign with at that instant."""
    drafts = await _drafts(shop, endpoint_id)
    await plan_deliveries(shop.pool, [drafts[0]], now())
    row = (await load_deliveries(shop.pool, [drafts[0].id]))[drafts[0].id]
    due = Due(row.id, row.endpoint_id, row.order_id, 1)
    prepared = prepare(due, row, ring=shop.settings.keys, at=at)
    assert isinstance(prepared, Prepared)
    return prepared.secrets.current, prepared.secrets.previous


@pytest.mark.parametrize("events", [["endpoint.disabled"], ["payment.success"]])
async def test_other_subscribed_endpoints_are_notified_of_a_disabled_endpoint(shop: Shop, events: list[str]) -> None:
    first, _ = await _drafts(shop)
    listening = await shop.endpoint("http://127.0.0.1:9/listening", events=events)
    await plan_deliveries(shop.pool, [first], now())
    gone = replace(_made(first, 410, DeliveryStatus.HELD), gone=True)

    once = await record(shop.pool, [gone], [], now())
    twice = await record(shop.pool, [gone], [], now())
    assert [switch.type for switch in once.switches] == ["endpoint.disabled"] and twice.switches == ()
    rows = await shop.logs(endpoint_id=listening.id)
    expected = "endpoint.disabled" in events
    assert [row["event"] for row in rows] == ["endpoint.disabled"] * expected
    assert [due.log_id for due in once.released] == [row["id"] for row in rows]
    for row in rows:
        received = orjson.loads(row["body"])["data"]["endpoint"]
        assert (received["id"], received["active"], received["disabled_reason"]) == (first.endpoint_id, False, "gone")


async def test_other_endpoints_are_notified_once_of_an_enabled_endpoint(shop: Shop) -> None:
    endpoint = await shop.endpoint("http://127.0.0.1:9/hook?token=s3cret", active=False)
    listening = await shop.endpoint("http://127.0.0.1:9/listening", events=["endpoint.recovered"])
    for _ in range(2):
        await shop.switch(endpoint.id, active=True)
    (row,) = await shop.logs(endpoint_id=listening.id)
    assert row["event"] == "endpoint.recovered"
    assert b"s3cret" not in row["body"], "another endpoint does not learn the token"
    assert len(await switches_since(shop.pool, shop.merchant_id, now() - timedelta(minutes=1))) == 1


async def test_the_live_feed_learns_both_of_two_quick_switches(shop: Shop) -> None:
    endpoint = await shop.endpoint("http://127.0.0.1:9/hook")
    for active in (False, True):
        await shop.switch(endpoint.id, active=active)
    switches = [
        orjson.loads(one) for one in await switches_since(shop.pool, shop.merchant_id, now() - timedelta(minutes=1))
    ]
    assert [switch["type"] for switch in switches] == ["endpoint.disabled", "endpoint.recovered"]


async def _drafts(shop: Shop, endpoint_id: str = "") -> tuple[Draft, Draft]:
    """Two events of a new payment for one endpoint."""
    existing = await shop.pool.fetchval("SELECT id FROM webhooks WHERE merchant_id = $1", shop.merchant_id)
    endpoint_id = endpoint_id or existing or (await shop.endpoint("http://127.0.0.1:9/hook")).id
    order_id, payment_id, at = make_id(ORDER), make_id(PAYMENT), now()
    drafts = []
    for sequence, event in ((2, "payment.created"), (4, "payment.success")):
        event_id = f"evt_{order_id[-16:]}_{sequence}"
        drafts.append(
            Draft(
                id=log_id(event_id, endpoint_id, at),
                merchant_id=shop.merchant_id,
                endpoint_id=endpoint_id,
                event_id=event_id,
                event=event,
                order_id=order_id,
                payment_id=payment_id,
                sequence=sequence,
                body=b"{}",
                request_id=None,
                ordered=True,
                active=True,
            )
        )
    return drafts[0], drafts[1]


def _without_payment(draft: Draft, event: str) -> Draft:
    return replace(draft, event=event, payment_id=None, ordered=False)


def _made(draft: Draft, code: int, status: DeliveryStatus, *, attempt: int = 1) -> Made:
    due = Due(draft.id, draft.endpoint_id, draft.order_id, attempt)
    prepared = Prepared(due, draft.event_id, draft.payment_id, "http://127.0.0.1:9/hook", b"{}", Secrets(""), 0, False)
    sent = Sent(prepared, now(), 1, {}, HttpResponse(code, "", None), None)
    return Made(sent, status, now() if status == DeliveryStatus.PENDING else None)
