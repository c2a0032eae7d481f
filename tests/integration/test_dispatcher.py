"""The dispatcher as an object: what happens when a part of it breaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from agents.kafka import Kafka
from agents.role import Context
from agents.webhooks import dispatcher as module
from agents.webhooks.dispatcher import Dispatcher
from agents.webhooks.sender import Sender
from domain.delivery import Due, Verdict
from runtime.clock import now
from runtime.worker import Worker
from store.redis.clients import make_redis
from store.webhooks.attempt_batch import Recorded, record
from store.webhooks.pool import make_webhook_pool
from tests.support.eventually import eventually
from tests.support.receiver import receiver
from tests.support.shop import Shop, open_shop
from tests.support.stack import Stack
from topics.catalogue import WEBHOOKS_DLQ
from topics.delivery import delivery_record
from topics.producer import Record


@pytest.fixture
async def shop(services: Stack) -> AsyncIterator[Shop]:
    async with open_shop(services.settings) as shop:
        yield shop


async def test_a_request_that_dies_ends_the_role_instead_of_holding_its_offset(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Verdict:
        raise ArithmeticError("a defect of ours")

    async with receiver() as merchant, _dispatcher(shop) as (broken_one, _), _dispatcher(shop) as (next_one, stopping):
        await shop.endpoint(merchant.url(), events=["endpoint.disabled"])
        due = await _switch_another(shop)
        with monkeypatch.context() as patched:
            patched.setattr(module, "classify", broken)
            role = asyncio.create_task(broken_one.run())
            await shop.producer.publish([_record(shop, due)], timeout=10)
            await eventually(role.done, timeout=30)
            assert _holds(role.exception(), ArithmeticError)
        # The next worker, without the defect, reads the record again.
        role = asyncio.create_task(next_one.run())
        await eventually(lambda: _is_delivered(shop), timeout=30)
        stopping.set()
        await role


FAILED_ELSEWHERE = """
UPDATE webhook_logs SET status = 'failed', attempts = 1, last_attempt_at = now(), next_retry_at = NULL WHERE id = $1
"""


async def test_what_another_dispatcher_recorded_of_the_attempt_decides_what_follows(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by the simulation: the other one had lost its partition, and died before its dead letter was on the log."""
    published: list[Record] = []
    async with receiver() as merchant, _dispatcher(shop) as (dispatcher, stopping):
        await shop.endpoint(merchant.url(), events=["endpoint.disabled"])
        due = await _switch_another(shop)

        async def other_first(*arguments: Any) -> Recorded:
            await shop.pool.execute(FAILED_ELSEWHERE, due.log_id)
            return await record(*arguments)

        async def noted(records: Sequence[Record], **_: Any) -> None:
            published.extend(records)

        monkeypatch.setattr(module, "record", other_first)
        monkeypatch.setattr(dispatcher._producer, "publish", noted)
        role = asyncio.create_task(dispatcher.run())
        await shop.producer.publish([_record(shop, due)], timeout=10)
        # Although this one's request succeeded, the delivery is dead, and so it has a letter.
        await eventually(lambda: [one.topic for one in published] == [WEBHOOKS_DLQ], timeout=30, what="the letter")
        stopping.set()
        await role


def _holds(error: BaseException | None, kind: type[Exception]) -> bool:
    return isinstance(error, BaseExceptionGroup) and error.subgroup(kind) is not None


async def _switch_another(shop: Shop) -> Due:
    """A delivery of an `endpoint.disabled` that nobody has put on the topic."""
    other = await shop.endpoint("http://127.0.0.1:9/hook")
    await shop.switch(other.id, active=False)
    (row,) = await shop.logs(event="endpoint.disabled")
    return Due(row["id"], row["endpoint_id"], row["order_id"], 1)


def _record(shop: Shop, due: Due) -> Record:
    return delivery_record(due, at=now(), partitions=shop.settings.topic_partitions)


@contextlib.asynccontextmanager
async def _dispatcher(shop: Shop) -> AsyncIterator[tuple[Dispatcher, asyncio.Event]]:
    """A dispatcher that was not started, and what stops it."""
    pool = await make_webhook_pool(shop.settings, size=4)
    async with make_redis(shop.settings) as client:
        context = Context(shop.settings, Worker("dispatcher", 0, "dispatcher-test", 0), client)
        yield Dispatcher(context, Kafka(shop.settings), pool, Sender(shop.settings)), context.stopping


async def _is_delivered(shop: Shop) -> bool:
    return len(await shop.logs(status="success")) == 1
