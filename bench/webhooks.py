"""Webhook throughput and latency: the planner and the dispatcher against a receiver on the same machine.

    .venv/bin/python -m bench.webhooks [--deliveries 10000] [--endpoints 4]

    bare        an aiohttp client that posts the same bodies to the same receiver, 64 at a time: the ceiling
    dispatcher  deliveries that wait on the topic, sent as fast as it can; from the first attempt to the last
    whole       events written to the log at once; from the first one's record to the last attempt, planning included
    latency     events one after another on a quiet stack: from the event's instant to its first attempt

Starts its own services, planner, dispatcher and forwarder on free ports; events are written to the log as the actor
encodes them.
Everything runs on one machine, the receiver included: its share of the processor is in every figure.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import aiohttp
import uvloop
from aiohttp import web

from bench.processes import usage_by_role
from domain.event import EventType, PaymentEvent
from domain.ids import ORDER, PAYMENT
from domain.instrument import Upi
from domain.payment import Payment, PaymentStatus
from ops.stack.ports import is_free
from runtime.clock import make_id, now
from runtime.settings import Settings
from tests.support.eventually import eventually
from tests.support.shop import Shop, open_shop
from tests.support.stack import Stack, running_stack
from topics.catalogue import EVENTS, partition_of
from topics.codec import encode_event
from topics.envelope import HEADER_TYPE
from topics.producer import Record

CONCURRENT = 64
LOAD = "load"
"""The load generator among the roles."""
LATENCY_EVENTS = 200
LATENCY_EVERY_SECONDS = 0.05
ENVIRONMENT = {"LOG_LEVEL": "warning", "WEBHOOK_RETRY_INTERVALS_TEST": "0,5,10"}


@dataclass(frozen=True, slots=True)
class Figures:
    """The measurements of one run. Rates in deliveries a second, latencies in milliseconds, processor time in
    microseconds a delivery: on a machine that others use as well, only the last is meaningful by itself."""

    deliveries: int
    endpoints: int
    bare_per_second: float
    dispatcher_per_second: float
    planner_per_second: float
    whole_per_second: float
    latency_p50_ms: float
    latency_p95_ms: float
    bare_cpu_us: float
    dispatcher_cpu_us: float
    whole_cpu_us: float
    """Of all processes of the stack: roles, PostgreSQL, Redis and Kafka, but not the receiver."""


async def measure(settings: Settings, stack: Stack, url: str, *, deliveries: int, endpoints: int) -> Figures:
    """One run on a stack whose planner and dispatcher are ready."""
    async with open_shop(settings) as shop:
        for number in range(endpoints):
            await shop.endpoint(f"{url}/{number}")
        latencies = await _latencies(shop)
        await shop.pool.execute("DELETE FROM webhook_logs WHERE merchant_id = $1", shop.merchant_id)

        await asyncio.to_thread(stack.hold, "dispatcher-0")
        planner_seconds = await _plan(shop, deliveries, endpoints)
        bodies = await shop.pool.fetch("SELECT body FROM webhook_logs WHERE merchant_id = $1", shop.merchant_id)
        cpu_before = time.process_time()
        bare_seconds = await _post_bare(url, [row["body"] for row in bodies])
        bare_cpu_seconds = time.process_time() - cpu_before
        await asyncio.to_thread(stack.release, "dispatcher-0")
        await eventually(lambda: _has_begun(shop), timeout=60, interval=0.01)
        cpu_before = _cpu_seconds(stack, "dispatcher-0")
        await eventually(lambda: _all_delivered(shop, deliveries), timeout=300, interval=0.5)
        dispatcher_cpu_seconds = _cpu_seconds(stack, "dispatcher-0") - cpu_before
        dispatcher_seconds = await _seconds_between_attempts(shop)
        await shop.pool.execute("DELETE FROM webhook_logs WHERE merchant_id = $1", shop.merchant_id)
        whole_seconds, whole_cpu_seconds = await _plan_and_deliver(shop, stack, deliveries, endpoints)
    return Figures(
        deliveries=deliveries,
        endpoints=endpoints,
        bare_per_second=deliveries / bare_seconds,
        dispatcher_per_second=deliveries / dispatcher_seconds,
        planner_per_second=deliveries / planner_seconds,
        whole_per_second=deliveries / whole_seconds,
        latency_p50_ms=statistics.median(latencies),
        latency_p95_ms=statistics.quantiles(latencies, n=20)[18],
        bare_cpu_us=bare_cpu_seconds / deliveries * 1e6,
        dispatcher_cpu_us=dispatcher_cpu_seconds / deliveries * 1e6,
        whole_cpu_us=whole_cpu_seconds / deliveries * 1e6,
    )


def _cpu_seconds(stack: Stack, worker: str) -> float:
    """User and system time of a worker so far."""
    fields = Path(f"/proc/{stack.processes()[worker]['pid']}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _latencies(shop: Shop) -> list[float]:
    """Milliseconds from each event's instant to its first attempt; the first few events warm everything up."""
    warm_up = 20
    for _ in range(LATENCY_EVENTS + warm_up):
        await shop.producer.publish([payment_event(shop)], timeout=10)
        await asyncio.sleep(LATENCY_EVERY_SECONDS)
    await eventually(lambda: _no_row_waits(shop), timeout=60)
    rows = await shop.pool.fetch(
        "SELECT min(made.at) AS sent_at, (convert_from(log.body, 'UTF8')::json #>> '{data,payment,updated_at}') AS at "
        "FROM webhook_logs log JOIN webhook_attempts made ON made.log_id = log.id "
        "WHERE log.merchant_id = $1 GROUP BY log.id ORDER BY log.created_at OFFSET $2",
        shop.merchant_id,
        warm_up,
    )
    return [(row["sent_at"] - datetime.fromisoformat(row["at"])).total_seconds() * 1_000 for row in rows]


