"""Delivery rows under repetition and under races: planned once, recorded once, released once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from domain.delivery import Answer, DeliveryStatus, Due, Prepared, Sent, log_id
from domain.ids import ORDER, PAYMENT
from domain.signature import Secrets
from runtime.clock import make_id, now
from store.webhook_planning import Draft, plan_deliveries, replay_deliveries
from store.webhook_recording import Made, load_deliveries, record, release_after
from tests.support.shop import Shop, open_shop
from tests.support.stack import Stack

RACES = 40


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
    assert opened == [Due(first.id, first.endpoint_id, first.order_id, 2)]
    assert await replay_deliveries(shop.pool, [first, second], now(), job_id="job_1") == opened, "may not be written"
    await record(shop.pool, [_made(first, 200, DeliveryStatus.SUCCESS, attempt=2)], [], now())
    await record(shop.pool, [_made(second, 200, DeliveryStatus.SUCCESS, attempt=2)], [], now())
    assert await replay_deliveries(shop.pool, [first, second], now(), job_id="job_1") == []
    assert len(await replay_deliveries(shop.pool, [first, second], now(), job_id="job_2")) == 1


async def test_an_endpoint_that_is_off_gets_held_rows(shop: Shop) -> None:
    first, _ = await _drafts(shop)
    assert await plan_deliveries(shop.pool, [replace(first, active=False)], now()) == []
    assert [row["status"] for row in await shop.logs()] == ["held"]


async def _drafts(shop: Shop) -> tuple[Draft, Draft]:
    """Two events of a new payment for one endpoint."""
    endpoint = await shop.pool.fetchval("SELECT id FROM webhooks WHERE merchant_id = $1", shop.merchant_id)
    endpoint_id = endpoint or (await shop.endpoint("http://127.0.0.1:9/hook")).id
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


def _made(draft: Draft, code: int, status: DeliveryStatus, *, attempt: int = 1) -> Made:
    due = Due(draft.id, draft.endpoint_id, draft.order_id, attempt)
    prepared = Prepared(due, draft.event_id, draft.payment_id, "http://127.0.0.1:9/hook", b"{}", Secrets(""), 0, False)
    sent = Sent(prepared, now(), 1, {}, Answer(code, "", None), None)
    return Made(sent, status, now() if status == DeliveryStatus.PENDING else None)
