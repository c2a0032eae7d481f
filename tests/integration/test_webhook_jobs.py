"""Bulk jobs: served in turn, bounded for each merchant, and complete for every kind of event."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from agents.role import Context
from agents.webhooks.bulk import Bulk
from domain.event_kind import EVENTS_OFF_THE_LOG, ORDER_EVENTS
from domain.ids import SEEDED_MERCHANT_ID
from runtime.clock import make_id, now
from store.webhooks.endpoint_events import _draft
from store.webhooks.jobs import (
    JOB,
    REPLAY,
    RETRY,
    Job,
    LogFilter,
    Period,
    advance,
    count_replay,
    count_retry,
    find_any_job,
    open_job,
    open_jobs,
    target_of,
)
from store.webhooks.plan import Target, drafts_of, plan_deliveries
from tests.support.command_client import CommandClient
from tests.support.eventually import eventually
from tests.support.feed import number_everything
from tests.support.shop import Shop, open_shop
from tests.support.stack import Stack
from topics.events import read_any_event
from topics.producer import LogProducer

ENDPOINT_ID = "whe_bbbbbbbbbbbbbbbb"
"""Of the recorded history."""
EVENT = "INSERT INTO events (order_id, sequence, merchant_id, type, at, payload) VALUES ($1, $2, $3, $4, $5, $6)"


@pytest.fixture
async def shops(services: Stack) -> AsyncIterator[tuple[Shop, Shop]]:
    async with open_shop(services.settings) as noisy, open_shop(services.settings) as quiet:
        yield noisy, quiet


async def opened(shop: Shop, open_max: int | None = None) -> Job | None:
    filters = LogFilter(status="failed")
    return await open_job(
        shop.pool,
        job_id=make_id(JOB),
        merchant_id=shop.merchant_id,
        kind=RETRY,
        filters=filters,
        total=1,
        open_max=open_max,
    )


async def served(shop: Shop, merchants: set[str]) -> list[Job]:
    """One round of the forwarder: it serves what other tests left open as well. Returns these merchants' jobs."""
    jobs = await open_jobs(shop.pool)
    for job in jobs:
        await advance(shop.pool, job, state="running", cursor=job.cursor, done=0)
    return [job for job in jobs if job.merchant_id in merchants]


async def test_a_merchant_with_many_jobs_does_not_hold_up_another(shops: tuple[Shop, Shop]) -> None:
    noisy, quiet = shops
    merchants = {noisy.merchant_id, quiet.merchant_id}
    many = {job.id for _ in range(25) if (job := await opened(noisy))}
    one = await opened(quiet)
    assert one is not None
    rounds = [await served(noisy, merchants) for _ in range(25)]
    assert all(one.id in [job.id for job in jobs] for jobs in rounds)
    assert {job.id for jobs in rounds for job in jobs} - {one.id} == many


async def test_a_merchants_open_jobs_are_limited_even_for_concurrent_requests(shops: tuple[Shop, Shop]) -> None:
    noisy, quiet = shops
    made = [job for job in await asyncio.gather(*(opened(noisy, 3) for _ in range(20))) if job]
    assert len(made) == 3
    assert await opened(quiet, 3) is not None
    await advance(noisy.pool, made[0], state="done", cursor=made[0].cursor, done=0)
    assert await opened(noisy, 3) is not None


async def test_a_replay_opens_every_delivery_of_its_period_again(intact: tuple[Stack, CommandClient]) -> None:
    stack, client = intact
    target = await deliver_order_events(client)
    period = Period(ENDPOINT_ID, datetime(2020, 1, 1, tzinfo=UTC), now())
    job = await done(stack, client, REPLAY, period, await count_replay(client.pool, target, period))
    await all_opened(client, job, set(ORDER_EVENTS))


