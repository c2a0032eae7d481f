"""`gateway exporter`: what no single process can measure, as Prometheus metrics: lag in time, dead letters, what is
stuck.

The roles serve their own numbers on their internal ports; this measures the whole from outside, every few seconds, and
serves `/metrics` on its own port. A failed measurement shows as an unavailable service, never as an old number.
"""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry, Gauge, start_http_server
from redis.exceptions import RedisError

from ops.console.errors import GatewayError
from ops.console.exit_codes import run
from ops.console.output import console
from ops.health.command import Report, look
from ops.health.feed import feed_behind, oldest_transaction_seconds
from ops.health.stuck import Stuck, find_stuck
from runtime.settings import Settings
from store.connections import make_pool
from store.errors import DatabaseError
from store.operations.owed import owed_totals

EVERY_SECONDS = 15.0
STUCK_AFTER_SECONDS = 10.0
PARTS = ("api", "log", "redis", "database")

REGISTRY = CollectorRegistry()
PART_UP = Gauge("gateway_part_up", "1 if the service responds", ["part"], registry=REGISTRY)
ROLE_WORKERS = Gauge("gateway_role_workers", "Workers with a current heartbeat", ["role"], registry=REGISTRY)
UNREAD = Gauge(
    "gateway_group_unread_records", "Records that a group has not read", ["group", "topic"], registry=REGISTRY
)
UNREAD_AGE = Gauge(
    "gateway_group_oldest_unread_seconds", "Age of the oldest unread record", ["group", "topic"], registry=REGISTRY
)
STUCK = Gauge("gateway_stuck", "Stuck items by kind", ["kind"], registry=REGISTRY)
OWED = Gauge("gateway_owed_minor_units", "Open amounts that merchants owe", ["currency"], registry=REGISTRY)
TRANSACTION_AGE = Gauge(
    "gateway_oldest_transaction_seconds", "Age of the oldest open transaction in PostgreSQL", registry=REGISTRY
)
FEED_BEHIND = Gauge(
    "gateway_feed_behind_records", "Records on the events topic without a position in the feed", registry=REGISTRY
)
KINDS = ("payment", "refund", "money", "owed", "delivery", "endpoint", "dead letter")


def exporter(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to serve /metrics on.")] = 9099,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    once: Annotated[bool, typer.Option("--once", help="Measure once, then serve until interrupted.")] = False,
) -> None:
    """Serve lag in seconds, dead letters and stuck items to Prometheus."""
    try:
        server, thread = start_http_server(port, addr=host, registry=REGISTRY)
    except OSError as error:
        raise GatewayError(f"Cannot listen on port {port}: {error}. Choose another one with --port.") from error
    console.print(f"http://{host}:{port}/metrics")
    try:
        run(lambda settings: _look_for_ever(settings, once=once))
    finally:
        server.shutdown()
        thread.join(timeout=5)


async def _look_for_ever(settings: Settings, *, once: bool) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    while not stopping.is_set():
        await measure(settings)
        try:
            async with asyncio.timeout(None if once else EVERY_SECONDS):
                await stopping.wait()
        except TimeoutError:
            continue


async def measure(settings: Settings) -> None:
    """One measurement, written into the registry."""
    report = await look(settings)
    found = await _stuck(settings, report)
    _write(report, found)
    if found is not None:
        await _write_owed(settings)
        await _write_feed(settings)


async def _stuck(settings: Settings, report: Report) -> list[Stuck] | None:
    """None if the log or the database does not respond."""
    if not report.log_answers:
        return None
    try:
        return await find_stuck(settings, STUCK_AFTER_SECONDS)
    except (KafkaError, RedisError, DatabaseError, OSError) as error:
        console.print(f"not measured: {type(error).__name__}: {error}", markup=False)
        return None


async def _write_owed(settings: Settings) -> None:
    pool = await make_pool(settings, size=1)
    try:
        totals = await owed_totals(pool)
    except DatabaseError as error:
        console.print(f"not measured: {type(error).__name__}: {error}", markup=False)
        totals = {}
    finally:
        await pool.close()
    OWED.clear()
    for currency, amount in totals.items():
        OWED.labels(currency).set(amount)


async def _write_feed(settings: Settings) -> None:
    try:
        age, behind = await oldest_transaction_seconds(settings), await feed_behind(settings)
    except (KafkaError, DatabaseError, OSError) as error:
        console.print(f"not measured: {type(error).__name__}: {error}", markup=False)
        return
    TRANSACTION_AGE.set(age)
    FEED_BEHIND.set(behind)


def _write(report: Report, found: list[Stuck] | None) -> None:
    up = {
        "api": report.api.get("status") == "healthy",
        "log": report.log_answers,
        "redis": report.redis_answers,
        "database": found is not None if report.log_answers else report.api.get("database") == "connected",
    }
    for part in PARTS:
        PART_UP.labels(part).set(up[part])
    for gauge in (ROLE_WORKERS, UNREAD, UNREAD_AGE, STUCK):
        gauge.clear()
    for role, members in report.workers.items():
        ROLE_WORKERS.labels(role).set(len(members))
    for role in report.silent:
        ROLE_WORKERS.labels(role).set(0)
    for lag in report.lags:
        UNREAD.labels(lag.group, lag.topic).set(lag.unread)
        UNREAD_AGE.labels(lag.group, lag.topic).set(lag.oldest_unread_seconds or 0)
    for kind in KINDS:
        STUCK.labels(kind).set(sum(one.kind == kind for one in found or ()))
