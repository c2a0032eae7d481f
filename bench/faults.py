"""The faults that `make chaos` knows: each is done to a running stack and undone before it returns.

kill-<role>        SIGKILL of one worker; the runner starts it again
zombie-<role>      SIGSTOP longer than the consumer group's session, then SIGCONT: a worker that believes it owns
hang-<service>     SIGSTOP of a service, as when its machine stalls, then SIGCONT
restart-…          the service ends by this signal and starts again on its data
redis-flush        everything in Redis is gone
postgres-full      every free connection of PostgreSQL is taken for a while
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg
import redis.asyncio

from tests.support.stack import Stack

ROLES = ("api", "payments", "processor", "jobs", "sweeper", "planner", "dispatcher", "forwarder")
ZOMBIE_SECONDS = {"payments-0": 20.0, "processor-0": 14.0}
"""Longer than the session time-outs: 15 s of the Faust worker, 10 s of the aiokafka roles."""
HANG_SECONDS = {"kafka": 5.0, "redis": 4.0, "postgres": 5.0}
FULL_SECONDS = 4.0
CONNECTIONS_MAX = 250


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `seconds`: how long the load goes on around it."""

    name: str
    seconds: float
    inject: Callable[[Stack], Awaitable[None]]


def _kill(role: str) -> Fault:
    async def inject(stack: Stack) -> None:
        await asyncio.to_thread(stack.kill, role)

    return Fault(f"kill-{role}", 8, inject)


def _stop_and_continue(name: str, said: str, seconds: float) -> Fault:
    async def inject(stack: Stack) -> None:
        await asyncio.to_thread(stack.freeze, name)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(stack.thaw, name)

    return Fault(said, seconds + 8, inject)


def _restart(service: str, mode: str) -> Fault:
    async def inject(stack: Stack) -> None:
        await asyncio.to_thread(stack.restart, service, mode)

    return Fault(f"restart-{service}-{mode}", 14, inject)


async def _flush(stack: Stack) -> None:
    async with redis.asyncio.from_url(stack.redis_url) as client:
        await client.flushall()


async def _take_all_connections(stack: Stack) -> None:
    taken: list[asyncpg.Connection] = []
    try:
        for _ in range(CONNECTIONS_MAX):
            taken.append(await asyncpg.connect(stack.database_url, timeout=5))
    except (asyncpg.PostgresError, OSError):
        await asyncio.sleep(FULL_SECONDS)
    finally:
        for connection in taken:
            connection.terminate()


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("none", 6, lambda _stack: asyncio.sleep(0)),
        *(_kill(role) for role in ROLES),
        *(
            _stop_and_continue(name, f"zombie-{name.rpartition('-')[0]}", seconds)
            for name, seconds in ZOMBIE_SECONDS.items()
        ),
        *(_stop_and_continue(name, f"hang-{name}", seconds) for name, seconds in HANG_SECONDS.items()),
        _restart("kafka", "kill"),
        _restart("kafka", "term"),
        _restart("postgres", "immediate"),
        _restart("postgres", "fast"),
        _restart("redis", "kill"),
        Fault("redis-flush", 8, _flush),
        Fault("postgres-full", 14, _take_all_connections),
    )
}
