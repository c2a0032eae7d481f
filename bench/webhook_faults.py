"""Webhooks while endpoints are down: the effect on healthy ones, and the memory of waiting retries.

    .venv/bin/python -m bench.webhook_faults [--seconds 30] [--waiting 100000]

    fairness   20 endpoints get every event, first all of them healthy, then 5 that never answer and 5 that answer 500;
               from the event's instant to the healthy endpoints' answer
    waiting    deliveries that failed once and wait an hour in a retry tier; resident memory of the webhook roles

Starts its own services and webhook roles on free ports.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.webhooks import payment_event, receiver
from tests.support.eventually import eventually
from tests.support.shop import Shop, open_shop
from tests.support.stack import Stack, running_stack

ROLES = ("planner", "dispatcher", "forwarder")
HEALTHY, HANGING, FAILING = 10, 5, 5
EVENTS_PER_SECOND = 5
WARM_UP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the event's instant to the end of its first attempt, at the healthy endpoints."""

    p50: float
    p95: float
    count: int


async def fairness(stack: Stack, url: str, *, seconds: int) -> tuple[Latency, Latency]:
    """All healthy, then half of them bad: a merchant for each, one after the other on the same stack."""
    healthy = [f"{url}/{number}" for number in range(HEALTHY)]
    replaced = [f"{url}/other/{number}" for number in range(HANGING + FAILING)]
    bad = [f"{url}/hang/{number}" for number in range(HANGING)] + [f"{url}/fail/{n}" for n in range(FAILING)]
    return (
        await _latency(stack, healthy, replaced, seconds=seconds),
        await _latency(stack, healthy, bad, seconds=seconds),
    )


async def _latency(stack: Stack, watched: list[str], others: list[str], *, seconds: int) -> Latency:
    async with open_shop(stack.settings) as shop:
        chosen = [(await shop.endpoint(url)).id for url in watched]
        for url in others:
            await shop.endpoint(url)
        count = (WARM_UP_SECONDS + seconds) * EVENTS_PER_SECOND
        for _ in range(count):
            await shop.producer.publish([payment_event(shop)], timeout=10)
            await asyncio.sleep(1 / EVENTS_PER_SECOND)
        await eventually(lambda: _delivered(shop, chosen, count), timeout=60)
        took = await _milliseconds(shop, chosen, skip=WARM_UP_SECONDS * EVENTS_PER_SECOND * len(chosen))
        await shop.pool.execute(
            "UPDATE webhooks SET active = false, disabled_reason = 'merchant' WHERE merchant_id = $1", shop.merchant_id
        )
    return Latency(statistics.median(took), statistics.quantiles(took, n=20)[18], len(took))


async def _delivered(shop: Shop, endpoint_ids: list[str], events: int) -> bool:
    query = "SELECT count(*) FROM webhook_logs WHERE endpoint_id = ANY($1) AND status = 'success'"
    return int(await shop.pool.fetchval(query, endpoint_ids)) == events * len(endpoint_ids)


async def _milliseconds(shop: Shop, endpoint_ids: list[str], *, skip: int) -> list[float]:
    rows = await shop.pool.fetch(
        "SELECT extract(epoch FROM made.at - (convert_from(log.body, 'UTF8')::json #>> "
        "'{data,payment,updated_at}')::timestamptz)::float8 * 1000 + made.duration_ms AS took "
        "FROM webhook_logs log JOIN webhook_attempts made ON made.log_id = log.id AND made.attempt = 1 "
        "WHERE log.endpoint_id = ANY($1) ORDER BY log.created_at OFFSET $2",
        endpoint_ids,
        skip,
    )
    return [row["took"] for row in rows]


async def waiting(stack: Stack, url: str, *, count: int) -> list[tuple[int, Mapping[str, int]]]:
    """(deliveries that wait, role -> resident megabytes), ten times on the way to `count`."""
    seen: list[tuple[int, Mapping[str, int]]] = []
    async with open_shop(stack.settings) as shop:
        endpoint = await shop.endpoint(f"{url}/fail/all", ordering="none")
        for step in range(10):
            events = [payment_event(shop) for _ in range(count // 10)]
            for first in range(0, len(events), 1_000):
                await shop.producer.publish(events[first : first + 1_000], timeout=60)
            target = (step + 1) * (count // 10)
            await eventually(lambda target=target: _waits(shop, endpoint.id, target), timeout=300, interval=0.5)
            await asyncio.sleep(2)
            seen.append((target, {role: _resident_mb(stack, role) for role in ROLES}))
            print(f"  {target:8,} wait   " + _memory_line(seen[-1][1]), flush=True)
    return seen


async def _waits(shop: Shop, endpoint_id: str, target: int) -> bool:
    query = "SELECT count(*) FROM webhook_logs WHERE endpoint_id = $1 AND status = 'pending' AND attempts = 1"
    return int(await shop.pool.fetchval(query, endpoint_id)) >= target


def _resident_mb(stack: Stack, role: str) -> int:
    pages = Path(f"/proc/{stack.processes()[f'{role}-0']['pid']}/statm").read_text(encoding="ascii")
    return int(pages.split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20


def _memory_line(megabytes: Mapping[str, int]) -> str:
    return "   ".join(f"{role} {size} MB" for role, size in megabytes.items())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=int, default=30, help="length of each half of the fairness run")
    arguments.add_argument("--waiting", type=int, default=100_000)
    chosen = arguments.parse_args()
    with receiver() as url:
        if chosen.seconds:
            _report_fairness(url, chosen.seconds)
        if chosen.waiting:
            _report_waiting(url, chosen.waiting)


def _report_fairness(url: str, seconds: int) -> None:
    with running_stack(roles=ROLES, env={"LOG_LEVEL": "warning"}) as stack:
        alone, beside = uvloop.run(fairness(stack, url, seconds=seconds))
    print(f"fairness: {EVENTS_PER_SECOND} events/s to {HEALTHY + HANGING + FAILING} endpoints")
    for name, latency in (("all healthy", alone), (f"{HANGING} hang, {FAILING} answer 500", beside)):
        print(f"  {name:24} p50 {latency.p50:6.1f} ms   p95 {latency.p95:6.1f} ms   {latency.count} deliveries")
    print(f"  p95 rises by {(beside.p95 / alone.p95 - 1) * 100:.0f} %")


def _report_waiting(url: str, count: int) -> None:
    began_at = time.monotonic()
    print(f"waiting: {count:,} deliveries that failed once")
    environment = {"LOG_LEVEL": "error", "WEBHOOK_RETRY_INTERVALS_TEST": "0,3600"}
    with running_stack(roles=ROLES, env=environment) as stack:
        uvloop.run(waiting(stack, url, count=count))
    print(f"  {time.monotonic() - began_at:.0f} s")


if __name__ == "__main__":
    main()
