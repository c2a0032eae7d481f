"""`python -m bench.analytics`: reading with a million payments of one merchant in the tables, on a stack of its own.

Orders, payments, refunds and their events are written by SQL, the rollups by the very fold of the jobs role. Then the
analytics and the filters of every list are read, one at a time, by the functions that the routes call. The figures
exclude HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import partial

import asyncpg
import uvloop

from domain.ids import MERCHANT
from runtime.clock import make_id
from store.analytics.buckets import Bucket, starts_of
from store.analytics.queries import Period, deliveries, points, totals, widened
from store.analytics.rollups import advance
from store.connections import make_pool
from store.driver import Pool
from store.orders import OrderFilter, count_attempts, list_orders
from store.payments import PaymentFilter, list_payments
from store.refunds import RefundFilter, list_refunds
from tests.support.feed import number_everything
from tests.support.stack import Stack, running_stack

MILLION = 1_000_000
STEP = 50_000
REQUESTED = 20
DAYS = 90

# One payment in twenty fails; three in ten are by card; they are spread evenly over DAYS up to now. One order in ten is
# a payment link, one payment in ten is refunded in part, one in a thousand is in dollars.
FILL = """
WITH made AS (
    SELECT 'mill' || lpad(to_hex(n), 12, '0') AS id16, n % 20 = 0 AS failed, n % 10 < 3 AS by_card,
           100 + n % 99901 AS amount, n % 10 = 3 AS by_link, n % 10 = 7 AS is_refunded,
           CASE WHEN n % 1000 = 7 THEN 'USD' ELSE 'INR' END AS currency,
           now() - make_interval(secs => (1 - n::float8 / $4) * $5) AS at
      FROM generate_series($2::bigint, $3::bigint) AS n
), order_rows AS (
    INSERT INTO orders (id, merchant_id, amount, currency, receipt, status, version, last_event_at, created_at,
                        updated_at, link)
    SELECT 'order_' || id16, $1, amount, currency, 'invoice-' || id16, CASE WHEN failed THEN 'CREATED' ELSE 'PAID' END,
           4, at, at, at, CASE WHEN by_link THEN '{"url": "http://localhost/l/' || id16 || '"}' END
      FROM made
), refund_rows AS (
    INSERT INTO refunds (id, payment_id, order_id, merchant_id, amount, currency, status, automatic, deadline_at,
                         version, created_at, processed_at, updated_at)
    SELECT 'rfnd_' || id16, 'pay_' || id16, 'order_' || id16, $1, 50, currency, 'PROCESSED', false, at, 6, at, at, at
      FROM made
     WHERE is_refunded
), payment_rows AS (
    INSERT INTO payments (id, order_id, merchant_id, amount, currency, method, status, captured, amount_refunded, vpa,
                          card_network, card_last4, error_code, token, deadline_at, version, created_at, updated_at)
    SELECT 'pay_' || id16, 'order_' || id16, $1, amount, currency, CASE WHEN by_card THEN 'card' ELSE 'upi' END,
           CASE WHEN failed THEN 'FAILED' ELSE 'SUCCESS' END, false, 0,
           CASE WHEN NOT by_card THEN 'payer' || amount % 5000 || '@upi' END, CASE WHEN by_card THEN 'visa' END,
           CASE WHEN by_card THEN lpad((amount % 10000)::text, 4, '0') END, CASE WHEN failed THEN 'UPI_DECLINED' END,
           'token', at + interval '1 minute', 4, at, at + interval '600 ms'
      FROM made
)
INSERT INTO events (order_id, sequence, merchant_id, type, at, payload)
SELECT 'order_' || id16, sequence, $1, type, at,
       json_build_object('type', type, 'at', at + (sequence - 2) * random() * interval '600 ms', 'body',
           json_build_object('payment', json_build_object(
               'created_at', at, 'currency', currency, 'method', CASE WHEN by_card THEN 'card' ELSE 'upi' END,
               'amount', amount, 'error_code', CASE WHEN failed THEN 'UPI_DECLINED' END)))
  FROM made,
       LATERAL (VALUES (2, 'payment.created'),
                       (4, CASE WHEN failed THEN 'payment.failed' ELSE 'payment.success' END)) AS s (sequence, type)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.analytics", description="Measure the read side on this machine."
    )
    parser.add_argument("--payments", type=int, default=MILLION)
    chosen = parser.parse_args()
    with running_stack() as stack:
        uvloop.run(_measure(stack, chosen.payments))


async def _measure(stack: Stack, payments: int) -> None:
    pool = await make_pool(stack.settings, size=2)
    merchant_id = make_id(MERCHANT)
    await pool.execute(
        "INSERT INTO merchants (id, name, email, password_hash) VALUES ($1, 'Million', $1, '')", merchant_id
    )
    await _fill(pool, merchant_id, payments)
    await _fold(pool, merchant_id)
    await pool.execute("VACUUM ANALYZE", timeout=600)
    for days in (1, 30, DAYS):
        await _time(f"summary of {days} days", partial(_summary, pool, merchant_id, days))
    await _time("timeseries of 30 days in hours", partial(_series, pool, merchant_id, 30, "hour"))
    await _time(f"timeseries of {DAYS} days in days", partial(_series, pool, merchant_id, DAYS, "day"))
    for filters in _filters(datetime.now(UTC)):
        await _time(f"50 payments, {_named(filters)}", partial(_page, pool, merchant_id, filters))
    for orders in _order_filters(datetime.now(UTC)):
        await _time(f"50 orders, {_named(orders)}", partial(_orders, pool, merchant_id, orders))
    for refunds in _refund_filters(datetime.now(UTC)):
        await _time(f"50 refunds, {_named(refunds)}", partial(_refunds, pool, merchant_id, refunds))
    await pool.close()


