"""`make upgrade-test`: the previous release under load, rolled to this tree role by role, back, and here again.

    previous: database, topics, all roles ── load ──────────────────────────────────────────────► every 2xx looked up
                                   └─ migrate ─ role by role to this tree ─ back ─ and again ─► settle ─ verify

Each role runs as in a container: `gateway run ROLE` from its tree, ended by SIGTERM, and the same worker's name in the
next. After each step the load must go on before the next begins, so every pair of versions has worked together.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import REPOSITORY
from bench.drill import audited, command
from bench.previous import previous_release, previous_tree
from runtime.roles import ROLES
from store.redis.clients import make_redis
from store.redis.heartbeats import alive_of_any_release
from tests.support.eventually import eventually
from tests.support.load import Load
from tests.support.stack import Stack, running_stack

ORDER = (
    "jobs", "planner", "dispatcher", "forwarder", "processor", "sweeper", "payments", "api",
)  # fmt: skip
"""Of an upgrade that raises no version of records, as docs/RUNBOOK.md has it: readers of the log before its writers."""
PROMISES_BETWEEN = 40
READY_SECONDS = 90.0
STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The result."""

    promises: int
    broken: list[str]
    steps: int
    longest_gap_seconds: float


class Fleet:
    """The roles, each in its own process group, each from one of two trees."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    async def roll(self, role: str, tree: Path) -> None:
        """End the role and start it from this tree; returns when it is running."""
        await self.end(role)
        self._running[role] = self._start(role, tree)
        await eventually(lambda: self._is_at_work(role), timeout=READY_SECONDS, interval=0.2, what=f"{role} at work")

    def _start(self, role: str, tree: Path) -> subprocess.Popen[bytes]:
        with (self._stack.plan.logs_dir / f"{role}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "ops.cli", "run", role],
                cwd=tree,
                env=of_tree(self._stack, tree),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def close(self) -> None:
        for role in list(self._running):
            await self.end(role)

    async def _is_at_work(self, role: str) -> bool:
        """By the heartbeat of a process that began after the former was gone."""
        assert self._running[role].poll() is None, f"{role} has ended"
        client = make_redis(self._stack.settings)
        try:
            return bool((await alive_of_any_release(client)).get(role))
        finally:
            await client.aclose()

    async def end(self, role: str) -> None:
        """Nothing if it does not run."""
        process = self._running.pop(role, None)
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(process.wait, STOP_SECONDS)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=STOP_SECONDS)
        client = make_redis(self._stack.settings)
        try:  # the heartbeat of one that was killed must not pass for the next one's
            for worker in (await alive_of_any_release(client)).get(role, {}):
                await client.delete(f"heartbeat:{role}:{worker}")
        finally:
            await client.aclose()


def of_tree(stack: Stack, tree: Path) -> dict[str, str]:
    """The stack's environment, for a process that takes its code from this tree."""
    return {**stack.env, "PYTHONPATH": str(tree)}


def retired_roles(stack: Stack, before: Path) -> list[str]:
    """Roles that the previous release has and this one has not."""
    program = "from runtime.roles import ROLES; print(*ROLES)"
    output = subprocess.run(
        [sys.executable, "-c", program],
        cwd=before,
        env=of_tree(stack, before),
        check=True,
        timeout=60,
        stdout=subprocess.PIPE,
        text=True,
    )
    return [role for role in output.stdout.split() if role not in ROLES]


@contextmanager
def previous_stack(tree: Path) -> Iterator[Stack]:
    """Services with the database and the topics of the previous release, and nothing running."""
    env = {"PAYMENT_DEADLINE_SECONDS": "5", "API_WORKERS": "2"}
    with running_stack(env=env, prepared=False) as stack:
        subprocess.run(
            [sys.executable, "-m", "ops.cli", "prepare"],
            cwd=tree,
            env=of_tree(stack, tree),
            check=True,
            timeout=120,
            stdout=subprocess.DEVNULL,
        )
        yield stack


@asynccontextmanager
async def fleet(stack: Stack) -> AsyncIterator[Fleet]:
    made = Fleet(stack)
    try:
        yield made
    finally:
        await made.close()


async def upgrade(stack: Stack, before: Path, *, seed: int, order: Sequence[str] = ORDER, rolls: int = 3) -> Upgraded:
    """`rolls`: 1 here, 2 and back, 3 and here again. Raises AssertionError if a step does not continue."""
    load, steps, retired = Load(stack, seed=seed), 0, retired_roles(stack, before)
    async with fleet(stack) as roles:
        for role in (*retired, *order):
            await roles.roll(role, before)
        async with load.running():
            await _goes_on(load)
            # Before any role: migrations only add, so the previous release keeps running beside them.
            await command(stack, "migrate")
            await command(stack, "topics", "create")
            await _goes_on(load)
            for roll in range(rolls):
                forwards = roll % 2 == 0
                for role in () if forwards else retired:
                    await roles.roll(role, before)
                for role in order if forwards else reversed(order):
                    await roles.roll(role, REPOSITORY if forwards else before)
                    await _goes_on(load)
                    steps += 1
                for role in retired if forwards else ():
                    await roles.end(role)
        assert not load.wrong, load.wrong[:5]
        broken = await audited(stack, load)
    return Upgraded(len(load.promises), broken, steps, load.longest_gap_seconds())


async def _goes_on(load: Load) -> None:
    promised_min = len(load.promises) + PROMISES_BETWEEN
    await eventually(
        lambda: len(load.promises) >= promised_min, timeout=60, interval=0.1, what="requests to be answered"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.upgrade", description="Upgrade under load, and back.")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with previous_tree() as tree, previous_stack(tree) as stack:
        done = asyncio.run(upgrade(stack, tree, seed=chosen.seed))
    print(
        f"{previous_release()} rolled to this tree, back, and here again in {done.steps} steps under load: "
        f"{len(done.broken)} of {done.promises:,} promised orders, payments and refunds lost, longest gap between two "
        f"answers {done.longest_gap_seconds:.1f} s, the audit finds nothing"
    )
    raise SystemExit(1 if done.broken else 0)


if __name__ == "__main__":
    main()
