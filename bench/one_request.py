"""`python -m bench.one_request`: an order and its payment by one request beside two, on a stack of its own.

Both ways in turn, at each number in flight, so that disturbances affect both alike; the output is the medians of the
rounds and their ratio. Processor time is that of all processes of the stack, PostgreSQL, Redis and Kafka among them,
without the load generator. `gateway verify` afterwards.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Sequence

import uvloop

from bench.__main__ import verify
from bench.measure import Throughput, latency_alone, throughput
from tests.support.stack import ALL_ROLES, Stack, running_stack

LOAD = "load"
"""The load generator among the roles."""
WARM_UP = 300


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.one_request", description="One request beside two.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=400, help="lifecycles a round at 1 in flight; more above")
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 16, 128])
    chosen = parser.parse_args()
    os.environ["TEST_PROCESSING_DELAY"] = "0"
    with running_stack(roles=ALL_ROLES, env={"LOG_LEVEL": "warning"}) as stack:
        uvloop.run(_measure(stack, chosen))
        good = verify(stack)
    sys.exit(0 if good else 1)


async def _measure(stack: Stack, chosen: argparse.Namespace) -> None:
    for one_request in (False, True):
        await throughput(stack, in_flight=32, count=WARM_UP, one_request=one_request)
    for in_flight in chosen.in_flight:
        count = chosen.count * max(1, min(in_flight, 16) // 2)
        two: list[Throughput] = []
        one: list[Throughput] = []
        for _ in range(chosen.rounds):
            two.append(await throughput(stack, in_flight=in_flight, count=count))
            one.append(await throughput(stack, in_flight=in_flight, count=count, one_request=True))
        print(f"{in_flight} in flight, {count} lifecycles, {chosen.rounds} rounds of each")
        _print("lifecycles/s", *([run.lifecycles_per_second for run in runs] for runs in (two, one)))
        _print("processor ms a lifecycle", *([_processor_ms(run) for run in runs] for runs in (two, one)))
        for role in sorted(two[0].cores, key=lambda role: -two[0].cores[role]):
            if role != LOAD and two[0].cores[role] >= 0.02:
                _print(f"  {role}", *([_processor_ms(run, role) for run in runs] for runs in (two, one)))
    outcomes: list[list[float]] = [[], []]
    for _ in range(chosen.rounds):
        for runs, one_request in zip(outcomes, (False, True), strict=True):
            runs.append((await latency_alone(stack, count=chosen.count // 4, one_request=one_request)).outcome_p50_ms)
    _print("payment sent → succeeded alone, p50 ms", *outcomes)


def _processor_ms(run: Throughput, role: str | None = None) -> float:
    cores = sum(cores for name, cores in run.cores.items() if (name == role if role else name != LOAD))
    return cores / run.lifecycles_per_second * 1_000


def _print(what: str, two: Sequence[float], one: Sequence[float]) -> None:
    """Medians: two requests, one request, one as a share of two."""
    before, after = statistics.median(two), statistics.median(one)
    print(f"  {what:40} {before:9.2f} {after:9.2f} {after / before:7.2f}", flush=True)


if __name__ == "__main__":
    main()
