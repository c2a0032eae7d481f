"""`python -m bench.growth`: the gateway with millions of payments in its tables, beside empty ones, in one run.

    empty tables ─► measured ─► filled by SQL, counted, on disk ─► measured again ─► `gateway verify` of what came after

On a stack of its own, on 127.0.0.1. Prints a table in Markdown; ends with 1 where verify finds a difference. Refuses to
begin without BYTES_EACH of disk space for each payment. What was filled in is not on the log, so `gateway verify` looks
at what came after it (`--since`).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import shutil
import statistics
import sys
import time
from dataclasses import dataclass

import asyncpg
import uvloop

from bench.__main__ import verify
from bench.measure import Latency, Throughput, latency, latency_alone, throughput
from bench.million import fill
from store.analytics.rollups import due_merchants
from store.connections import make_pool
from tests.support.api import Api
from tests.support.eventually import eventually
from tests.support.stack import ALL_ROLES, Stack, running_stack

BYTES_EACH = 10_000
"""Of disk for a payment, its events, inbox rows, indexes, and the WAL of filling them in."""
SPARE_BYTES = 4 << 30
WARM_UP = 3_000
"""Lifecycles before the first measurement: the second must not profit from a broker that has become warm."""
ROUNDS = 3
"""Of the closed loop, before and after; their median counts."""
REQUESTED = 20
QUESTIONS = {
    "list: 50 payments": {"limit": 50},
    "list: 50 that failed": {"limit": 50, "status": "FAILED"},
    "search: an id": {"limit": 50, "q": "pay_0000000003e8seed"},
    "search: an address": {"limit": 50, "q": "payer1234@upi"},
    "search: a text that nothing has": {"limit": 50, "q": "nothing-has-this"},
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One column of the table. `questions`: milliseconds, the median of REQUESTED requests over HTTP."""

    closed: Throughput
    alone: Latency
    steady: Latency
    questions: dict[str, float]
    database_bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description="Measure the gateway as it grows.")
    parser.add_argument("--payments", type=int, default=1_000_000)
    parser.add_argument("--lifecycles", type=int, default=10_000, help="in the closed loop of each half")
    chosen = parser.parse_args()
    os.environ["TEST_PROCESSING_DELAY"] = "0"
    roles = tuple(role for role in ALL_ROLES if role != "auditor")
    with running_stack(roles=roles, env={"LOG_LEVEL": "warning"}) as stack:
        refuse_without_space(stack, chosen.payments)
        good = uvloop.run(_measure(stack, chosen.payments, chosen.lifecycles))
    sys.exit(0 if good else 1)


def refuse_without_space(stack: Stack, payments: int) -> None:
    free, needed = shutil.disk_usage(stack.plan.run_dir).free, payments * BYTES_EACH + SPARE_BYTES
    if free < needed:
        sys.exit(f"{payments:,} payments need {needed / 1e9:.0f} GB of disk space, and {free / 1e9:.0f} GB are free.")


async def _measure(stack: Stack, payments: int, lifecycles: int) -> bool:
    connection = await asyncpg.connect(stack.database_url)
    await throughput(stack, in_flight=128, count=WARM_UP)
    empty = await _column(stack, connection, lifecycles)
    since = await connection.fetchval("SELECT now()")
    began = time.perf_counter()
    await fill(connection, payments)
    await _counted(stack)
    await _checkpoint(stack)
    filled_seconds = time.perf_counter() - began
    full = await _column(stack, connection, lifecycles)
    await connection.close()
    good = await asyncio.to_thread(verify, stack, "--since", since.isoformat())
    print(shown(empty, full, payments, filled_seconds))
    return good


async def _counted(stack: Stack) -> None:
    """Wait until the jobs role has what was filled in in its analytics: for a million payments it works for a minute
    at a third of a core, and a gateway that has grown by itself did that long ago."""

    async def is_counted() -> bool:
        return not await due_merchants(pool)

    pool = await make_pool(stack.settings, size=1)
    try:
        await eventually(is_counted, timeout=1_800, interval=1.0, what="the analytics to be up to date")
    finally:
        pool.terminate()


