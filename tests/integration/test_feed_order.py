"""Readers of the feed go by transaction number, and numbers grow a digit: 999, 1000. Each event once, in that order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import orjson
import pytest

from domain.ids import MERCHANT, ORDER, PAYMENT
from runtime.clock import make_id
from store.analytics.rollups import advance
from store.connections import make_pool
from store.events import list_events
from store.feed import BEGINNING, next_events
from store.webhooks.jobs import NEXT_EVENTS
from tests.support.stack import Stack

AT = datetime(2026, 2, 27, 17, 20, 0, 1, UTC)
TRANSACTIONS = (8, 9, 10, 11, 99, 100, 101)


@pytest.fixture
async def pool(services: Stack) -> AsyncIterator[asyncpg.Pool]:
    pool = await make_pool(services.settings, size=2)
    yield pool
    await pool.close()


@pytest.fixture
async def merchant_id(pool: asyncpg.Pool) -> str:
    """A merchant with one event of each transaction, written in another order than they are read in."""
    merchant_id = make_id(MERCHANT)
    await pool.execute(
        "INSERT INTO merchants (id, name, email, password_hash) VALUES ($1, 'Feed', $1 || '@example.com', '')",
        merchant_id,
    )
    for txid in reversed(TRANSACTIONS):
        payment = {
            "id": make_id(PAYMENT), "amount": 500, "currency": "INR", "method": "upi", "error_code": None,
            "created_at": AT.isoformat(),
        }  # fmt: skip
        payload = {"type": "payment.created", "at": AT.isoformat(), "body": {"payment": payment}}
        await pool.execute(
            "INSERT INTO events (order_id, sequence, merchant_id, type, at, payload, txid) "
            "VALUES ($1, 2, $2, 'payment.created', $3, $4, $5::text::xid8)",
            make_id(ORDER), merchant_id, AT, orjson.dumps(payload).decode(), str(txid),
        )  # fmt: skip
    return merchant_id


@pytest.mark.parametrize("step", [1, 2, 3, 100])
async def test_a_merchants_stream_passes_each_event_once(pool: asyncpg.Pool, merchant_id: str, step: int) -> None:
    place, seen = BEGINNING, []
    while events := await next_events(pool, merchant_id, place, limit=step):
        seen += [event.place.txid for event in events]
        place = events[-1].place
        assert len(seen) <= len(TRANSACTIONS)
    assert tuple(seen) == TRANSACTIONS


@pytest.mark.parametrize("step", [1, 2, 3, 100])
async def test_the_list_of_events_passes_each_event_once(pool: asyncpg.Pool, merchant_id: str, step: int) -> None:
    place, seen = BEGINNING, []
    while events := await list_events(pool, merchant_id, place, type_=None, payment_id=None, limit=step):
        seen += [event.place.txid for event in events]
        place = events[-1].place
        assert len(seen) <= len(TRANSACTIONS)
    assert tuple(seen) == TRANSACTIONS


@pytest.mark.parametrize("step", [1, 2, 3, 100])
async def test_the_list_from_its_newest_end_passes_each_event_once(
    pool: asyncpg.Pool, merchant_id: str, step: int
) -> None:
    place, seen = None, []
    while events := await list_events(
        pool, merchant_id, place, newest_first=True, type_=None, payment_id=None, limit=step
    ):
        seen += [event.place.txid for event in events]
        place = events[-1].place
        assert len(seen) <= len(TRANSACTIONS)
    assert tuple(seen) == tuple(reversed(TRANSACTIONS))


@pytest.mark.parametrize("step", [1, 2, 3, 100])
async def test_analytics_count_each_event_once(pool: asyncpg.Pool, merchant_id: str, step: int) -> None:
    counted = 0
    while folded := await advance(pool, merchant_id, events_max=step):
        counted += folded
        assert counted <= len(TRANSACTIONS)
    assert counted == len(TRANSACTIONS)


@pytest.mark.parametrize("step", [1, 2, 3, 100])
async def test_a_replay_passes_each_event_once(pool: asyncpg.Pool, merchant_id: str, step: int) -> None:
    span = (merchant_id, ["payment.created"], AT, AT + timedelta(days=1))
    place, seen = (0, "", 0), []
    while rows := await pool.fetch(NEXT_EVENTS, *span, *place, step):
        seen += [int(row["txid"]) for row in rows]
        place = (seen[-1], rows[-1]["order_id"], rows[-1]["sequence"])
        assert len(seen) <= len(TRANSACTIONS)
    assert tuple(seen) == TRANSACTIONS
