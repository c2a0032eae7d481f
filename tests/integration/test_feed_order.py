"""The feed: each event once, in the order in which the feeder found it, whatever transactions are open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson
import pytest

from agents.jobs.feeder import RewoundError, feeding
from domain.ids import MERCHANT, ORDER, PAYMENT, event_id
from runtime.clock import make_id
from store.analytics.rollups import advance
from store.connections import make_pool
from store.events import list_events
from store.log.feed import CursorError, FeedPlace, feed_end, next_events, number, place_of_cursor
from store.webhooks.jobs import REPLAY, Period, next_chunk, open_job
from tests.support.actor import Bench, work
from tests.support.command_client import CommandClient, order_command
from tests.support.stack import Stack
from topics.catalogue import EVENTS
from topics.producer import Record

AT = datetime(2026, 2, 27, 17, 20, 0, 1, UTC)
EVENT_COUNT = 7
BEGINNING = FeedPlace(1, 0)


@pytest.fixture
async def pool(services: Stack) -> AsyncIterator[asyncpg.Pool]:
    pool = await make_pool(services.settings, size=3)
    yield pool
    await pool.close()


class Merchant:
    """A merchant whose events a test writes and numbers itself."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.id = make_id(MERCHANT)
        self.order_ids: list[str] = []

    async def write(self, to: Any = None) -> str:
        order_id = make_id(ORDER)
        payment = {
            "id": make_id(PAYMENT), "amount": 500, "currency": "INR", "method": "upi", "error_code": None,
            "created_at": AT.isoformat(),
        }  # fmt: skip
        identity = {"id": event_id(order_id, 2), "type": "payment.created", "v": 1, "key": order_id}
        body = {"merchant_id": self.id, "order_id": order_id, "sequence": 2, "payment": payment, "bank": {}}
        payload = {**identity, "at": AT.isoformat(), "request_id": None, "caused_by": "cmd_x", "body": body}
        await (to or self.pool).execute(
            "INSERT INTO events (order_id, sequence, merchant_id, type, at, payload) "
            "VALUES ($1, 2, $2, 'payment.created', $3, $4)",
            order_id, self.id, AT, orjson.dumps(payload).decode(),
        )  # fmt: skip
        self.order_ids.append(order_id)
        return order_id

    async def number(self, *order_ids: str) -> int:
        """Give these orders' events their places; how many got one."""
        async with self.pool.acquire() as connection, connection.transaction():
            return (await number(connection, [(one, 2) for one in order_ids])).fresh

    async def seen(self, after: FeedPlace = BEGINNING) -> list[str]:
        found = await next_events(self.pool, self.id, after, limit=100)
        return [orjson.loads(one.payload)["key"] for one in found]


@pytest.fixture
async def merchant(pool: asyncpg.Pool) -> Merchant:
    """With events that were numbered in another order than they were written in."""
    made = Merchant(pool)
    await pool.execute(
        "INSERT INTO merchants (id, name, email, password_hash) VALUES ($1, 'Feed', $1 || '@example.com', '')", made.id
    )
    for _ in range(EVENT_COUNT):
        await made.write()
    made.order_ids.reverse()
    assert await made.number(*made.order_ids) == EVENT_COUNT
    return made


@pytest.mark.parametrize("step", [1, 2, 3, 100])
async def test_a_merchants_stream_passes_each_event_once(pool: asyncpg.Pool, merchant: Merchant, step: int) -> None:
    place, seen = BEGINNING, []
    while events := await next_events(pool, merchant.id, place, limit=step):
        seen += [orjson.loads(event.payload)["key"] for event in events]
        place = events[-1].place
        assert len(seen) <= EVENT_COUNT
    assert seen == merchant.order_ids


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("step", [1, 2, 3, 100])
async def test_the_list_of_events_passes_each_event_once_in_both_directions(
    pool: asyncpg.Pool, merchant: Merchant, step: int, newest_first: bool
) -> None:
    place: FeedPlace | None = None
    seen: list[str] = []
    while events := await list_events(
        pool, merchant.id, place, newest_first=newest_first, type_=None, payment_id=None, limit=step
    ):
        seen += [orjson.loads(event.payload)["key"] for event in events]
        place = events[-1].place
        assert len(seen) <= EVENT_COUNT
    assert seen == (merchant.order_ids[::-1] if newest_first else merchant.order_ids)


@pytest.mark.parametrize("step", [1, 2, 3, 100])
async def test_analytics_count_each_event_once(pool: asyncpg.Pool, merchant: Merchant, step: int) -> None:
    counted = 0
    while folded := await advance(pool, merchant.id, events_max=step):
        counted += folded
        assert counted <= EVENT_COUNT
    assert counted == EVENT_COUNT


async def test_an_event_that_is_found_again_keeps_its_place(merchant: Merchant) -> None:
    assert await merchant.number(*merchant.order_ids[::-1]) == 0
    assert await merchant.seen() == merchant.order_ids


async def test_an_idle_transaction_holds_nothing_up(pool: asyncpg.Pool, merchant: Merchant) -> None:
    # Given a transaction that wrote something long ago and is still open,
    async with pool.acquire() as idle, idle.transaction():
        hidden = await merchant.write(idle)
        end = await feed_end(pool)
        # when an event is committed meanwhile, then it is in the feed at once,
        shown = await merchant.write()
        await merchant.number(hidden, shown)
        assert await merchant.seen(end) == [shown]
    # and what the idle one wrote comes after it, where every reader still finds it.
    await merchant.number(hidden)
    assert await merchant.seen(end) == [shown, hidden]


