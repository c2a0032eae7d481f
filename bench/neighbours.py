"""`python -m bench.neighbours`: the cost of a merchant at full speed for the others, resource by resource.

    requests   the greedy merchant creates orders, as fast as answers come      the others' POST /orders
    lookups    it searches its payments                                         the others' GET /payments
    streams    it opens live feeds, a thousand of them                          the others' POST /orders, and their feed
    jobs       it opens as many bulk retries as it may                          the time until another's job is done

Each figure is taken twice in turn, without and with the greedy merchant, ROUNDS times. The table shows the p95 over the
requests of all rounds, and the median of the jobs. The quotas match this machine's capacity (--per-minute): a quota
above it protects nobody. The load generator, all roles and all services share the machine; the greedy merchant is a
process (bench/greedy.py).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
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
RESOURCES = ("requests", "look-ups", "streams", "jobs")
JOBS_OPENED = 50
DELIVERIES = 300
"""For each merchant: the deliveries that a job resends, three rounds of a forwarder's chunk."""


Figure = Callable[[], Awaitable[list[float]]]
"""Seconds of each request or job."""
Greed = Callable[[], Any]


@dataclass(slots=True)
class Compared:
    """One resource: the others' times, in seconds, alone and beside the greedy merchant; and its responses."""

    name: str
    share: float
    """Of the times, at most as long as the figure that is compared."""
    before: list[float] = field(default_factory=list)
    during: list[float] = field(default_factory=list)
    greedy: Counter[int] = field(default_factory=Counter)

    @property
    def figures(self) -> tuple[float, float]:
        """Milliseconds: alone, and beside the greedy merchant."""
        return percentile(self.before, self.share), percentile(self.during, self.share)

    @property
    def ratio(self) -> float:
        alone, beside = self.figures
        return beside / alone


@dataclass(frozen=True, slots=True)
class Merchants:
    """Two merchants of one stack."""

    greedy: Api
    other: Api


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.neighbours", description="Measure what neighbours cost.")
    parser.add_argument("--per-minute", type=int, default=600, help="a merchant's quota of requests and of look-ups")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", nargs="+", choices=RESOURCES, default=RESOURCES, metavar="RESOURCE")
    chosen = parser.parse_args()
    quotas = {
        "RATE_LIMIT_MERCHANT_PER_MINUTE": str(chosen.per_minute * 2),
        "RATE_LIMIT_LOOKUPS_PER_MINUTE": str(chosen.per_minute),
        "LOG_LEVEL": "warning",
    }
    with running_stack(roles=ALL_ROLES, env=quotas) as stack:
        compared = uvloop.run(_measure(stack, chosen.rounds, chosen.only))
    _print(compared)
    sys.exit(0 if all(one.ratio <= AIM for one in compared) else 1)


async def _measure(stack: Stack, rounds: int, resources: Sequence[str]) -> list[Compared]:
    async with await signed_up(stack) as greedy, await signed_up(stack) as other, receiver() as server:
        merchants = Merchants(greedy, other)
        compared = [Compared(name, 0.5 if name == "jobs" else 0.95) for name in resources]
        for api in (greedy, other):
            await _deliveries(stack, api, server.url())
        for _ in range(rounds):
            for one in compared:
                await _compare(one, *_figures(one.name, merchants))
    return compared


def _figures(resource: str, merchants: Merchants) -> tuple[Figure, Greed]:
    match resource:
        case "requests":
            return _orders(merchants.other), _greedy("orders", merchants.greedy)
        case "look-ups":
            return _look_ups(merchants.other), _greedy("look-ups", merchants.greedy)
        case "streams":
            return _orders(merchants.other), _greedy("feeds", merchants.greedy)
        case _:
            return _job(merchants.other), _jobs(merchants.greedy)


async def _compare(compared: Compared, figure: Figure, greed: Greed) -> None:
    compared.before += await figure()
    async with greed() as statuses:
        await asyncio.sleep(BEGUN_SECONDS)
        compared.during += await figure()
    compared.greedy.update(statuses)


def _orders(api: Api) -> Figure:
    target = target_of(api)
    return lambda: _times(target, target.post(ORDERS, ORDER))


def _look_ups(api: Api) -> Figure:
    target = target_of(api)
    return lambda: _times(target, target.get(LOOK_UP))


async def _times(target: Target, request: bytes) -> list[float]:
    """Seconds of each request at a fixed rate; a request's time begins when it was due."""
    count, taken = int(OTHERS_PER_SECOND * SECONDS), list[float]()
    connection = await connect(target)
    start = time.perf_counter()
    for number in range(count):
        due_at = start + number / OTHERS_PER_SECOND
        await asyncio.sleep(max(0.0, due_at - time.perf_counter()))
        status, _ = await connection.request(request)
        assert status in (200, 201), status
        taken.append(time.perf_counter() - due_at)
    connection.close()
    return taken


def _greedy(kind: Kind, api: Api) -> Greed:
    return lambda: greedy(kind, api)


def _job(api: Api) -> Figure:
    """Seconds until a bulk retry of DELIVERIES deliveries is done."""

    async def figure() -> list[float]:
        began = time.perf_counter()
        opened = (await api.post("/webhooks/retry", {"filter": {"status": "success"}})).json()
        path = f"/webhook-jobs/{opened['job_id']}"

        async def is_done() -> bool:
            return bool((await api.get(path)).json()["state"] == "done")

        await eventually(is_done, timeout=120, interval=0.1, what="the other merchant's job")
        return [time.perf_counter() - began]

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
        alone, beside = one.figures
        met = "met" if one.ratio <= AIM else "NOT MET"
        print(f"{one.name:<28} {alone:>14.1f} ms {beside:>8.1f} ms {one.ratio:>8.2f}   {dict(one.greedy)}  {met}")


if __name__ == "__main__":
    main()
