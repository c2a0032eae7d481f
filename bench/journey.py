"""`python -m bench.journey`: the lookup of one payment on a log of a million events, on a separate stack.

250,000 payments are written into the tables by SQL and their events onto the log, half of them before and half after
one real payment. Then it is looked up as people do: `gateway journey`, `gateway topics tail` (the start of
Python, which `gateway --help` shows, is in both) and the API's timeline.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial

import asyncpg
import uvloop

from bench import REPOSITORY
from bench.million import fill
from tests.support.api import Api
from tests.support.stack import ALL_ROLES, Stack, running_stack
from topics.catalogue import EVENTS, partition_of
from topics.producer import LogProducer, Record

EVENTS_EACH = 4
STEP = 20_000
REQUESTED = 5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.journey", description="Measure looking up one payment.")
    parser.add_argument("--events", type=int, default=1_000_000)
    chosen = parser.parse_args()
    with running_stack(roles=ALL_ROLES) as stack:
        uvloop.run(_measure(stack, chosen.events))


async def _measure(stack: Stack, events: int) -> None:
    connection = await asyncpg.connect(stack.database_url)
    await fill(connection, events // EVENTS_EACH)
    producer = LogProducer(stack.settings, linger_ms=5)
    await producer.start()
    first = await _publish(connection, producer, stack, offset=0, limit=events // 2)
    secret = stack.settings.test_api_secret.get_secret_value()
    async with Api(stack.api_url, stack.settings.test_api_key, secret) as api:
        payment = await api.decided(f"/payments/{(await api.pay((await api.order())['id']))['id']}")
        second = await _publish(connection, producer, stack, offset=events // 2, limit=events)
        print(f"{first + second:,} events beside it on the log")
        path = f"/payments/{payment['id']}/timeline"
        times = [await _timed(partial(api.get, path)) for _ in range(4 * REQUESTED)]
    _print("GET timeline", times)
    for name, arguments in (
        ("gateway --help", ["--help"]),
        ("gateway journey", ["journey", payment["id"], "--json"]),
        ("gateway topics tail", ["topics", "tail", "--limit", "20", "--json"]),
    ):
        _print(name, [_run(stack, arguments) for _ in range(REQUESTED)])
    await producer.stop()
    await connection.close()


async def _publish(
    connection: asyncpg.Connection, producer: LogProducer, stack: Stack, *, offset: int, limit: int
) -> int:
    """Write rows of `events` to the log as the actor would; returns how many."""
    published = 0
    partitions = stack.settings.topic_partitions
    async with connection.transaction():
        rows = connection.cursor(
            "SELECT order_id, payload FROM events WHERE order_id LIKE '%seed' ORDER BY 1, sequence OFFSET $1 LIMIT $2",
            offset,
            limit - offset,
            prefetch=STEP,
        )
        batch: list[Record] = []
        async for row in rows:
            key = row["order_id"].encode()
            batch.append(Record(EVENTS, partition_of(key, partitions), key, row["payload"].encode()))
            if len(batch) == STEP:
                await producer.publish(batch, timeout=60)
                published += len(batch)
                batch.clear()
        await producer.publish(batch, timeout=60)
    return published + len(batch)


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


def _run(stack: Stack, arguments: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "ops.cli", *arguments],
        cwd=REPOSITORY,
        env=dict(stack.env),
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=60,
    )
    return time.perf_counter() - began


def _print(name: str, seconds: list[float]) -> None:
    print(
        f"{statistics.median(seconds) * 1_000:8.0f} ms median {max(seconds) * 1_000:8.0f} ms most   {name}", flush=True
    )


if __name__ == "__main__":
    main()
