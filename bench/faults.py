"""The faults of `make chaos`: each is applied to a running stack and undone before it returns.

kill-<role>        SIGKILL of one worker; the runner starts it again
zombie-<role>      SIGSTOP longer than the consumer group's session, then SIGCONT: a worker that believes it owns
hang-<service>     SIGSTOP of a service, as when its machine stalls, then SIGCONT
restart-…          the service ends by this signal and starts again on its data
redis-flush        everything in Redis is gone
postgres-full      every free connection of PostgreSQL is taken for a while
partition-…        packets to and from a service are dropped for longer than a session, then pass again (root, iptables)
slow-disk          PostgreSQL's fsync takes 200 ms longer (root, strace)
disk-full          no room on the disk of all services, then room again (root)
clock-…            the roles' clock jumps by an hour and back (faketime)
two-…              two faults at the same moment
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg
import redis.asyncio

from bench.outside import full_disk, hang, partition, slow_disk, step_clock
from bench.sites import Site, tool_missing
from tests.support.stack import ALL_ROLES, Stack

ZOMBIE_SECONDS = {"payments-0": 20.0} | dict.fromkeys(
    ("processor-0", "jobs-0", "planner-0", "dispatcher-0", "forwarder-0"), 14.0
)
"""Longer than the session timeouts: 15 s of the Faust worker, 10 s of the aiokafka roles."""
HANG_SECONDS = {"kafka": 5.0, "redis": 4.0, "postgres": 5.0}
FULL_SECONDS = 4.0
CONNECTIONS_MAX = 250
PARTITIONS = (("kafka", "KAFKA_PORT", 12.0), ("redis", "REDIS_PORT", 8.0), ("postgres", "POSTGRES_PORT", 8.0))


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `seconds`: how long the load runs around it."""

    name: str
    seconds: float
    inject: Callable[[Stack], Awaitable[None]]
    site: Site = Site.PLAIN
    tool: str | None = None

    def missing(self) -> str | None:
        """Why it is not possible on this machine, or None."""
        return self.site.missing() or (tool_missing(self.tool) if self.tool else None)


def _kill(role: str) -> Fault:
    async def inject(stack: Stack) -> None:
        await asyncio.to_thread(stack.kill, role)

    return Fault(f"kill-{role}", 8, inject)


def _zombie(name: str, seconds: float) -> Fault:
    async def inject(stack: Stack) -> None:
        await asyncio.to_thread(stack.freeze, name)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(stack.thaw, name)

    return Fault(f"zombie-{name.rpartition('-')[0]}", seconds + 8, inject)


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


def _both(*names: str) -> Callable[[Stack], Awaitable[None]]:
    async def inject(stack: Stack) -> None:
        await asyncio.gather(*(FAULTS[name].inject(stack) for name in names))

    return inject


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("none", 6, lambda _stack: asyncio.sleep(0)),
        *(_kill(role) for role in ALL_ROLES),
        *(_zombie(name, seconds) for name, seconds in ZOMBIE_SECONDS.items()),
        *(Fault(f"hang-{name}", seconds + 8, hang(name, seconds)) for name, seconds in HANG_SECONDS.items()),
        _restart("kafka", "kill"),
        _restart("kafka", "term"),
        _restart("postgres", "immediate"),
        _restart("postgres", "fast"),
        _restart("redis", "kill"),
        Fault("redis-flush", 8, _flush),
        Fault("postgres-full", 14, _take_all_connections),
        *(
            Fault(f"partition-{service}", seconds + 12, partition(port, seconds), tool="iptables")
            for service, port, seconds in PARTITIONS
        ),
        Fault("slow-disk", 16, slow_disk("postgres", 10), tool="strace"),
        Fault("two-kafka-and-payments", 16, _both("restart-kafka-kill", "kill-payments")),
        Fault("two-redis-and-api", 8, _both("redis-flush", "kill-api")),
        Fault("clock-forward", 20, step_clock(3_600, 8), site=Site.CLOCK),
        Fault("clock-back", 20, step_clock(-3_600, 8), site=Site.CLOCK),
        Fault("disk-full", 40, full_disk(6), site=Site.SMALL_DISK),
    )
}
