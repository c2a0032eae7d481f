"""`python -m bench.peers`: the gateway and Kill Bill in turn, on one machine, on stacks of their own.

    two requests   an order, then its payment                 one request   both by one `POST /payments`
    Kill Bill      a purchase through its built-in payment method that accepts at once (bench/peers/kill_bill.py)

At each number in flight every side runs once a round, one after the other, so that disturbances affect all alike. A
payment of ours is accepted first and settled by the bank a little later: the next one is sent when this one is
accepted, and a run ends when all are settled. Kill Bill responds when the payment is done. Processor time is that of
all processes of a side, its PostgreSQL included, without the load generator. Both sides stay up while the other runs;
`gateway verify` and a count of Kill Bill's payments end it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable

import asyncpg
import uvloop

from bench.__main__ import verify
from bench.http import connect
from bench.load import closed_loop, percentile
from bench.measure import Watcher, target_of, until_settled
from bench.peers.kill_bill import KillBill, running_kill_bill
from bench.peers.race import PEER, Heat, Run, payments_in, shown, turns
from bench.processes import cpu_seconds_of, usage_by_role
from ops.console.errors import GatewayError
from tests.support.stack import ALL_ROLES, Stack, running_stack

TWO, ONE = "two requests", "one request"
QUIET = {"LOG_LEVEL": "warning"}
"""As Kill Bill's."""
LOAD = "load"
"""The load generator among the roles."""
WARM_UP_IN_FLIGHT = 16
DRAIN_SECONDS_MAX = 60.0
PAID = "SELECT count(*) FROM payment_transactions WHERE transaction_status = 'SUCCESS'"
NO_WEBHOOK_PEER = (
    "No webhook sender is raced: the Svix server is in no package registry (crates.io has its client library alone)."
)

Side = Callable[[int, int], Awaitable[Run]]
"""(in flight, payments) -> what the run was."""


def main() -> None:
    chosen = _chosen()
    os.environ["TEST_PROCESSING_DELAY"] = "0"
    try:
        good = _race(chosen)
    except GatewayError as error:
        sys.exit(str(error))
    sys.exit(0 if good else 1)


def _chosen() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description="The gateway and Kill Bill in turn.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=300, help="payments a round at 1 in flight; more above")
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--warm-up", type=int, default=4_000, help="payments of each side that are not measured")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _race(chosen: argparse.Namespace) -> bool:
    """False if a payment was lost on either side."""
    in_flight = max(WARM_UP_IN_FLIGHT, *chosen.in_flight)
    with running_kill_bill(in_flight=in_flight) as server, running_stack(roles=ALL_ROLES, env=QUIET) as stack:
        heats, paid = uvloop.run(_run(stack, server, chosen))
        complete = paid == _expected(heats, chosen.warm_up)
        with contextlib.redirect_stdout(sys.stderr):
            good = verify(stack)
    if chosen.json:
        print(json.dumps([heat.as_json() for heat in heats]))
    if not complete:
        print(f"Kill Bill paid {paid} payments, not {_expected(heats, chosen.warm_up)}.", file=sys.stderr)
    print(NO_WEBHOOK_PEER, file=sys.stderr)
    return good and complete


def _expected(heats: list[Heat], warm_up: int) -> int:
    return warm_up + sum(heat.count * len(heat.runs[PEER]) for heat in heats)


async def _run(stack: Stack, server: KillBill, chosen: argparse.Namespace) -> tuple[list[Heat], int]:
    """The heats, and how many payments Kill Bill has in its tables."""
    sides: dict[str, Side] = {
        TWO: lambda in_flight, count: run_ours(stack, in_flight, count, one_request=False),
        ONE: lambda in_flight, count: run_ours(stack, in_flight, count, one_request=True),
        PEER: lambda in_flight, count: run_kill_bill(server, in_flight, count),
    }
    for side, run in sides.items():
        await run(WARM_UP_IN_FLIGHT, chosen.warm_up if side == PEER else chosen.warm_up // 2)
    heats = []
    for in_flight in chosen.in_flight:
        heats.append(await _heat(sides, in_flight, chosen))
        if not chosen.json:
            print(shown(heats[-1]), end="\n\n", flush=True)
    connection = await asyncpg.connect(server.database_url)
    paid = await connection.fetchval(PAID)
    await connection.close()
    return heats, int(paid)


async def _heat(sides: dict[str, Side], in_flight: int, chosen: argparse.Namespace) -> Heat:
    count = payments_in(chosen.count, in_flight=in_flight)
    runs: dict[str, list[Run]] = {side: [] for side in sides}
    for order in turns(tuple(sides), rounds=chosen.rounds):
        for side in order:
            runs[side].append(await sides[side](in_flight, count))
    return Heat(in_flight, count, runs)


async def run_ours(stack: Stack, in_flight: int, count: int, *, one_request: bool) -> Run:
    """`count` lifecycles. Raises AssertionError if one was not accepted."""
    connection = await asyncpg.connect(stack.database_url)
    async with Watcher(stack) as watcher:
        before, began = _processor_seconds(stack), time.perf_counter()
        taken = await closed_loop(target_of(stack), in_flight=in_flight, count=count, one_request=one_request)
        await until_settled(connection)
        took = time.perf_counter() - began
        seconds = await watcher.seconds_to_outcome(taken.began_at)
        used = _processor_seconds(stack) - before
    await connection.close()
    assert taken.paid == count, f"{taken.paid} of {count} payments were accepted: {dict(taken.statuses)}"
    return _as_run(count, took, used, seconds)


def _processor_seconds(stack: Stack) -> float:
    return sum(usage.cpu_seconds for role, usage in usage_by_role(stack).items() if role != LOAD)


async def run_kill_bill(server: KillBill, in_flight: int, count: int) -> Run:
    """`count` purchases, each request in flight on an account of its own. Raises AssertionError if one failed."""
    left, seconds = iter(range(count)), []

    async def worker(account: str) -> None:
        connection = await connect(server.target)
        request = server.payment(account, amount="500.00", currency="INR")
        for _ in left:
            sent_at = time.perf_counter()
            status, body = await connection.request(request)
            seconds.append(time.perf_counter() - sent_at)
            assert status == 201, (status, body)
        connection.close()

    before, began = cpu_seconds_of(server.pids), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for account in server.accounts[:in_flight]:
            group.create_task(worker(account))
    took = time.perf_counter() - began
    await _until_drained(server)
    after = cpu_seconds_of(server.pids)
    return _as_run(count, took, sum(after.values()) - sum(before.values()), seconds)


async def _until_drained(server: KillBill) -> None:
    """Wait until its bus is empty: the work that a payment causes after its response is part of its cost."""
    connection = await asyncpg.connect(server.database_url)
    ends_at = time.monotonic() + DRAIN_SECONDS_MAX
    while await connection.fetchval("SELECT count(*) FROM bus_events"):
        if time.monotonic() > ends_at:
            raise RuntimeError(f"Kill Bill's bus was not empty after {DRAIN_SECONDS_MAX:.0f} s")
        await asyncio.sleep(0.05)
    await connection.close()


def _as_run(count: int, took: float, used: float, seconds: list[float]) -> Run:
    return Run(count / took, used / count * 1_000, percentile(seconds, 0.50), percentile(seconds, 0.95))


if __name__ == "__main__":
    main()