async def test_a_bulk_retry_opens_every_failed_delivery_again(intact: tuple[Stack, CommandClient]) -> None:
    stack, client = intact
    await deliver_order_events(client)
    drafts = [
        _draft(SEEDED_MERCHANT_ID, ENDPOINT_ID, True, f"evt_{kind}_1", kind, b"{}", now())
        for kind in EVENTS_OFF_THE_LOG
    ]
    assert len(await plan_deliveries(client.pool, drafts, now())) == len(EVENTS_OFF_THE_LOG)
    await client.pool.execute("UPDATE webhook_logs SET status = 'failed', next_retry_at = NULL")
    filters = LogFilter(status="failed")
    job = await done(stack, client, RETRY, filters, await count_retry(client.pool, SEEDED_MERCHANT_ID, filters))
    await all_opened(client, job, {*ORDER_EVENTS, *EVENTS_OFF_THE_LOG})


async def test_a_replay_leaves_out_an_event_that_the_endpoints_format_cannot_show(
    intact: tuple[Stack, CommandClient],
) -> None:
    stack, client = intact
    await number_everything(client.pool)
    await client.pool.execute("UPDATE webhooks SET razorpay_events = '{payment.authorized}' WHERE id = $1", ENDPOINT_ID)
    rows = await client.pool.fetch("SELECT * FROM events WHERE type = 'payment.success' ORDER BY order_id, sequence")
    damaged = orjson.loads(rows[0]["payload"])
    del damaged["body"]["payment"]["amount"]
    written = "UPDATE events SET payload = $3 WHERE order_id = $1 AND sequence = $2"
    await client.pool.execute(written, rows[0]["order_id"], rows[0]["sequence"], orjson.dumps(damaged).decode())
    period = Period(ENDPOINT_ID, datetime(2020, 1, 1, tzinfo=UTC), now())
    job = await done(stack, client, REPLAY, period, len(rows))
    assert len(rows) > 1 and (job.state, job.done) == ("done", len(rows) - 1)


async def deliver_order_events(client: CommandClient) -> Target:
    """Give the history one event of each kind about an order, and the endpoint its delivery, which succeeded."""
    target = await target_of(client.pool, SEEDED_MERCHANT_ID, ENDPOINT_ID)
    assert target is not None
    row = await client.pool.fetchrow("SELECT * FROM events WHERE type = 'order.paid' LIMIT 1")
    assert row is not None
    for number, kind in enumerate(ORDER_EVENTS, start=1):
        sequence = row["sequence"] + number
        payload = orjson.loads(row["payload"])
        payload |= {"id": f"evt_{row['order_id'][-16:]}_{sequence}", "type": kind}
        payload["body"] |= {"sequence": sequence, "payment_link": {"id": "plink_1"}}
        text = orjson.dumps(payload).decode()
        await client.pool.execute(EVENT, row["order_id"], sequence, SEEDED_MERCHANT_ID, kind, row["at"], text)
        event = read_any_event(text.encode())
        planned = await plan_deliveries(client.pool, drafts_of(event, [target], body=b"{}"), now())
        assert len(planned) == 1, kind
    await number_everything(client.pool)
    await client.pool.execute("UPDATE webhook_logs SET status = 'success', next_retry_at = NULL")
    return target


async def done(stack: Stack, client: CommandClient, kind: str, filters: Period | LogFilter, total: int) -> Job:
    """The job after the forwarder's work on it."""
    opened = await open_job(
        client.pool, job_id=make_id(JOB), merchant_id=SEEDED_MERCHANT_ID, kind=kind, filters=filters, total=total
    )
    assert opened is not None
    nothing: Any = None
    context = Context(stack.settings, nothing, nothing)
    producer = LogProducer(stack.settings)
    await producer.start()
    working = asyncio.create_task(Bulk(context, client.pool, producer).run())

    async def ended() -> Job | None:
        job = await find_any_job(client.pool, opened.id)
        return job if job is not None and job.state in ("done", "failed") else None

    try:
        job = await eventually(ended, timeout=60)
    finally:
        context.stopping.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(working, 30)
        await producer.stop()
    return job


async def all_opened(client: CommandClient, job: Job, kinds: set[str]) -> None:
    """Every row is open again by this job, and the job's count is the number of rows."""
    rows = await client.pool.fetch("SELECT event, status, job_id FROM webhook_logs")
    assert {row["event"] for row in rows} >= kinds
    assert [row["event"] for row in rows if row["status"] not in ("pending", "held") or row["job_id"] != job.id] == []
    assert (job.state, job.done, job.total) == ("done", len(rows), len(rows))
