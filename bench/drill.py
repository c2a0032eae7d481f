"""`make recovery-drill`: a backup under load, more load, the database destroyed, restored, recovered, verified.

    load ── backup ── load ── stop ── destroy ── restore ── recover ── start ── verify ── every 2xx looked up

RPO: orders, payments and refunds that were returned with a 2xx and are missing afterwards. RTO: from the decision to
restore until a payment is made again.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from ops.console.errors import GatewayError
from ops.stack.smoke import pay_once
from runtime.roles import ROLES
from tests.support.command import gateway
from tests.support.eventually import eventually
from tests.support.load import Load
from tests.support.stack import ALL_ROLES, Stack, running_stack

SETTLE_SECONDS = 60.0
PAYS_SECONDS = 60.0
STEPS = ("gateway restore $BACKUP --replace", "gateway recover --apply")
"""As docs/RUNBOOK.md has them."""

CHANGED_WORDS = """
SELECT count(*)
  FROM bank.ledger l
  JOIN (SELECT id, bank_turn FROM payments UNION ALL SELECT id, bank_turn FROM refunds) AS a ON a.id = l.attempt_id
 WHERE l.turn > a.bank_turn
    OR (l.turn = 0 AND l.step IS NULL AND l.late_at <= clock_timestamp())
"""
"""Results of the bank that have changed, or are due to, and that no actor has decided yet."""


@dataclass(frozen=True, slots=True)
class Drilled:
    """The result. Times in seconds."""

    promises: int
    broken: list[str]
    decided_after_backup: int
    backup_seconds: float
    restore_seconds: float
    recover_seconds: float
    rto_seconds: float
    report: str


async def drill(stack: Stack, folder: Path, *, seconds: float, seed: int, steps: Sequence[str] = STEPS) -> Drilled:
    """`steps`: the two commands between the loss and the start. Raises AssertionError if one fails."""
    restoring, recovering = (step.removeprefix("gateway ").split() for step in steps)
    load = Load(stack, seed=seed)
    async with load.running():
        await asyncio.sleep(seconds)
        backup_seconds, made = await timed(command(stack, "backup", str(folder)))
        at_backup = await count(stack, "events")
        await asyncio.sleep(seconds)
    assert not load.wrong, load.wrong[:5]
    events = await count(stack, "events")

    began = time.monotonic()
    await asyncio.to_thread(destroy, stack)
    backup = made.splitlines()[0]
    restore_seconds, _ = await timed(command(stack, *(backup if word == "$BACKUP" else word for word in restoring)))
    recover_seconds, report = await timed(command(stack, *recovering))
    await asyncio.to_thread(start_roles, stack)
    await eventually(lambda: pays(stack), timeout=PAYS_SECONDS, interval=0.5, what="a payment after the recovery")
    rto_seconds = time.monotonic() - began

    broken = await audited(stack, load)
    return Drilled(
        promises=len(load.promises),
        broken=broken,
        decided_after_backup=events - at_backup,
        backup_seconds=backup_seconds,
        restore_seconds=restore_seconds,
        recover_seconds=recover_seconds,
        rto_seconds=rto_seconds,
        report=report,
    )


async def pays(stack: Stack) -> bool:
    """Whether a payment is made. While the actors still look at the log, the API only promises that (202)."""
    try:
        await asyncio.to_thread(lambda: list(pay_once(stack.settings)))
    except GatewayError as error:
        raise AssertionError(str(error)) from error
    return True


def destroy(stack: Stack) -> None:
    """The roles stop; PostgreSQL and its files are deleted; an empty one replaces it."""
    for role in running_roles(stack):
        stack.hold(role)
    stack.hold("postgres")
    shutil.rmtree((stack.plan.run_dir / "postgres").resolve() / "data")
    stack.release("postgres")


def start_roles(stack: Stack) -> None:
    for role in running_roles(stack):
        stack.release(role)
    stack.wait_until_ready()


def running_roles(stack: Stack) -> list[str]:
    names = {name.rpartition("-")[0] for name in stack.processes()}
    return [role for role in ROLES if role in names]


async def audited(stack: Stack, load: Load) -> list[str]:
    """Wait until nothing is open, verify, and look up what the load was promised: what is lost, or there twice.

    Raises AssertionError if `gateway verify` finds anything.
    """
    await settled(stack)
    await command(stack, "verify")
    database = await asyncpg.connect(stack.database_url)
    try:
        return await load.broken_promises(database) + load.twice
    finally:
        await database.close()


async def settled(stack: Stack) -> None:
    """Also the words that the simulated bank has changed while every role was down: it looks every five seconds."""

    async def none_open() -> bool:
        undecided = "SELECT (SELECT count(*) FROM payments WHERE status IN ('CREATED', 'PROCESSING'))"
        undecided += " + (SELECT count(*) FROM refunds WHERE status = 'PENDING')"
        return not (await value(stack, undecided) or await value(stack, CHANGED_WORDS))

    await eventually(none_open, timeout=SETTLE_SECONDS, interval=0.5, what="every attempt to be settled")


async def count(stack: Stack, table: str) -> int:
    return await value(stack, f"SELECT count(*) FROM {table}")


async def value(stack: Stack, query: str) -> int:
    database = await asyncpg.connect(stack.database_url)
    try:
        return int(await database.fetchval(query))
    finally:
        await database.close()


async def command(stack: Stack, *arguments: str) -> str:
    """Standard output of a `gateway` command that must succeed."""
    ended = await gateway(stack, *arguments)
    assert ended.code == 0, f"gateway {' '.join(arguments)} ended with {ended.code}:\n{ended.out}\n{ended.err}"
    return ended.out


async def timed(work: Awaitable[str]) -> tuple[float, str]:
    began = time.monotonic()
    out = await work
    return time.monotonic() - began, out


def shown(done: Drilled) -> str:
    return "\n".join(
        (
            f"backup {done.backup_seconds:.1f} s, {done.decided_after_backup:,} events decided after it",
            done.report.strip(),
            f"restore {done.restore_seconds:.1f} s, recover with audit {done.recover_seconds:.1f} s",
            f"RPO: {len(done.broken)} of {done.promises:,} promised orders, payments and refunds lost",
            f"RTO: {done.rto_seconds:.1f} s from the decision to the first payment",
        )
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--seconds", type=float, default=20.0, help="of load before and after the backup")
    arguments.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    roles = tuple(role for role in ALL_ROLES if role != "auditor")
    with running_stack(roles=roles) as stack:
        folder = stack.plan.run_dir / "backups"
        done = asyncio.run(drill(stack, folder, seconds=chosen.seconds, seed=chosen.seed))
    print(shown(done))
    raise SystemExit(1 if done.broken else 0)


if __name__ == "__main__":
    main()
