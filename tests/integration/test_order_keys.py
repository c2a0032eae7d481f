"""Keys of orders in a real database: made ahead, kept for a moment, forgotten one by one, pruned by the day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from domain.ids import ORDER, new_id
from runtime.clock import Clock
from runtime.order_keys import LEVELS
from store.connections import make_pool
from store.driver import Pool
from store.operations.erasure import erased_among, forgotten, has_key
from store.order_keys import AHEAD_DAYS, FRESH_SECONDS, OrderKeys, row_ids
from store.retention import prune_order_keys
from tests.support.stack import Stack

YEAR = 2031
"""Of the orders here: no other test has any."""


class Still(Clock):
    """A clock that a test moves."""

    __slots__ = ("at", "seconds")

    def __init__(self, at: datetime) -> None:
        self.at, self.seconds = at, 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
async def pool(services: Stack) -> AsyncIterator[Pool]:
    made = await make_pool(services.settings, size=4)
    yield made
    await made.close()


def order_on(day: datetime, number: int = 0) -> str:
    return new_id(ORDER, now_ms=int(day.timestamp() * 1_000) + 16 * number, random=number)


def keys_at(services: Stack, pool: Pool, clock: Clock, *, days: int = 0) -> OrderKeys:
    return OrderKeys(pool, services.settings.keys, days=days, clock=clock)


async def sealed(keys: OrderKeys, order_id: str) -> str | None:
    key = await keys.key_to_seal(order_id)
    return None if key is None else key.seal("asha@upi")


async def opened(keys: OrderKeys, text: str | None) -> bytes:
    return await keys.opened(f'{{"vpa":"{text}"}}'.encode())


async def test_processes_that_begin_a_day_at_once_share_one_tree(services: Stack, pool: Pool) -> None:
    day = datetime(YEAR, 1, 1, 12, tzinfo=UTC)
    order_id, clock = order_on(day), Still(day)
    texts = await asyncio.gather(*(sealed(keys_at(services, pool, clock), order_id) for _ in range(8)))
    assert len(set(texts)) == 1 and texts[0] is not None
    days = await pool.fetchval("SELECT count(*) FROM order_keys WHERE day >= $1 AND day <= $2", day, ahead(day))
    assert days == AHEAD_DAYS + 1


def ahead(day: datetime) -> datetime:
    return day + timedelta(days=AHEAD_DAYS)


async def test_an_erased_order_is_forgotten_by_every_process_and_no_other_is(services: Stack, pool: Pool) -> None:
    day = datetime(YEAR, 3, 1, 12, tzinfo=UTC)
    clock = Still(day)
    mine, other = keys_at(services, pool, clock), keys_at(services, pool, clock)
    orders = [order_on(day, number) for number in range(40)]
    texts = {order_id: await sealed(mine, order_id) for order_id in orders}
    assert await opened(other, texts[orders[0]]) == b'{"vpa":"asha@upi"}'
    for number, order_id in enumerate(orders[:3], start=1):
        assert await forgotten(pool, services.settings.keys, order_id)
        assert not await has_key(pool, order_id)
        clock.seconds += FRESH_SECONDS + 1
        for keys in (mine, other):
            for one in orders:
                erased = orders.index(one) < number
                assert await opened(keys, texts[one]) == (
                    b'{"vpa":null,"erased":true}' if erased else b'{"vpa":"asha@upi"}'
                )
            assert await sealed(keys, order_id) is None
            assert await sealed(keys, orders[-1]) == texts[orders[-1]]
    assert not await forgotten(pool, services.settings.keys, orders[0])
    assert await erased_among(pool, orders) == set(orders[:3])


async def test_orders_of_one_day_that_are_erased_at_once_are_all_forgotten(services: Stack, pool: Pool) -> None:
    day = datetime(YEAR, 4, 1, 12, tzinfo=UTC)
    orders = [order_on(day, number) for number in range(10)]
    for order_id in orders:
        await sealed(keys_at(services, pool, Still(day)), order_id)
    await asyncio.gather(*(forgotten(pool, services.settings.keys, order_id) for order_id in orders))
    assert [order_id for order_id in orders if await has_key(pool, order_id)] == []


async def test_a_process_may_know_a_key_for_a_moment_and_no_longer(services: Stack, pool: Pool) -> None:
    day = datetime(YEAR, 5, 1, 12, tzinfo=UTC)
    clock, order_id = Still(day), order_on(day)
    keys = keys_at(services, pool, clock)
    text = await sealed(keys, order_id)
    await forgotten(pool, services.settings.keys, order_id)
    clock.seconds = FRESH_SECONDS
    assert b"asha" in await opened(keys, text)
    clock.seconds = FRESH_SECONDS + 0.1
    assert b"asha" not in await opened(keys, text)


async def test_no_other_orders_node_leads_to_the_erased_one(services: Stack, pool: Pool) -> None:
    day = datetime(YEAR, 7, 1, 12, tzinfo=UTC)
    order_id = order_on(day)
    await sealed(keys_at(services, pool, Still(day)), order_id)
    await forgotten(pool, services.settings.keys, order_id)
    rows = await pool.fetch("SELECT id FROM order_keys WHERE day = $1", day)
    assert len(rows) == LEVELS * 15
    assert not {row["id"] for row in rows} & set(row_ids(order_id))


async def test_keys_past_their_days_are_not_used_and_go_once_both_clocks_agree(services: Stack, pool: Pool) -> None:
    today = datetime.now(UTC)
    old, young = order_on(today - timedelta(days=300)), order_on(today - timedelta(days=100))
    texts = [await sealed(keys_at(services, pool, Still(today)), one) for one in (old, young)]
    keys = keys_at(services, pool, Still(today), days=200)
    assert [b"asha" in await opened(keys, text) for text in texts] == [False, True]
    assert await sealed(keys, old) is None
    await prune_order_keys(pool, days=200, today=(today - timedelta(days=200)).date())
    assert await has_key(pool, old)
    await prune_order_keys(pool, days=200, today=today.date())
    assert (await has_key(pool, old), await has_key(pool, young)) == (False, True)
