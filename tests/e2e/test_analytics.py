"""Analytics, export and live feed of one merchant: all three match its list of payments."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import orjson
import pytest

from tests.support.eventually import eventually
from tests.support.signed_up import SignedUp, signed_up
from tests.support.stack import Stack

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
async def merchant(stack: Stack) -> AsyncIterator[SignedUp]:
    """Three successes (one in dollars), two declines, two refunds of which one failed."""
    async with signed_up(stack) as one:
        first, *_ = await asyncio.gather(
            one.pay(amount=50_000),
            one.pay(amount=20_000),
            one.pay(amount=7_000, currency="USD"),
            one.pay(vpa="failure@upi", status="FAILED"),
            one.pay(vpa="insufficient@upi", status="FAILED"),
        )
        await one.refund(first["id"], amount=1_000)
        await one.refund(first["id"], amount=2_000, reason="fail_refund")
        await eventually(lambda: _is_counted(one), timeout=15, what="the analytics to have caught up")
        yield one


async def _is_counted(one: SignedUp) -> bool:
    numbers = await one.get("/analytics/summary")
    decided = numbers["payments_success"] + numbers["payments_failed"]
    return (decided, numbers["refunds_total"], numbers["refunded_minor"]) == (5, 2, 1_000)


async def test_the_summary_adds_up_what_the_list_shows(merchant: SignedUp) -> None:
    numbers = await merchant.get("/analytics/summary")
    assert numbers["payments_total"] == len(await merchant.get("/payments")) == 5
    assert (numbers["payments_success"], numbers["payments_failed"], numbers["success_rate"]) == (3, 2, 0.6)
    assert (numbers["volume_minor"], numbers["currency"]) == (70_000, "INR")
    assert (numbers["refunded_minor"], numbers["refunds_total"]) == (1_000, 2)
    assert numbers["by_method"] == [
        {"method": "card", "count": 1, "success": 1, "volume_minor": 0},
        {"method": "upi", "count": 4, "success": 2, "volume_minor": 70_000},
    ]
    assert numbers["by_error_code"] == [
        {"error_code": "INSUFFICIENT_FUNDS", "count": 1},
        {"error_code": "UPI_DECLINED", "count": 1},
    ]
    assert 90 <= numbers["time_to_outcome_ms"]["p50"] <= numbers["time_to_outcome_ms"]["p95"] < 60_000
    assert numbers["previous"]["payments_total"] == 0
    assert numbers["previous"]["to"] == numbers["from"]


async def test_with_a_currency_amounts_and_counts_are_of_it_and_without_one_counts_are_of_all(
    merchant: SignedUp,
) -> None:
    dollars = await merchant.get("/analytics/summary", currency="USD")
    assert (dollars["volume_minor"], dollars["refunded_minor"], dollars["payments_success"]) == (7_000, 0, 1)
    assert dollars["by_method"] == [{"method": "card", "count": 1, "success": 1, "volume_minor": 7_000}]
    rupees = await merchant.get("/analytics/summary", currency="INR")
    assert (rupees["payments_total"], rupees["payments_failed"], rupees["refunds_total"]) == (4, 2, 2)
    assert (
        dollars["currencies"]
        == rupees["currencies"]
        == [
            {"currency": "INR", "payments_total": 4, "volume_minor": 70_000},
            {"currency": "USD", "payments_total": 1, "volume_minor": 7_000},
        ]
    )
    series = await merchant.get("/analytics/timeseries", currency="USD")
    assert sum(point["payments_total"] for point in series["data"]) == 1


async def test_the_main_currency_is_rupees_where_there_are_any_else_that_of_most_payments(
    merchant: SignedUp,
) -> None:
    main = await merchant.get("/analytics/summary", currency="main")
    assert (main["currency"], main["volume_minor"], main["payments_total"]) == ("INR", 70_000, 4)
    async with signed_up(merchant.stack) as other:
        await asyncio.gather(
            other.pay(amount=500, currency="JPY"), other.pay(amount=700, currency="JPY"), other.pay(currency="USD")
        )

        async def counted() -> bool:
            return int((await other.get("/analytics/summary"))["payments_success"]) == 3

        await eventually(counted, timeout=30, what="the payments to be counted")
        summary = await other.get("/analytics/summary", currency="main")
        series = await other.get("/analytics/timeseries", currency="main")
        assert (summary["currency"], summary["volume_minor"], summary["payments_total"]) == ("JPY", 1_200, 2)
        assert (series["currency"], sum(point["volume_minor"] for point in series["data"])) == ("JPY", 1_200)


async def test_the_buckets_of_a_series_add_up_to_the_summary(merchant: SignedUp) -> None:
    now = datetime.now(UTC)
    period = {"from": (now - 3 * DAY).isoformat(), "to": (now + timedelta(hours=1)).isoformat()}
    numbers = await merchant.get("/analytics/summary", **period)
    for bucket, length in (("hour", timedelta(hours=1)), ("day", DAY)):
        series = (await merchant.get("/analytics/timeseries", bucket=bucket, **period))["data"]
        instants = [datetime.fromisoformat(point["at"]) for point in series]
        assert all(after - before == length for before, after in pairwise(instants))
        for name in ("volume_minor", "payments_total", "payments_success", "payments_failed", "refunded_minor"):
            assert sum(point[name] for point in series) == numbers[name], name


@pytest.mark.parametrize("tz", ["Asia/Kolkata", "Australia/Sydney", "America/Los_Angeles", "Asia/Kathmandu", "UTC"])
async def test_days_of_a_time_zone_begin_at_its_midnights_and_add_up(merchant: SignedUp, tz: str) -> None:
    now = datetime.now(UTC)
    period = {"from": (now - 90 * DAY).isoformat(), "to": (now + timedelta(hours=1)).isoformat()}
    series = await merchant.get("/analytics/timeseries", tz=tz, **period)
    midnights = [datetime.fromisoformat(point["at"]).astimezone(ZoneInfo(tz)) for point in series["data"][1:]]
    assert {(at.hour, at.minute) for at in midnights} == {(0, 0)} and series["tz"] == tz
    numbers = await merchant.get("/analytics/summary", **period)
    assert sum(point["payments_total"] for point in series["data"]) == numbers["payments_total"] == 5
    (today,) = [point for point in series["data"] if point["payments_total"]][-1:]
    assert datetime.fromisoformat(today["at"]) <= now


@pytest.mark.parametrize("tz", ["Mars/Olympus", "", "../../etc/passwd", "+05:30", "x" * 100])
async def test_a_time_zone_that_does_not_exist_is_refused(merchant: SignedUp, tz: str) -> None:
    response = await merchant.client.get("/analytics/timeseries", params={"tz": tz})
    assert (response.status_code, response.json()["error"]["field"]) == (400, "tz")


async def test_the_span_before_is_shown_beside(merchant: SignedUp) -> None:
    tomorrow = (datetime.now(UTC) + DAY).replace(hour=0, minute=0, second=0, microsecond=0)
    later = {"from": (tomorrow - timedelta(minutes=15)).isoformat(), "to": tomorrow.isoformat()}
    around = {"from": (tomorrow - 2 * DAY).isoformat(), "to": tomorrow.isoformat()}
    assert (await merchant.get("/analytics/summary", **around))["payments_total"] == 5
    assert (await merchant.get("/analytics/summary", **later))["previous"]["from"] < later["from"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"from": "yesterday"},
        {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        {"from": "0001-01-01T00:00:00Z"},
        {"to": "9999-12-31T23:59:59Z"},
        {"currency": "XXX"},
    ],
)
async def test_a_span_or_currency_that_does_not_exist_is_refused(
    merchant: SignedUp, parameters: dict[str, str]
) -> None:
    response = await merchant.client.get("/analytics/summary", params=parameters)
    assert response.status_code == 400
    assert response.json()["error"]["field"] in parameters


async def test_a_series_is_bounded_and_everything_there_ever_was_is_not(merchant: SignedUp) -> None:
    ever = {"from": "1971-01-01T00:00:00Z"}
    assert (await merchant.get("/analytics/summary", **ever))["payments_total"] == 5
    response = await merchant.client.get("/analytics/timeseries", params={"bucket": "hour", **ever})
    assert (response.status_code, response.json()["error"]["field"]) == (400, "bucket")


@pytest.mark.parametrize(
    "filters",
    [{}, {"status": "FAILED"}, {"method": "card"}, {"amount_min": 20_000, "amount_max": 50_000}, {"q": "insufficient"}],
)
async def test_the_export_has_the_payments_that_the_list_has(merchant: SignedUp, filters: dict[str, Any]) -> None:
    response = await merchant.client.get("/payments/export.csv", params=filters)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"].startswith('attachment; filename="payments-')
    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    listed = await merchant.get("/payments", **filters)
    assert [row["id"] for row in rows] == [payment["id"] for payment in listed]
    assert [int(row["amount"]) for row in rows] == [payment["amount"] for payment in listed]


async def test_a_payers_formula_does_not_reach_the_spreadsheet(merchant: SignedUp) -> None:
    async with signed_up(merchant.stack) as one:
        await one.pay(vpa="-2_3@upi")
        (row,) = csv.DictReader(io.StringIO((await one.client.get("/payments/export.csv")).text, newline=""))
    assert row["vpa"] == "'-2_3@upi"


async def test_a_long_export_comes_whole_and_in_order(merchant: SignedUp) -> None:
    async with signed_up(merchant.stack) as one, _generated_payments(one, count=2_500):
        rows = list(csv.DictReader(io.StringIO((await one.client.get("/payments/export.csv")).text, newline="")))
    assert len({row["id"] for row in rows}) == len(rows) == 2_500
    assert [row["created_at"] for row in rows] == sorted((row["created_at"] for row in rows), reverse=True)


@asynccontextmanager
async def _generated_payments(one: SignedUp, *, count: int) -> AsyncIterator[None]:
    """Rows as if they had been paid, many with the same instant; gone afterwards, for no event speaks of them."""
    connection = await asyncpg.connect(one.stack.database_url)
    try:
        await connection.execute(
            "INSERT INTO payments (id, order_id, merchant_id, amount, currency, method, status, captured, "
            "amount_refunded, vpa, token, deadline_at, version, created_at) "
            "SELECT 'pay_' || left(md5($1 || n), 16), 'order_' || left(md5($1 || n), 16), $1, 500, 'INR', 'upi', "
            "'FAILED', false, 0, 'a@upi', 'a@upi', now(), 4, date_trunc('second', now()) - (n / 700) * interval '1 s' "
            "FROM generate_series(1, $2::int) n",
            one.id,
            count,
        )
        yield
    finally:
        await connection.execute("DELETE FROM payments WHERE merchant_id = $1", one.id)
        await connection.close()


async def test_the_feed_brings_each_event_once_and_in_order(merchant: SignedUp) -> None:
    async with signed_up(merchant.stack) as one, _feed(one) as feed:
        payment = await one.pay()
        events = [await feed.next() for _ in range(5)]
        assert [event["type"] for event in events] == [
            "order.created", "payment.created", "payment.processing", "payment.success", "order.paid",
        ]  # fmt: skip
        assert [event["sequence"] for event in events] == [1, 2, 3, 4, 5]
        assert events[3]["payment"] == payment
        assert not any("bank" in event or "token" in str(event) for event in events)


async def test_a_feed_continues_after_the_last_event_that_was_seen(merchant: SignedUp) -> None:
    async with signed_up(merchant.stack) as one:
        async with _feed(one) as feed:
            await one.pay()
            first = [await feed.next() for _ in range(2)]
            place = feed.last_id
        await one.pay(vpa="failure@upi", status="FAILED")
        async with _feed(one, place) as feed:
            rest = [await feed.next() for _ in range(7)]
    events = [event["id"] for event in first + rest]
    listed = await _listed(merchant.stack, one)
    assert events == listed, "as GET /events has them: none missing, none twice"


async def _listed(stack: Stack, one: SignedUp) -> list[str]:
    async with httpx.AsyncClient(headers=one.headers) as client:
        response = await client.get(f"{stack.api_url}/api/v1/events")
    return [event["id"] for event in response.json()["data"]]


async def test_a_feed_shows_nothing_of_another_merchant(merchant: SignedUp) -> None:
    async with signed_up(merchant.stack) as one, signed_up(merchant.stack) as other, _feed(one) as feed:
        await other.pay()
        mine = await one.order()
        event = await feed.next()
    assert (event["type"], event["order_id"]) == ("order.created", mine["id"])


async def test_without_redis_the_feed_still_comes(merchant: SignedUp) -> None:
    async with signed_up(merchant.stack) as one, _feed(one) as feed:
        merchant.stack.restart("redis")
        order = await eventually(lambda: _ordered(one), timeout=20, what="an order to be taken")
        assert (await feed.next())["order_id"] == order


async def _ordered(one: SignedUp) -> str | None:
    response = await one.client.post("/orders", json={"amount": 500})
    return str(response.json()["id"]) if response.status_code in (201, 202) else None


async def test_a_cursor_that_is_not_one_is_refused(merchant: SignedUp) -> None:
    for cursor in ("x", "1.2.3", "-1..0", "99999999999999999999.0000000000000000.1", "1.0000000000000000.1\n"):
        response = await merchant.client.get("/merchants/me/stream", params={"after": cursor})
        assert response.status_code == 400, cursor


class Feed:
    """One connection to the live feed."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.last_id = ""

    async def begin(self) -> None:
        await self._frame()

    async def next(self) -> dict[str, Any]:
        """The next change."""
        async with asyncio.timeout(20):
            while True:
                fields = await self._frame()
                if fields.get("event") == "change":
                    event: dict[str, Any] = orjson.loads(fields["data"])
                    return event

    async def _frame(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        async for line in self._lines:
            if not line:
                break
            name, _, value = line.partition(": ")
            fields[name] = value
        self.last_id = fields.get("id", self.last_id)
        return fields


@asynccontextmanager
async def _feed(one: SignedUp, after: str | None = None) -> AsyncIterator[Feed]:
    headers = {**one.headers, **({"Last-Event-ID": after} if after else {})}
    url = f"{one.stack.api_url}/api/v1/merchants/me/stream"
    async with httpx.AsyncClient(timeout=30, headers=headers) as client, client.stream("GET", url) as response:
        assert response.status_code == 200
        feed = Feed(response.aiter_lines())
        await feed.begin()
        yield feed
