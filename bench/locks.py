"""The cost of TLS and users: processor time of a lifecycle with and without them, measured alternately.

    python -m bench.locks [--rounds 4] [--count 2000] [--in-flight 50] [--quick-broker]

Two gateways run at once, and one of them works at a time. Only processor time is compared, of each stack's own
processes: elapsed time would include the machine's other work. Both brokers have Java's optimizing compiler, as any
broker outside a local stack: without it Java does not use the processor's instructions for AES.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import defaultdict
from collections.abc import Mapping
from statistics import median

from bench.measure import throughput
from bench.processes import cpu_seconds_of, usage_by_role
from tests.support.command import gateway
from tests.support.locked import locked_services
from tests.support.stack import Stack, running_stack

ROLES = ("api", "payments", "processor", "sweeper", "planner", "dispatcher", "forwarder", "jobs")
SERVICES = ("postgres", "redis", "kafka")
OPTIMIZED = {"KAFKA_JVM_OPTIONS": "-XX:TieredStopAtLevel=4"}
ENVIRONMENT = {"API_WORKERS": "1", "TEST_PROCESSING_DELAY": "0"}
Spent = Mapping[str, float]
"""Role or service -> milliseconds of processor time a lifecycle."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what TLS and users cost a lifecycle.")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--count", type=int, default=2_000, help="lifecycles a round")
    parser.add_argument("--in-flight", type=int, default=50, help="lifecycles at once")
    parser.add_argument("--quick-broker", action="store_true", help="run the brokers as `gateway up` does")
    options = parser.parse_args()
    broker = {} if options.quick_broker else OPTIMIZED
    with (
        locked_services(env=broker) as locked,
        running_stack(env={**locked.environment, **ENVIRONMENT}) as sealed,
        running_stack(env={**ENVIRONMENT, **broker}, roles=ROLES) as plain,
    ):
        assert asyncio.run(gateway(sealed, "topics", "acl", "--apply")).code == 0
        sealed.start(*ROLES)
        stacks = ((plain, service_pids(plain)), (sealed, locked.pids))
        asyncio.run(measure(*stacks, rounds=options.rounds, count=options.count, in_flight=options.in_flight))


async def measure(*stacks: tuple[Stack, Mapping[str, int]], rounds: int, count: int, in_flight: int) -> None:
    """Print the cost of a lifecycle on the first stack and the second, each with the process ids of its services."""
    for stack, services in stacks:
        await _round(stack, services, count, in_flight)  # connections, caches, plans
    rows: tuple[list[Spent], list[Spent]] = ([], [])
    for _ in range(rounds):
        for found, (stack, services) in zip(rows, stacks, strict=True):
            found.append(await _round(stack, services, count, in_flight))
    _print(*(_medians(found) for found in rows))


async def _round(stack: Stack, services: Mapping[str, int], count: int, in_flight: int) -> Spent:
    before = _spent(stack, services)
    await throughput(stack, in_flight=in_flight, count=count)
    after = _spent(stack, services)
    return {name: (after[name] - before[name]) * 1_000 / count for name in (*ROLES, *SERVICES)}


def _spent(stack: Stack, services: Mapping[str, int]) -> dict[str, float]:
    """Seconds since the start."""
    return {role: usage.cpu_seconds for role, usage in usage_by_role(stack).items()} | cpu_seconds_of(services)


def service_pids(stack: Stack) -> dict[str, int]:
    running = stack.processes()
    return {name: int(running[name]["pid"]) for name in SERVICES}


def _medians(found: list[Spent]) -> Spent:
    by_name: dict[str, list[float]] = defaultdict(list)
    for one in found:
        for name, value in one.items():
            by_name[name].append(value)
        by_name["our roles"].append(sum(one[role] for role in ROLES))
        by_name["everything"].append(sum(one.values()))
    return {name: median(values) for name, values in by_name.items()}


def _print(plain: Spent, sealed: Spent) -> None:
    print("processor time of a lifecycle, ms        plain    sealed")
    for name in plain:
        more = f"{(sealed[name] / plain[name] - 1) * 100:+8.1f} %" if plain[name] else ""
        print(f"  {name:<36} {plain[name]:8.2f}  {sealed[name]:8.2f} {more}")


if __name__ == "__main__":
    main()
