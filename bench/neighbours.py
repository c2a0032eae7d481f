"""`python -m bench.neighbours`: the cost of a merchant at full speed for the others, resource by resource.

    requests   the greedy merchant creates orders, as fast as answers come      the others' POST /orders
    lookups    it searches its payments                                         the others' GET /payments
    streams    it opens live feeds, a thousand of them                          the others' POST /orders, and their feed
    jobs       it opens as many bulk retries as it may                          the time until another's job is done

Each figure is taken twice in turn, without and with the greedy merchant, ROUNDS times; the table shows the medians. The
quotas match this machine's capacity (--per-minute): a quota above it protects nobody. The load generator, all roles and
all services share the machine; the greedy merchant is a process (bench/greedy.py).
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import uvloop

from bench.greedy import LOOK_UP, Kind, greedy, target_of
from bench.http import Target, connect
from bench.load import ORDER, ORDERS, percentile
from tests.support.api import Api, signed_up
from tests.support.eventually import eventually
from tests.support.receiver import receiver
from tests.support.stack import ALL_ROLES, Stack, running_stack

AIM = 1.3
ROUNDS = 5
SECONDS = 6.0
BEGUN_SECONDS = 3.0
"""The greedy merchant has spent its burst and is at its full speed when the others are measured."""
OTHERS_PER_SECOND = 10.0
JOBS_OPENED = 50
DELIVERIES = 300
"""For each merchant: the deliveries that a job resends, three rounds of a forwarder's chunk."""


@dataclass(slots=True)
class Compared:
    """One resource: the others' figures, in milliseconds, alone and beside the greedy merchant; and its responses."""

    name: str
    before: list[float] = field(default_factory=list)
    during: list[float] = field(default_factory=list)
    greedy: Counter[int] = field(default_factory=Counter)

    @property
    def ratio(self) -> float:
        return statistics.median(self.during) / statistics.median(self.before)


@dataclass(frozen=True, slots=True)
class Merchants:
    """Two merchants of one stack."""

    greedy: Api
    other: Api


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.neighbours", description="Measure what neighbours cost.")
    parser.add_argument("--per-minute", type=int, default=600, help="a merchant's quota of requests and of look-ups")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = parser.parse_args()
    quotas = {
        "RATE_LIMIT_MERCHANT_PER_MINUTE": str(chosen.per_minute * 2),
        "RATE_LIMIT_LOOKUPS_PER_MINUTE": str(chosen.per_minute),
        "LOG_LEVEL": "warning",
    }
    with running_stack(roles=ALL_ROLES, env=quotas) as stack:
        compared = uvloop.run(_measure(stack, chosen.rounds))
    _print(compared)
    sys.exit(0 if all(one.ratio <= AIM for one in compared) else 1)


async def _measure(stack: Stack, rounds: int) -> list[Compared]:
    async with await signed_up(stack) as greedy, await signed_up(stack) as other, receiver() as server:
        merchants = Merchants(greedy, other)
        compared = [Compared(name) for name in ("requests", "look-ups", "streams", "jobs")]
        for api in (greedy, other):
            await _deliveries(stack, api, server.url())
        for _ in range(rounds):
            await _compare(compared[0], _orders(merchants.other), _greedy("orders", merchants.greedy))
            await _compare(compared[1], _look_ups(merchants.other), _greedy("look-ups", merchants.greedy))
            await _compare(compared[2], _orders(merchants.other), _greedy("feeds", merchants.greedy))
            await _compare(compared[3], _job(merchants.other), _jobs(merchants.greedy))
    return compared


Figure = Callable[[], Awaitable[float]]
Greed = Callable[[], Any]


async def _compare(compared: Compared, figure: Figure, greed: Greed) -> None:
    compared.before.append(await figure())
    async with greed() as statuses:
        await asyncio.sleep(BEGUN_SECONDS)
        compared.during.append(await figure())
    compared.greedy.update(statuses)


def _orders(api: Api) -> Figure:
    target = target_of(api)
    return lambda: _p95(target, target.post(ORDERS, ORDER))


def _look_ups(api: Api) -> Figure:
    target = target_of(api)
    return lambda: _p95(target, target.get(LOOK_UP))


async def _p95(target: Target, request: bytes) -> float:
    """Milliseconds of the slowest twentieth at a fixed rate; each request's time begins when it was due."""
    count, seconds = int(OTHERS_PER_SECOND * SECONDS), []
    connection = await connect(target)
    start = time.perf_counter()
    for number in range(count):
        due_at = start + number / OTHERS_PER_SECOND
        await asyncio.sleep(max(0.0, due_at - time.perf_counter()))
        status, _ = await connection.request(request)
        assert status in (200, 201), status
        seconds.append(time.perf_counter() - due_at)
    connection.close()
    return percentile(seconds, 0.95)


def _greedy(kind: Kind, api: Api) -> Greed:
    return lambda: greedy(kind, api)


def _job(api: Api) -> Figure:
    """Milliseconds until a bulk retry of DELIVERIES deliveries is done."""

    async def figure() -> float:
        began = time.perf_counter()
        opened = (await api.post("/webhooks/retry", {"filter": {"status": "success"}})).json()
        path = f"/webhook-jobs/{opened['job_id']}"

        async def is_done() -> bool:
            return bool((await api.get(path)).json()["state"] == "done")

        await eventually(is_done, timeout=120, interval=0.1, what="the other merchant's job")
        return (time.perf_counter() - began) * 1_000

    return figure


def _jobs(api: Api) -> Greed:
    @asynccontextmanager
    async def jobs() -> AsyncIterator[Counter[int]]:
        statuses: Counter[int] = Counter()
        for _ in range(JOBS_OPENED):
            statuses[(await api.post("/webhooks/retry", {"filter": {"status": "success"}})).status_code] += 1
        yield statuses

    return jobs


COPIES = """
INSERT INTO webhook_logs
SELECT (jsonb_populate_record(log, jsonb_build_object('id', gen_random_uuid(), 'event_id', log.event_id || '-' || n))).*
  FROM webhook_logs log, generate_series(1, $2) n
 WHERE log.merchant_id = $1 AND log.status = 'success'
"""


async def _deliveries(stack: Stack, api: Api, url: str) -> None:
    """DELIVERIES deliveries of the merchant that arrived, to be sent again by jobs: one real one and its copies."""
    endpoint = await api.post("/webhook-endpoints", {"url": url, "events": ["payment.success"], "ordering": "none"})
    assert endpoint.status_code == 201, endpoint.text
    await api.paid()

    async def has_arrived() -> bool:
        return bool((await api.get("/webhooks", status="success")).json()["total"])

    await eventually(has_arrived, timeout=60, what="the first delivery")
    connection = await asyncpg.connect(stack.database_url)
    merchant_id = (await api.get("/merchants/me")).json()["id"]
    await connection.execute(COPIES, merchant_id, DELIVERIES - 1)
    await connection.close()


def _print(compared: list[Compared]) -> None:
    print("what the greedy merchant uses   the others alone   beside it    ratio   its answers")
    for one in compared:
        alone, beside = statistics.median(one.before), statistics.median(one.during)
        met = "met" if one.ratio <= AIM else "NOT MET"
        print(f"{one.name:<28} {alone:>14.1f} ms {beside:>8.1f} ms {one.ratio:>8.2f}   {dict(one.greedy)}  {met}")


if __name__ == "__main__":
    main()