async def _fill(pool: asyncpg.Pool, merchant_id: str, payments: int) -> None:
    for first in range(1, payments + 1, STEP):
        last = min(first + STEP - 1, payments)
        await pool.execute(FILL, merchant_id, first, last, payments, DAYS * 86_400, timeout=600)
    await number_everything(pool)


async def _fold(pool: asyncpg.Pool, merchant_id: str) -> None:
    began, folded = time.perf_counter(), 0
    while step := await advance(pool, merchant_id):
        folded += step
    print(f"folded {folded:,} events, {folded / (time.perf_counter() - began):,.0f}/s")


def _filters(now: datetime) -> list[PaymentFilter]:
    return [
        PaymentFilter(),
        PaymentFilter(status="SUCCESS"),
        PaymentFilter(status="FAILED"),
        PaymentFilter(status="PROCESSING"),
        PaymentFilter(method="card"),
        PaymentFilter(captured=True),
        PaymentFilter(amount_min=99_000, amount_max=99_100),
        PaymentFilter(text="pay_mill0000000003e8"),
        PaymentFilter(text="payer4999@upi"),
        PaymentFilter(text="nothing has this"),
        PaymentFilter(order_id="order_mill0000000003e8"),
        PaymentFilter(currency="USD"),
        PaymentFilter(currency="JPY"),
        PaymentFilter(from_at=now - timedelta(days=60), to_at=now - timedelta(days=59)),
    ]


def _order_filters(now: datetime) -> list[OrderFilter]:
    return [
        OrderFilter(),
        OrderFilter(status="CREATED"),
        OrderFilter(paid=False),
        OrderFilter(abandoned=True),
        OrderFilter(text="invoice-mill0000000003e8"),
        OrderFilter(receipt="nothing has this"),
        OrderFilter(currency="USD"),
        OrderFilter(currency="JPY"),
        OrderFilter(linked=True),
        OrderFilter(linked=True, status="CREATED"),
        OrderFilter(linked=True, currency="JPY"),
        OrderFilter(from_at=now - timedelta(days=60), to_at=now - timedelta(days=59)),
    ]


def _refund_filters(now: datetime) -> list[RefundFilter]:
    return [
        RefundFilter(),
        RefundFilter(status="FAILED"),
        RefundFilter(payment_id="pay_mill0000000003ef"),
        RefundFilter(currency="USD"),
        RefundFilter(currency="JPY"),
        RefundFilter(from_at=now - timedelta(days=60), to_at=now - timedelta(days=59)),
    ]


def _named(filters: PaymentFilter | OrderFilter | RefundFilter) -> str:
    """What it filters for."""
    given = {field.name: getattr(filters, field.name) for field in fields(filters)}
    unset = {field.name: field.default for field in fields(filters)}
    return ", ".join(f"{name}={value}" for name, value in given.items() if value != unset[name]) or "no filter"


async def _summary(pool: asyncpg.Pool, merchant_id: str, days: int) -> None:
    period = _period(days)
    await asyncio.gather(totals(pool, merchant_id, [period, period.before]), deliveries(pool, merchant_id, period))


async def _series(pool: asyncpg.Pool, merchant_id: str, days: int, bucket: Bucket) -> None:
    period = _period(days)
    await points(pool, merchant_id, period, starts_of(period.from_at, period.to_at, bucket, None))


async def _page(pool: asyncpg.Pool, merchant_id: str, filters: PaymentFilter) -> None:
    await list_payments(pool, merchant_id, filters, after=None, limit=50)


async def _orders(pool: Pool, merchant_id: str, filters: OrderFilter) -> None:
    """As the route does, which counts each order's attempts as well."""
    found = await list_orders(pool, merchant_id, filters, after=None, limit=50)
    await count_attempts(pool, [order.id for order in found])


async def _refunds(pool: Pool, merchant_id: str, filters: RefundFilter) -> None:
    await list_refunds(pool, merchant_id, filters, after=None, limit=50)


def _period(days: int) -> Period:
    now = datetime.now(UTC)
    return widened(now - timedelta(days=days), now)


async def _time(name: str, work: Callable[[], Awaitable[None]]) -> None:
    milliseconds = []
    for _ in range(REQUESTED):
        began = time.perf_counter()
        await work()
        milliseconds.append((time.perf_counter() - began) * 1_000)
    print(f"{statistics.median(milliseconds):8.1f} ms median {max(milliseconds):8.1f} ms most   {name}", flush=True)


if __name__ == "__main__":
    main()
