"""`make bench`: throughput and latency of the whole gateway on this machine, measured in one run on a separate stack.

    python -m bench                      everything but the million rows, about three minutes
    python -m bench --million            the same again with 1,000,000 payments in the tables
    python -m bench --quick              a first look, half a minute

After each part `gateway verify` checks that nothing was lost; a difference ends the run with exit code 1. Figures of
one machine are for ratios between its own lines; docs/PERFORMANCE.md lists which were met and how.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import uvloop

from bench import REPOSITORY
from bench.bare import bare_lifecycles_per_second
from bench.measure import Latency, Throughput, latency, latency_alone, throughput
from bench.million import fill
from bench.processes import largest_python_megabytes
from ops.audit.verify.topic import EARLIER
from tests.support.stack import ALL_ROLES, Stack, running_stack

IN_FLIGHT = 128
MILLION = 1_000_000
VERIFY_SECONDS_MAX = 300


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the gateway on this machine.")
    parser.add_argument("--million", action="store_true", help="also with 1,000,000 payments in the tables")
    parser.add_argument("--quick", action="store_true", help="send a tenth of the requests")
    parser.add_argument("--no-ceiling", action="store_true", help="skip the bare ceiling")
    parser.add_argument("--in-flight", type=int, default=IN_FLIGHT, help="concurrent requests in the closed loop")
    chosen = parser.parse_args()
    os.environ["TEST_PROCESSING_DELAY"] = "0"
    with running_stack(roles=ALL_ROLES, env={"LOG_LEVEL": "warning"}) as stack:
        good = uvloop.run(_measure(stack, chosen))
    sys.exit(0 if good else 1)


async def _measure(stack: Stack, chosen: argparse.Namespace) -> bool:
    count = 1_000 if chosen.quick else 15_000
    seconds = 4 if chosen.quick else 15
    print(f"{os.cpu_count()} cores; load generator, all roles, PostgreSQL, Redis and Kafka included\n")
    await throughput(stack, in_flight=32, count=300)
    empty = await throughput(stack, in_flight=chosen.in_flight, count=count)
    _print_throughput(f"closed loop, {chosen.in_flight} in flight, bank delay 0", empty)
    _print_latency("1 in flight", await latency_alone(stack, count=count // 30))
    for per_second in (100, 200):
        _print_latency(f"{per_second}/s open loop", await latency(stack, per_second=per_second, seconds=seconds))
    print(f"largest of our processes: {largest_python_megabytes(stack):.0f} MB resident")
    good = verify(stack)
    if not chosen.no_ceiling:
        bare = await bare_lifecycles_per_second(
            stack, in_flight=chosen.in_flight, count=count, workers=_api_workers(stack)
        )
        print(f"bare ceiling                     {bare:8,.0f} lifecycles/s")
        print(f"share of the ceiling             {empty.lifecycles_per_second / bare:8.2f}")
    if chosen.million:
        good = await _with_a_million(stack, chosen, empty, count) and good
    return good


async def _with_a_million(stack: Stack, chosen: argparse.Namespace, empty: Throughput, count: int) -> bool:
    connection = await asyncpg.connect(stack.database_url)
    since = await connection.fetchval("SELECT now()")
    print("\nfilling the tables with 1,000,000 payments ...", flush=True)
    await fill(connection, MILLION)
    full = await throughput(stack, in_flight=chosen.in_flight, count=count)
    _print_throughput("the same with 1,000,000 payments in the tables", full)
    print(f"share of the empty tables' rate  {full.lifecycles_per_second / empty.lifecycles_per_second:8.2f}")
    good = verify(stack, "--since", since.isoformat())
    # The log continues from before the TRUNCATE, and `verify` starts to read it this much earlier than requested.
    await asyncio.sleep(EARLIER.total_seconds())
    await connection.execute("TRUNCATE orders, payments, refunds, commands, events, bank.ledger")
    since = await connection.fetchval("SELECT now()")
    truncated = await throughput(stack, in_flight=chosen.in_flight, count=count)
    _print_throughput("after a TRUNCATE under the live workers", truncated)
    print(f"share of the empty tables' rate  {truncated.lifecycles_per_second / empty.lifecycles_per_second:8.2f}")
    await connection.close()
    return verify(stack, "--since", since.isoformat()) and good


def verify(stack: Stack, *options: str) -> bool:
    """Run `gateway verify` on the stack; True if it found no difference."""
    command = [str(Path(sys.executable).with_name("gateway")), "verify", *options]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=dict(stack.env), capture_output=True, text=True, timeout=VERIFY_SECONDS_MAX,
        check=False,
    )  # fmt: skip
    print(done.stdout + done.stderr)
    return done.returncode == 0


def _api_workers(stack: Stack) -> int:
    return sum(name.startswith("api-") for name in stack.processes())


def _print_throughput(title: str, measured: Throughput) -> None:
    print(title)
    print(f"  full lifecycles                {measured.lifecycles_per_second:8,.0f} /s")
    print(f"  POST /payments                 p50 {measured.payment_p50_ms:.1f}  p99 {measured.payment_p99_ms:.1f} ms")
    busy = "  ".join(f"{role} {cores:.2f}" for role, cores in measured.cores.items() if cores >= 0.005)
    print(f"  cores                          {busy}")
    print(f"  answers                        {measured.statuses}", flush=True)


def _print_latency(title: str, measured: Latency) -> None:
    print(f"POST /payments, {title}")
    print(
        f"  p50 {measured.p50_ms:.1f}  p95 {measured.p95_ms:.1f}  p99 {measured.p99_ms:.1f}  "
        f"longest {measured.longest_ms:.1f} ms   accepted → succeeded p50 {measured.outcome_p50_ms:.1f}  "
        f"p95 {measured.outcome_p95_ms:.1f} ms   {measured.statuses}",
        flush=True,
    )


if __name__ == "__main__":
    main()
