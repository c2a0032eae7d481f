"""Measurements on a running stack: lifecycles a second, latency at a fixed rate, time to the outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from bench.http import Target
from bench.load import Taken, closed_loop, one_at_a_time, open_loop, percentile
from bench.processes import cores_used, usage_by_role
from domain.event import EventType
from store.redis.clients import make_subscriber
from store.redis.replies import payment_channel
from tests.support.stack import Stack

UNDECIDED = "SELECT count(*) FROM payments WHERE status IN ('CREATED', 'PROCESSING')"
SETTLE_SECONDS_MAX = 180.0
SUCCEEDED = EventType.PAYMENT_SUCCESS.encode()


@dataclass(frozen=True, slots=True)
class Throughput:
    """One closed-loop run, settlements included. Latencies in milliseconds."""

    lifecycles_per_second: float
    payment_p50_ms: float
    payment_p99_ms: float
    cores: dict[str, float]
    statuses: dict[int, int]


@dataclass(frozen=True, slots=True)
class Latency:
    """POST /payments, milliseconds; `outcome_*`: from the request to the success seen by a live watcher."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    longest_ms: float
    outcome_p50_ms: float
    outcome_p95_ms: float
    statuses: dict[int, int]
    broken: int


def target_of(stack: Stack) -> Target:
    settings = stack.settings
    key, secret = settings.test_api_key, settings.test_api_secret.get_secret_value()
    return Target.of(stack.api_url, {"X-Api-Key": key, "X-Api-Secret": secret})


async def throughput(stack: Stack, *, in_flight: int, count: int, one_request: bool = False) -> Throughput:
    """`count` lifecycles as fast as they go; the clock stops when the last payment is settled.

    `one_request`: each order is created with its payment.
    """
    connection = await asyncpg.connect(stack.database_url)
    before, began = usage_by_role(stack), time.perf_counter()
    taken = await closed_loop(target_of(stack), in_flight=in_flight, count=count, one_request=one_request)
    await until_settled(connection)
    took = time.perf_counter() - began
    cores = cores_used(before, usage_by_role(stack), took)
    await connection.close()
    assert taken.paid == count, f"{taken.paid} of {count} payments were accepted: {dict(taken.statuses)}"
    return Throughput(
        lifecycles_per_second=count / took,
        payment_p50_ms=percentile(taken.payment_seconds, 0.50),
        payment_p99_ms=percentile(taken.payment_seconds, 0.99),
        cores=cores,
        statuses=dict(taken.statuses),
    )


async def latency(stack: Stack, *, per_second: float, seconds: float) -> Latency:
    """An open loop: every request is sent when it is due, whatever the result of the previous one."""
    async with Watcher(stack) as watcher:
        taken = await open_loop(target_of(stack), per_second=per_second, seconds=seconds)
        outcomes = await watcher.seconds_to_outcome(taken.payment_sent_at)
    return _latency(taken, outcomes)


async def latency_alone(stack: Stack, *, count: int, one_request: bool = False) -> Latency:
    """One request in flight."""
    async with Watcher(stack) as watcher:
        taken = await one_at_a_time(target_of(stack), count=count, one_request=one_request)
        outcomes = await watcher.seconds_to_outcome(taken.payment_sent_at)
    return _latency(taken, outcomes)


async def until_settled(connection: asyncpg.Connection) -> None:
    """Wait until no payment is undecided. Raises after SETTLE_SECONDS_MAX."""
    ends_at = time.monotonic() + SETTLE_SECONDS_MAX
    while await connection.fetchval(UNDECIDED):
        if time.monotonic() > ends_at:
            raise RuntimeError(f"payments are still undecided after {SETTLE_SECONDS_MAX:.0f} s")
        await asyncio.sleep(0.02)


def _latency(taken: Taken, outcomes: list[float]) -> Latency:
    seconds = taken.payment_seconds
    return Latency(
        p50_ms=percentile(seconds, 0.50),
        p95_ms=percentile(seconds, 0.95),
        p99_ms=percentile(seconds, 0.99),
        longest_ms=percentile(seconds, 1.0),
        outcome_p50_ms=percentile(outcomes, 0.50),
        outcome_p95_ms=percentile(outcomes, 0.95),
        statuses=dict(taken.statuses),
        broken=taken.broken,
    )


class Watcher:
    """Observes successes on the channels that feed the checkout."""

    def __init__(self, stack: Stack) -> None:
        self._client = make_subscriber(stack.settings)
        self._succeeded_at: dict[str, float] = {}

    async def __aenter__(self) -> Watcher:
        self._channel = self._client.pubsub()
        await self._channel.psubscribe(payment_channel("*"))
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._task.cancel()
        await self._channel.aclose()  # type: ignore[no-untyped-call]
        await self._client.aclose()

    async def _watch(self) -> None:
        async for message in self._channel.listen():
            if message["type"] == "pmessage" and message["data"] == SUCCEEDED:
                payment_id = message["channel"].decode().removeprefix(payment_channel(""))
                self._succeeded_at.setdefault(payment_id, time.perf_counter())

    async def seconds_to_outcome(self, since: Mapping[str, float]) -> list[float]:
        """For each payment, from `since` (id -> perf_counter) on; waits for the last of them."""
        ends_at = time.monotonic() + SETTLE_SECONDS_MAX
        while not since.keys() <= self._succeeded_at.keys():
            if time.monotonic() > ends_at:
                raise RuntimeError("some payments were never seen to succeed")
            await asyncio.sleep(0.02)
        return [self._succeeded_at[payment] - began_at for payment, began_at in since.items()]
