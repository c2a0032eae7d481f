"""What a stack costs while nothing happens: processor time and wakes by role, queries of PostgreSQL and Redis.

    .venv/bin/python -m bench.idle [--seconds 30] [--json]

Starts a stack of its own with every role but the pages, makes one payment, lets it rest and counts from /proc. A wake
is the end of a voluntary context switch. The counting itself queries PostgreSQL and Redis twice in all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass

import asyncpg
from redis.asyncio import Redis

from bench.processes import Usage, usage_by_role
from ops.stack.smoke import pay_once
from tests.support.stack import ALL_ROLES, Stack, running_stack

REST_SECONDS = 15.0
"""Between the payment and the count. The broker's just-in-time compiler and the roles' start-up work finish in that
time."""
NOT_OURS = frozenset({"load"})


@dataclass(frozen=True, slots=True)
class Idle:
    """A second of idling. Milliseconds of processor time and wakes by role; PostgreSQL transactions, Redis commands."""

    seconds: float
    cpu_ms: dict[str, float]
    wakes: dict[str, float]
    transactions: float
    commands: float

    @property
    def all_ms(self) -> float:
        return sum(self.cpu_ms.values())

    @property
    def without_kafka_ms(self) -> float:
        return self.all_ms - self.cpu_ms.get("kafka", 0.0)


@dataclass(frozen=True, slots=True)
class Count:
    """Everything that is counted, at one moment."""

    at: float
    usage: dict[str, Usage]
    transactions: int
    commands: int


async def idle(stack: Stack, *, seconds: float) -> Idle:
    """Count twice, `seconds` apart."""
    before = await count(stack)
    await asyncio.sleep(seconds)
    return between(before, await count(stack))


async def count(stack: Stack) -> Count:
    usage = usage_by_role(stack)
    database = await asyncpg.connect(stack.database_url)
    try:
        transactions = await database.fetchval("SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database")
    finally:
        await database.close()
    async with Redis.from_url(stack.redis_url) as redis:
        commands = (await redis.info("stats"))["total_commands_processed"]
    return Count(time.monotonic(), usage, int(transactions), int(commands))


def between(before: Count, after: Count) -> Idle:
    """The cost of a second between two counts. A role that was not running before is omitted."""
    seconds = after.at - before.at
    roles = sorted((before.usage.keys() & after.usage.keys()) - NOT_OURS)
    return Idle(
        seconds,
        {role: (after.usage[role].cpu_seconds - before.usage[role].cpu_seconds) * 1_000 / seconds for role in roles},
        {role: (after.usage[role].sleeps - before.usage[role].sleeps) / seconds for role in roles},
        (after.transactions - before.transactions) / seconds,
        (after.commands - before.commands) / seconds,
    )


def shown(result: Idle) -> str:
    rows = [
        f"{role:<12} {milliseconds:>8.1f} {result.wakes[role]:>8.0f}"
        for role, milliseconds in sorted(result.cpu_ms.items(), key=lambda item: -item[1])
    ]
    return "\n".join(
        (
            f"{'':<12} {'cpu ms/s':>8} {'wakes/s':>8}",
            *rows,
            f"{'all':<12} {result.all_ms:>8.1f} {sum(result.wakes.values()):>8.0f}",
            f"{'but kafka':<12} {result.without_kafka_ms:>8.1f}",
            f"PostgreSQL {result.transactions:.1f} transactions/s, Redis {result.commands:.1f} commands/s",
        )
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--seconds", type=float, default=30.0)
    arguments.add_argument("--json", action="store_true")
    chosen = arguments.parse_args()
    with running_stack(roles=ALL_ROLES) as stack:
        sys.stderr.writelines(f"{line}\n" for line in pay_once(stack.settings))
        time.sleep(REST_SECONDS)
        result = asyncio.run(idle(stack, seconds=chosen.seconds))
    print(json.dumps(asdict(result)) if chosen.json else shown(result))


if __name__ == "__main__":
    main()
