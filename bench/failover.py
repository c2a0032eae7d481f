"""`make failover-test`: every redundant process dies under load, one after another, and then a whole machine.

    2 PostgreSQL under Patroni, 3 etcd, 3 brokers, 2 actors, 2 APIs ── load ────────────────────► every 2xx looked up
            standby ─ etcd's leader ─ broker ─ primary ─ machine      each: SIGKILL, down, back        ─ settle ─ verify

A machine is a primary, a member of etcd, a broker, an actor and an API worker; single roles are killed with it and
restart at once, as on another machine. Each fault begins when everything is whole again.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg

from bench.drill import audited
from ops.console.environment import ETCD_MEMBERS
from ops.console.errors import GatewayError
from ops.console.local_http import call
from ops.stack.install import CannotInstallError
from ops.stack.services.etcd import client_url, member_name
from ops.stack.services.kafka import broker_name
from ops.stack.services.patroni import node_name, node_url
from tests.support.eventually import eventually
from tests.support.load import Load
from tests.support.stack import ALL_ROLES, Stack, running_stack
from topics.admin import admin_client

NODES, BROKERS = 2, 3
ENVIRONMENT = {
    "POSTGRES_NODES": str(NODES),
    "KAFKA_BROKERS": str(BROKERS),
    "ACTOR_WORKERS": "2",
    "API_WORKERS": "2",
    "PAYMENT_DEADLINE_SECONDS": "5",
}
ROLES = tuple(role for role in ALL_ROLES if role != "auditor")
SINGLE_ROLES = tuple(role for role in ROLES if role not in ("api", "payments"))
PROMISES_BETWEEN = 60
RECOVERED_SECONDS = 90.0
WHOLE_SECONDS = 90.0
DECIDED = """
SELECT at
  FROM events
 WHERE at >= $1
 ORDER BY at
"""
"""events_at"""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is killed. `down` stays so until the gateway has recovered; `restarted` restarts automatically."""

    name: str
    down: Callable[[Stack], list[str]]
    restarted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Struck:
    """One fault. Seconds without a decision, and without a successful response to any client."""

    name: str
    killed: str
    undecided_seconds: float
    silent_seconds: float


@dataclass(frozen=True, slots=True)
class Survived:
    """The results of all of them."""

    struck: list[Struck]
    promises: int
    broken: list[str]
    unavailable: int


def primary(stack: Stack) -> str:
    return _of_role(stack, "leader")


def standby(stack: Stack) -> str:
    return _of_role(stack, "sync_standby")


def etcd_leader(stack: Stack) -> str:
    """The member that the others follow."""
    for number in range(1, ETCD_MEMBERS + 1):
        status = call("POST", f"{client_url(stack.plan, number)}/v3/maintenance/status", body={}).body
        if status.get("leader") == status["header"]["member_id"]:
            return member_name(number)
    raise GatewayError("etcd has no leader")


def machine(stack: Stack) -> list[str]:
    """The primary's, with one of everything else."""
    number = node_numbers(stack)[primary(stack)]
    return [node_name(number), member_name(number), broker_name(number), "payments-1", "api-1"]


FAULTS = (
    Fault("standby", lambda stack: [standby(stack)]),
    Fault("etcd's leader", lambda stack: [etcd_leader(stack)]),
    Fault("broker", lambda _stack: [broker_name(3)]),
    Fault("primary", lambda stack: [primary(stack)]),
    Fault("machine", machine, SINGLE_ROLES),
)


async def failover(stack: Stack, *, seed: int, faults: Sequence[Fault] = FAULTS) -> Survived:
    """Raises AssertionError if the gateway does not recover, a response is wrong, or `gateway verify` finds
    anything."""
    load, struck = Load(stack, seed=seed), []
    async with load.running():
        for fault in faults:
            await _whole(stack)
            await _goes_on(load)
            struck.append(await _strike(stack, load, fault))
        await _whole(stack)
    assert not load.wrong, load.wrong[:5]
    broken = await audited(stack, load)
    unavailable = sum(count for status, count in load.statuses.items() if status.endswith((" 503", " none")))
    return Survived(struck, len(load.promises), broken, unavailable)


async def _strike(stack: Stack, load: Load, fault: Fault) -> Struck:
    down = await asyncio.to_thread(fault.down, stack)
    print(f"  {fault.name}: SIGKILL to {', '.join([*down, *fault.restarted])}", flush=True)
    began, began_at = time.monotonic(), datetime.now(UTC)
    async with asyncio.TaskGroup() as killing:
        for name in down:
            killing.create_task(asyncio.to_thread(stack.hold, name, "kill"))
        for role in fault.restarted:
            killing.create_task(asyncio.to_thread(stack.kill, role))
    await _goes_on(load)
    undecided = await _undecided_seconds(stack, began_at)
    silent = _longest([began, *(at for at in load.responded_at if at >= began)])
    for name in down:
        await asyncio.to_thread(stack.release, name)
    return Struck(fault.name, ", ".join(down), undecided, silent)


