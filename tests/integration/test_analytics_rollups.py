"""Rollups on a real PostgreSQL: each event is counted once, by any worker, whenever it was committed, and in a
rebuild."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import orjson
import pytest

from domain.ids import MERCHANT, ORDER, PAYMENT
from runtime.clock import make_id
from store.analytics.buckets import starts_of
from store.analytics.measures import COUNTED, DAY, Measure, floor
from store.analytics.queries import POINTS, TOTALS, Period, Total, pieces_of, points, totals, widened
from store.analytics.rollups import DUE, NEXT, advance, counted_merchants, due_merchants, forget
from store.connections import make_pool
from store.errors import ValueRefusedError
from tests.support.feed import number_everything
from tests.support.stack import Stack

BEGAN_AT = datetime(2026, 2, 27, 17, 20, 0, 1, UTC)


@dataclass(slots=True)
class Books:
    """A merchant whose events a test writes itself."""

    pool: asyncpg.Pool
    merchant_id: str = field(default_factory=lambda: make_id(MERCHANT))

    async def open(self) -> None:
        statement = (
            "INSERT INTO merchants (id, name, email, password_hash) VALUES ($1, 'Books', $1 || '@example.com', '')"
        )
        await self.pool.execute(statement, self.merchant_id)

    async def pay(self, made_at: datetime, *, status: str = "success", amount: int = 500, method: str = "upi") -> None:
        """A payment that was made and decided a second later."""
        await self.write(self.pool, self.events(made_at, status=status, amount=amount, method=method))

    def events(self, made_at: datetime, *, status: str, amount: int, method: str) -> list[tuple[Any, ...]]:
        order_id = make_id(ORDER)
        payment = {
            "id": make_id(PAYMENT), "amount": amount, "currency": "INR", "method": method,
            "error_code": "UPI_DECLINED" if status == "failed" else None, "created_at": made_at.isoformat(),
        }  # fmt: skip
        return [
            self._row(order_id, 2, "payment.created", made_at, payment),
            self._row(order_id, 4, f"payment.{status}", made_at + timedelta(seconds=1), payment),
        ]

    def _row(self, order_id: str, sequence: int, kind: str, at: datetime, payment: dict[str, Any]) -> tuple[Any, ...]:
        payload = orjson.dumps({"type": kind, "at": at.isoformat(), "body": {"payment": payment}}).decode()
        return order_id, sequence, self.merchant_id, kind, at, payload

    async def write(self, to: Any, rows: Sequence[tuple[Any, ...]]) -> None:
        await to.executemany(
            "INSERT INTO events (order_id, sequence, merchant_id, type, at, payload) VALUES ($1, $2, $3, $4, $5, $6)",
            rows,
        )
        await number_everything(to)

    async def fold(self) -> int:
        """Everything that is there; how many events that were."""
        folded = 0
        while step := await advance(self.pool, self.merchant_id):
            folded += step
        return folded

    async def count(self, measure: Measure = Measure.CREATED) -> int:
        (found,) = await totals(
            self.pool, self.merchant_id, [Period(BEGAN_AT.replace(year=2020), BEGAN_AT.replace(year=2030))]
        )
        return sum(total.count for total in found if total.measure == measure)

    async def rows(self) -> list[tuple[Any, ...]]:
        statement = "SELECT * FROM rollups WHERE merchant_id = $1 ORDER BY grain_minutes, measure, starts_at, label"
        return [tuple(row) for row in await self.pool.fetch(statement, self.merchant_id)]


@pytest.fixture
async def books(services: Stack) -> AsyncIterator[Books]:
    pool = await make_pool(services.settings, size=10)
    one = Books(pool)
    await one.open()
    yield one
    await pool.close()


async def test_each_event_is_counted_once_however_often_one_folds(books: Books) -> None:
    for number in range(5):
        await books.pay(BEGAN_AT + timedelta(hours=number))
    assert await books.fold() == 10
    before = await books.rows()
    assert await books.fold() == 0
    assert await books.rows() == before
    assert await books.count() == await books.count(Measure.SUCCESS) == 5


async def test_many_folding_at_once_count_each_event_once(books: Books) -> None:
    for number in range(40):
        await books.pay(BEGAN_AT + timedelta(minutes=number))
    for _ in range(60):
        folded = await asyncio.gather(*(advance(books.pool, books.merchant_id, events_max=7) for _ in range(6)))
        if not any(folded):
            break
    assert await books.count() == await books.count(Measure.SUCCESS) == 40


async def test_a_step_that_was_broken_off_leaves_nothing_behind(books: Books) -> None:
    await books.pay(BEGAN_AT)
    await books.pay(BEGAN_AT, amount=2**63)
    with pytest.raises(ValueRefusedError):
        await advance(books.pool, books.merchant_id)
    assert await books.rows() == []
    await books.pool.execute(
        "DELETE FROM events WHERE merchant_id = $1 AND payload LIKE $2", books.merchant_id, f"%{2**63}%"
    )
    assert await books.fold() == 2


async def test_an_event_that_cannot_be_read_is_passed_over(books: Books) -> None:
    (first, second) = books.events(BEGAN_AT, status="success", amount=500, method="upi")
    for payload in ("x", "{}", '{"type": "payment.success", "at": 5, "body": {"payment": {"method": "upi"}}}'):
        await books.write(books.pool, [(make_id(ORDER), *first[1:5], payload)])
    await books.write(books.pool, [first, second])
    assert await books.fold() == 5
    assert await books.count() == await books.count(Measure.SUCCESS) == 1


async def test_an_idle_transaction_holds_no_event_up(books: Books) -> None:
    async with books.pool.acquire() as idle, idle.transaction():
        await idle.execute("CREATE TEMPORARY TABLE forgotten (id integer)")
        await books.pay(BEGAN_AT)
        assert await books.fold() == 2


async def test_rebuilt_rollups_say_the_same(books: Books) -> None:
    for number in range(30):
        await books.pay(BEGAN_AT + timedelta(minutes=97 * number), status="failed" if number % 4 == 0 else "success")
    await books.fold()
    before = await books.rows()
    assert books.merchant_id in await counted_merchants(books.pool)
    await forget(books.pool, books.merchant_id)
    assert await books.rows() == []
    await books.fold()
    assert await books.rows() == before != []


async def test_a_merchant_is_due_while_something_of_its_is_not_folded_in(books: Books) -> None:
    assert books.merchant_id not in await due_merchants(books.pool)
    await books.pay(BEGAN_AT)
    assert books.merchant_id in await due_merchants(books.pool)
    await books.fold()
    assert books.merchant_id not in await due_merchants(books.pool)


async def test_merchants_do_not_see_each_others_numbers(books: Books) -> None:
    other = Books(books.pool)
    await other.open()
    await books.pay(BEGAN_AT)
    await books.fold()
    await other.fold()
    assert (await books.count(), await other.count()) == (1, 0)


async def test_every_spans_numbers_are_those_of_its_payments(books: Books) -> None:
    seed = secrets.randbelow(10**6)
    print(f"seed {seed}")
    draw = random.Random(seed)
    made = [
        (
            BEGAN_AT + timedelta(seconds=draw.randrange(6 * 86_400)),
            draw.randrange(100, 9_999),
            draw.choice(["upi", "card"]),
        )
        for _ in range(150)
    ]
    rows = [
        row for at, amount, method in made for row in books.events(at, status="success", amount=amount, method=method)
    ]
    await books.write(books.pool, rows)
    await books.fold()
    for _ in range(12):
        from_at = BEGAN_AT + timedelta(seconds=draw.randrange(5 * 86_400))
        period = widened(from_at, from_at + timedelta(seconds=draw.randrange(1, 4 * 86_400)))
        expected = [(amount, method) for at, amount, method in made if period.from_at <= at < period.to_at]
        found, before = await totals(books.pool, books.merchant_id, [period, period.before])
        assert _volumes(found) == {
            method: sum(amount for amount, of in expected if of == method)
            for method in {method for _, method in expected}
        }
        await _check_days(books, Period(floor(period.from_at, DAY), period.to_at), made)
        hours = starts_of(period.from_at, period.to_at, "hour", None)
        in_hours = await points(books.pool, books.merchant_id, period, hours)
        assert sum(p.total.amount_minor for p in in_hours if p.total.measure == Measure.SUCCESS) == sum(
            a for a, _ in expected
        )
        assert all(period.from_at <= point.at < period.to_at for point in in_hours)
        assert sum(_volumes(before).values()) == sum(
            amount for at, amount, _ in made if period.before.from_at <= at < period.before.to_at
        )


async def _check_days(books: Books, period: Period, made: list[tuple[datetime, int, str]]) -> None:
    """Counted from a UTC midnight, whole days come from rows of their own: the same numbers."""
    days: dict[datetime, int] = {}
    for at, amount, _ in made:
        if period.from_at <= at < period.to_at:
            days[floor(at, DAY)] = days.get(floor(at, DAY), 0) + amount
    found: dict[datetime, int] = {}
    starts = starts_of(period.from_at, period.to_at, "day", None)
    for point in await points(books.pool, books.merchant_id, period, starts):
        if point.total.measure == Measure.SUCCESS:
            found[point.at] = found.get(point.at, 0) + point.total.amount_minor
    assert found == days


def _volumes(found: list[Total]) -> dict[str, int]:
    return {total.label.partition("/")[2]: total.amount_minor for total in found if total.measure == Measure.SUCCESS}


async def test_days_counted_from_a_local_midnight_are_that_places_days(books: Books) -> None:
    midnight_in_india = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)
    await books.pay(midnight_in_india - timedelta(seconds=1), amount=100)
    await books.pay(midnight_in_india, amount=200)
    await books.pay(midnight_in_india + timedelta(hours=23, minutes=59), amount=300)
    await books.fold()
    period = Period(midnight_in_india - timedelta(days=1), midnight_in_india + timedelta(days=1))
    starts = starts_of(period.from_at, period.to_at, "day", ZoneInfo("Asia/Kolkata"))
    days = await points(books.pool, books.merchant_id, period, starts)
    volumes = {point.at: point.total.amount_minor for point in days if point.total.measure == Measure.SUCCESS}
    assert volumes == {midnight_in_india - timedelta(days=1): 100, midnight_in_india: 500}


async def test_no_question_reads_more_than_its_own_index_range(books: Books) -> None:
    """A year of a busy merchant beside others: plans, not times."""
    await books.pool.execute(
        "INSERT INTO rollups SELECT m, g, s, t, l, 1, 1 FROM unnest($1::text[]) m, "
        "unnest('{15,1440}'::int[]) g, unnest('{created,success,failed,latency}'::text[]) s, "
        "generate_series($2::timestamptz, $2 + interval '60 days', interval '4 hours') t, "
        "unnest('{INR/upi,INR/card,8}'::text[]) l",
        [books.merchant_id, *(make_id(MERCHANT) for _ in range(9))],
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    await books.pool.execute("ANALYZE rollups, events, feed, merchants, rollup_progress")
    period = Period(datetime(2026, 1, 5, 6, tzinfo=UTC), datetime(2026, 2, 5, 6, tzinfo=UTC))
    pieces = pieces_of(period)
    requested = (
        [1] * len(pieces), [piece.grain_minutes for piece in pieces],
        [piece.from_at for piece in pieces], [piece.to_at for piece in pieces],
    )  # fmt: skip
    series = (books.merchant_id, list(Measure), *requested[1:], starts_of(period.from_at, period.to_at, "day", None))
    assert _indexes(await _plan(books, TOTALS, books.merchant_id, list(Measure), *requested)) == {"rollups_pkey"}
    assert _indexes(await _plan(books, POINTS, *series)) == {"rollups_pkey"}
    following = await _plan(books, NEXT, books.merchant_id, 5, 100, list(COUNTED))
    assert "feed_pkey" in _indexes(following)
    assert "Sort" not in str(following), "the index has the order already"
    assert "feed_pkey" in _indexes(await _plan(books, DUE, 100))


async def _plan(books: Books, statement: str, *arguments: Any) -> dict[str, Any]:
    async with books.pool.acquire() as connection, connection.transaction():
        # The test's tables are small: without this a scan of the whole table would be as good.
        await connection.execute("SET LOCAL enable_seqscan = off")
        explained = await connection.fetchval("EXPLAIN (FORMAT JSON) " + statement, *arguments)
    plan: dict[str, Any] = orjson.loads(explained)[0]["Plan"]
    return plan


def _indexes(plan: dict[str, Any]) -> set[str]:
    """Indexes whose ranges are read by a condition that names the merchant; a scan of a whole one is called so."""
    found = set()
    if "Index Name" in plan:
        bounded = "merchant_id" in plan.get("Index Cond", "")
        found.add(plan["Index Name"] if bounded else f"all of {plan['Index Name']}")
    for child in plan.get("Plans", []):
        found |= _indexes(child)
    return found