async def _plan(shop: Shop, deliveries: int, endpoints: int) -> float:
    """Seconds from the first event on the log to the last delivery row."""
    events = [payment_event(shop) for _ in range(deliveries // endpoints)]
    began_at = time.monotonic()
    await shop.producer.publish(events, timeout=60)
    await eventually(lambda: _planned(shop, deliveries), timeout=300, interval=0.05)
    return time.monotonic() - began_at


async def _plan_and_deliver(shop: Shop, stack: Stack, deliveries: int, endpoints: int) -> tuple[float, float]:
    """Seconds from the first event's record to the last attempt, and the stack's processor time in that period."""
    events = [payment_event(shop) for _ in range(deliveries // endpoints)]
    before, began_at = _stack_seconds(stack), now()
    await shop.producer.publish(events, timeout=60)
    await eventually(lambda: _all_delivered(shop, deliveries), timeout=300, interval=0.5)
    used = _stack_seconds(stack) - before
    ended_at = await shop.pool.fetchval(
        "SELECT max(made.at) FROM webhook_attempts made JOIN webhook_logs log ON log.id = made.log_id "
        "WHERE log.merchant_id = $1",
        shop.merchant_id,
    )
    return (ended_at - began_at).total_seconds(), used


def _stack_seconds(stack: Stack) -> float:
    return sum(usage.cpu_seconds for role, usage in usage_by_role(stack).items() if role != LOAD)


async def _post_bare(url: str, bodies: list[bytes]) -> float:
    """Seconds that a plain aiohttp client needs for these bodies."""
    waiting = iter(bodies)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def post() -> None:
            for body in waiting:
                async with session.post(f"{url}/bare", data=body, headers={"Content-Type": "application/json"}) as got:
                    await got.read()

        began_at = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENT):
                group.create_task(post())
        return time.monotonic() - began_at


def payment_event(shop: Shop) -> Record:
    """`payment.success` of a new payment, as the actor would write it."""
    order_id, at = make_id(ORDER), now()
    payment = Payment(
        id=make_id(PAYMENT), order_id=order_id, merchant_id=shop.merchant_id, amount=50_000, currency="INR",
        instrument=Upi("success@upi"), status=PaymentStatus.SUCCESS, captured=False, amount_refunded=0,
        error_code=None, error_description=None, token="bench",
        bank_reference="bench", deadline_at=at, version=3, created_at=at, updated_at=at,
    )  # fmt: skip
    event = PaymentEvent(EventType.PAYMENT_SUCCESS, 4, at, payment)
    key = order_id.encode()
    value = encode_event(event, caused_by="bench", request_id=None)
    partition = partition_of(key, shop.settings.topic_partitions)
    return Record(EVENTS, partition, key, value, [(HEADER_TYPE, EventType.PAYMENT_SUCCESS.encode())])


async def _count(shop: Shop, condition: str = "true") -> int:
    query = f"SELECT count(*) FROM webhook_logs WHERE merchant_id = $1 AND {condition}"
    return int(await shop.pool.fetchval(query, shop.merchant_id))


async def _planned(shop: Shop, count: int) -> bool:
    return await _count(shop) >= count


async def _no_row_waits(shop: Shop) -> bool:
    return await _count(shop, "status <> 'success'") == 0


async def _has_begun(shop: Shop) -> bool:
    return await _count(shop, "attempts > 0") > 0


async def _all_delivered(shop: Shop, count: int) -> bool:
    return await _count(shop, "status = 'success'") == count


async def _seconds_between_attempts(shop: Shop) -> float:
    row = await shop.pool.fetchrow(
        "SELECT extract(epoch FROM max(made.at) - min(made.at))::float8 AS seconds FROM webhook_attempts made "
        "JOIN webhook_logs log ON log.id = made.log_id WHERE log.merchant_id = $1",
        shop.merchant_id,
    )
    assert row is not None
    return float(row["seconds"])


def serve(port: int) -> None:
    """The receiver: reads the body, answers 200; under /hang it does not answer for a minute, under /fail with 500."""

    async def respond(request: web.BaseRequest) -> web.Response:
        await request.read()
        if request.path.startswith("/hang/"):
            await asyncio.sleep(60)
        return web.Response(status=500 if request.path.startswith("/fail/") else 200)

    async def run() -> None:
        runner = web.ServerRunner(web.Server(respond, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()

    uvloop.run(run())


@contextlib.contextmanager
def receiver() -> Iterator[str]:
    """The receiver in a process of its own; yields its URL."""
    port = next(port for port in range(19_800, 19_900) if is_free(port))
    process = subprocess.Popen([sys.executable, "-m", "bench.webhooks", "--serve", str(port)])
    try:
        while is_free(port):
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--deliveries", type=int, default=10_000)
    arguments.add_argument("--endpoints", type=int, default=4)
    arguments.add_argument("--serve", type=int, metavar="PORT", help="only be the receiver")
    chosen = arguments.parse_args()
    if chosen.serve:
        serve(chosen.serve)
        return
    deliveries = chosen.deliveries - chosen.deliveries % chosen.endpoints
    with receiver() as url, running_stack(roles=("planner", "dispatcher", "forwarder"), env=ENVIRONMENT) as stack:
        load = os.getloadavg()[0]
        found = uvloop.run(measure(stack.settings, stack, url, deliveries=deliveries, endpoints=chosen.endpoints))
        print(f"load of the machine   {load:8.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores")
    print(f"bare aiohttp          {found.bare_per_second:8.0f} posts/s, {CONCURRENT} at a time")
    print(f"dispatcher            {found.dispatcher_per_second:8.0f} deliveries/s to {found.endpoints} endpoints")
    print(f"  of bare             {found.dispatcher_per_second / found.bare_per_second:8.2f}")
    print(f"  processor time      {found.dispatcher_cpu_us:8.0f} us a delivery, bare {found.bare_cpu_us:.0f} us a post")
    print(f"planner               {found.planner_per_second:8.0f} deliveries/s")
    print(f"whole                 {found.whole_per_second:8.0f} deliveries/s from the queued event to the receiver")
    print(f"  processor time      {found.whole_cpu_us:8.0f} us a delivery, all processes but the receiver")
    print(f"event to attempt      {found.latency_p50_ms:8.1f} ms p50, {found.latency_p95_ms:.1f} ms p95")


if __name__ == "__main__":
    main()