async def _undecided_seconds(stack: Stack, began_at: datetime) -> float:
    """The longest time without an event since then; returns once events come again."""

    async def decided() -> list[datetime]:
        try:
            database = await asyncpg.connect(stack.database_url, timeout=2)
        except (OSError, asyncpg.PostgresError, asyncpg.InternalClientError):
            return []
        try:
            found = [row["at"] for row in await database.fetch(DECIDED, began_at, timeout=5)]
        finally:
            database.terminate()
        return found if len(found) > PROMISES_BETWEEN else []

    found = await eventually(decided, timeout=RECOVERED_SECONDS, interval=0.5, what="decisions after the fault")
    return _longest([began_at.timestamp(), *(at.timestamp() for at in found)])


def _longest(moments: Sequence[float]) -> float:
    return max((later - earlier for earlier, later in itertools.pairwise(moments)), default=0.0)


async def _goes_on(load: Load) -> None:
    promised_min = len(load.promises) + PROMISES_BETWEEN
    await eventually(
        lambda: len(load.promises) >= promised_min,
        timeout=RECOVERED_SECONDS,
        interval=0.1,
        what="requests to be answered",
    )


async def _whole(stack: Stack) -> None:
    """Fully redundant again: each process runs as often as it should, and has all data."""

    async def is_whole() -> bool:
        try:
            await asyncio.to_thread(standby, stack)
            await asyncio.to_thread(etcd_leader, stack)
        except GatewayError:
            return False
        return await _replicated(stack)

    await eventually(is_whole, timeout=WHOLE_SECONDS, interval=0.5, what="every part to be whole again")
    await asyncio.to_thread(stack.wait_until_ready)


async def _replicated(stack: Stack) -> bool:
    """Every partition is on every broker that should have it."""
    async with admin_client(stack.settings) as client:
        described = await client.describe_topics(await client.list_topics())
    return all(
        len(partition["isr"]) == len(partition["replicas"]) for topic in described for partition in topic["partitions"]
    )


def _of_role(stack: Stack, role: str) -> str:
    for member in members(stack):
        if member["role"] == role and member["state"] in ("running", "streaming"):
            return str(member["name"])
    raise GatewayError(f"No node is {role}")


def members(stack: Stack) -> list[dict[str, Any]]:
    """The cluster of PostgreSQL, as a responding Patroni reports it."""
    for number in range(1, NODES + 1):
        try:
            response = call("GET", f"{node_url(stack.plan, number)}/cluster")
        except GatewayError:
            continue
        if response.status == 200:
            return list(response.body["members"])
    raise GatewayError("No Patroni node responds")


def node_numbers(stack: Stack) -> dict[str, int]:
    return {node_name(number): number for number in range(1, stack.plan.postgres_nodes + 1)}


def shown(survived: Survived) -> str:
    """As docs/RELIABILITY.md has it."""
    lines = ["| SIGKILL to | nothing decided for | no answer for |", "|---|---|---|"]
    lines += [
        f"| {one.name} ({one.killed}) | {one.undecided_seconds:.1f} s | {one.silent_seconds:.1f} s |"
        for one in survived.struck
    ]
    lines.append(
        f"\n{len(survived.broken)} of {survived.promises:,} promised orders, payments and refunds lost or doubled, "
        f"{survived.unavailable} requests without an answer or with 503, the audit finds nothing"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.failover", description="Parts die under load.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="faults by name, with commas between them")
    chosen = parser.parse_args()
    promised_min = [name for name in chosen.only.split(",") if name]
    faults = [fault for fault in FAULTS if not promised_min or fault.name in promised_min]
    if not faults:
        parser.error(f"the faults are: {', '.join(fault.name for fault in FAULTS)}")
    try:
        with running_stack(roles=ROLES, env=ENVIRONMENT) as stack:
            survived = asyncio.run(failover(stack, seed=chosen.seed, faults=faults))
    except CannotInstallError as error:
        print(f"SKIPPED: nothing was killed, because Patroni and etcd cannot be installed here. {error}")
        sys.exit(0)
    print(shown(survived))
    sys.exit(1 if survived.broken else 0)


if __name__ == "__main__":
    main()