async def _checkpoint(stack: Stack) -> None:
    """Write what was filled in to disk, so that what is measured afterwards does not pay for it."""
    password = (stack.plan.run_dir / "postgres" / "superuser-password").read_text(encoding="utf-8")
    connection = await asyncpg.connect(stack.database_url, user="postgres", password=password)
    try:
        await connection.execute("CHECKPOINT", timeout=600)
    finally:
        await connection.close()


async def _column(stack: Stack, connection: asyncpg.Connection, lifecycles: int) -> Measured:
    rounds = [await throughput(stack, in_flight=128, count=lifecycles) for _ in range(ROUNDS)]
    closed = sorted(rounds, key=lambda one: one.lifecycles_per_second)[ROUNDS // 2]
    alone = await latency_alone(stack, count=max(100, lifecycles // 30))
    steady = await latency(stack, per_second=100, seconds=max(5, lifecycles / 1_000))
    questions = await _questions(stack)
    size = await connection.fetchval("SELECT pg_database_size(current_database())")
    return Measured(closed, alone, steady, questions, size)


async def _questions(stack: Stack) -> dict[str, float]:
    secret = stack.settings.test_api_secret.get_secret_value()
    async with Api(stack.api_url, stack.settings.test_api_key, secret) as api:
        return {name: await _median_ms(api, parameters) for name, parameters in QUESTIONS.items()}


async def _median_ms(api: Api, parameters: dict[str, object]) -> float:
    taken = []
    for _ in range(REQUESTED):
        began = time.perf_counter()
        response = await api.get("/payments", **parameters)
        taken.append((time.perf_counter() - began) * 1_000)
        assert response.status_code == 200, response.text
    return statistics.median(taken)


def shown(empty: Measured, full: Measured, payments: int, filled_seconds: float) -> str:
    """The table, with the share of the empty tables' rate: above 1 is better."""
    rate, before = full.closed.lifecycles_per_second, empty.closed.lifecycles_per_second
    rows = [
        ("lifecycles/s, 128 in flight", f"{before:,.0f}", f"{rate:,.0f}", f"{rate / before:.2f}"),
        _time("processor a lifecycle, ms", _processor_ms(empty.closed), _processor_ms(full.closed)),
        _time("of it PostgreSQL, ms", _processor_ms(empty.closed, "postgres"), _processor_ms(full.closed, "postgres")),
        _time("POST /payments p50, 1 in flight, ms", empty.alone.p50_ms, full.alone.p50_ms),
        _time("POST /payments p50, 100/s, ms", empty.steady.p50_ms, full.steady.p50_ms),
        _time("POST /payments p99, 100/s, ms", empty.steady.p99_ms, full.steady.p99_ms),
        *(_time(f"{name}, ms", empty.questions[name], taken) for name, taken in full.questions.items()),
        ("database, MB", f"{empty.database_bytes / 1e6:,.0f}", f"{full.database_bytes / 1e6:,.0f}", ""),
    ]
    lines = [f"| | empty | {payments:,} payments | share |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    each = (full.database_bytes - empty.database_bytes) / payments
    largest_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1_000
    lines.append(
        f"\n{each:,.0f} bytes a payment; filled in {filled_seconds:,.0f} s; `gateway verify` "
        f"took at most {largest_mb:,.0f} MB"
    )
    return "\n".join(lines)


def _processor_ms(closed: Throughput, part: str = "") -> float:
    """Of all parts but the load generator, or of one, for each lifecycle."""
    cores = sum(busy for name, busy in closed.cores.items() if name == part or (not part and name != "load"))
    return cores / closed.lifecycles_per_second * 1_000


def _time(name: str, empty: float, full: float) -> tuple[str, str, str, str]:
    return name, f"{empty:.2f}", f"{full:.2f}", f"{empty / full:.2f}" if full else ""


if __name__ == "__main__":
    main()