async def test_a_replay_is_not_done_while_an_event_of_its_span_has_no_place(
    pool: asyncpg.Pool, merchant: Merchant
) -> None:
    # Given a replay of everything, and an event that is recorded but not numbered yet,
    await pool.execute(
        "INSERT INTO webhooks (id, merchant_id, url, events, secret_sealed, secret_hint) "
        "VALUES ('whe_' || right($1, 16), $1, 'http://127.0.0.1:9/', '{payment.created}', '', '')",
        merchant.id,
    )
    period = Period(f"whe_{merchant.id[-16:]}", AT, AT + timedelta(days=1))
    late = await merchant.write()
    job = await open_job(
        pool, job_id=make_id("job_"), merchant_id=merchant.id, kind=REPLAY, filters=period, total=EVENT_COUNT + 1
    )
    # when all that has a place is read, then the job is not done,
    chunk = await next_chunk(pool, job, limit=100)
    assert chunk is not None
    assert (len(chunk.drafts), chunk.cursor is None) == (EVENT_COUNT, False)
    # and once the last one is read as well, it is.
    await merchant.number(late)
    chunk = await next_chunk(pool, job, limit=100)
    assert chunk is not None
    assert (len(chunk.drafts), chunk.cursor) == (EVENT_COUNT + 1, None)


async def test_cursors_of_the_former_kind_and_ids_of_events_name_their_event(
    pool: asyncpg.Pool, merchant: Merchant
) -> None:
    third = merchant.order_ids[2]
    for cursor in (f"1234567.{third[-16:]}.2", event_id(third, 2)):
        place = await place_of_cursor(pool, merchant.id, cursor)
        assert await merchant.seen(place) == merchant.order_ids[3:]
    again = await place_of_cursor(pool, merchant.id, place.cursor)
    assert again == place


@pytest.mark.parametrize(
    ("cursor", "message"),
    [
        ("1234567..0", "of an earlier version"),
        ("1234567.AAAAAAAAAAAAAAAA.3", "of an earlier version"),
        ("evt_AAAAAAAAAAAAAAAA_3", "must be a cursor"),
        ("nonsense", "must be a cursor"),
        ("1.999999999999", "a recovery has replaced"),
        ("99.1", "a recovery has replaced"),
    ],
)
async def test_a_cursor_that_names_no_place_is_refused(
    pool: asyncpg.Pool, merchant: Merchant, cursor: str, message: str
) -> None:
    with pytest.raises(CursorError, match=message):
        await place_of_cursor(pool, merchant.id, cursor)


async def test_another_merchants_event_is_not_a_cursor(pool: asyncpg.Pool, merchant: Merchant) -> None:
    with pytest.raises(CursorError):
        await place_of_cursor(pool, make_id(MERCHANT), event_id(merchant.order_ids[0], 2))


async def test_the_feeder_numbers_what_the_actor_published_in_the_order_of_the_log(bench: Bench) -> None:
    # Given two orders whose events are on the log,
    actor, orders = await bench.actor(), [make_id(ORDER), make_id(ORDER)]
    for order_id in orders:
        await work(actor, bench.submitted(order_command(order_id)))
    # when the feeder has read to the end, then each has its place,
    await number_all(bench)
    statement = "SELECT order_id FROM feed WHERE order_id = ANY($1::text[]) ORDER BY place"
    assert {row["order_id"] for row in await bench.command_client.pool.fetch(statement, orders)} == set(orders)
    # and another session goes on behind them.
    before = await bench.command_client.pool.fetchval("SELECT last_place FROM feed_state")
    await number_all(bench)
    assert await bench.command_client.pool.fetchval("SELECT last_place FROM feed_state") == before


async def test_places_are_given_in_another_epoch_once_the_table_lacks_what_the_log_has(bench: Bench) -> None:
    # Given a reader's cursor, and an event of the log that is not in the table,
    actor, order_id, pool = await bench.actor(), make_id(ORDER), bench.command_client.pool
    await work(actor, bench.submitted(order_command(order_id)))
    await number_all(bench)
    cursor = (await feed_end(pool)).cursor
    lost = make_id(ORDER)
    await bench.command_client.publish([lost_event(bench.command_client, lost)])
    # when a feeder begins, then the places that it gives belong to another epoch,
    await number_all(bench)
    end = await feed_end(pool)
    assert end.epoch == FeedPlace(*map(int, cursor.split("."))).epoch + 1
    # the cursor still holds, for its place was given before, and one beyond it does not.
    assert (await place_of_cursor(pool, "test_merchant", cursor)).place == int(cursor.split(".")[1])
    await work(actor, bench.submitted(order_command(make_id(ORDER))))
    await number_all(bench)
    beyond = FeedPlace(end.epoch - 1, end.place + 1)
    with pytest.raises(CursorError, match="a recovery has replaced"):
        await place_of_cursor(pool, "test_merchant", beyond.cursor)


async def test_a_feeder_whose_positions_were_moved_begins_again(bench: Bench) -> None:
    await number_all(bench)
    async with feeding(bench.command_client.settings) as session:
        await bench.command_client.pool.execute("UPDATE feed_positions SET next_offset = 0")
        with pytest.raises(RewoundError):
            await session.turn()


def lost_event(command_client: CommandClient, order_id: str) -> Record:
    record = command_client.raw_record(
        order_id.encode(), b'{"id":"evt_%b_1","type":"order.created"}' % order_id[-16:].encode()
    )
    return Record(EVENTS, record.partition, record.key, record.value)


async def number_all(bench: Bench) -> None:
    """One feeder's session, to the end of the log."""
    async with feeding(bench.command_client.settings) as session:
        assert session is not None, "another feeder is at work"
        while await session.turn(wait_ms=1_000):
            pass
