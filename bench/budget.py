"""`python -m bench.budget`: what a payment's lifecycle costs each role, on a stack of its own.

    role     processor time, wakes (ends of voluntary context switches) and, where `perf` may count them, system calls
    --spy    a second run, for where a role's Python spends it: py-spy's samples of who holds the interpreter, each in
             the account of the innermost frame that belongs to one, times the role's time in the first run

A lifecycle is order, payment, settlement: two requests, or one with --one-request. Wakes are expensive on a virtual
machine, so they are counted beside the time. py-spy is not a dependency: `--spy` takes its path. It slows down the
sampled process, hence the separate run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.measure import throughput
from bench.processes import Usage, pids_by_role, usage_by_role
from tests.support.stack import ALL_ROLES, Stack, running_stack

LOAD = "load"
"""The load generator among the roles: not the gateway's cost."""
WARM_UP = 500
ROWS_MAX = 14
SAMPLES_PER_SECOND = 200
SPY_SECONDS_MAX = 120
ENDING_SECONDS_MAX = 10.0
SYSTEM_CALLS = "raw_syscalls:sys_enter"
_FRAME = re.compile(r"(?P<function>.+?) \((?P<file>.+?)(?::\d+)?\)$")

ACCOUNTS: tuple[tuple[str, str], ...] = (
    ("prometheus_client", "metrics"),
    ("aiokafka", "Kafka client"),
    ("faust", "Faust"),
    ("/mode/", "Faust"),
    ("redis", "Redis client"),
    ("asyncpg", "PostgreSQL client"),
    ("uvicorn", "web server"),
    ("starlette", "web framework"),
    ("fastapi", "web framework"),
    ("pydantic", "web framework"),
    ("structlog", "logs"),
    ("topics/producer", "Kafka client"),
    ("topics/batches", "Kafka client"),
    ("topics/", "records"),
    ("domain/", "decisions"),
    ("store/", "rows and statements"),
    ("api/", "our API"),
    ("agents/", "our roles"),
    ("runtime/", "our runtime"),
)
"""Part of a file's path -> the account that its frames are charged to; the first that fits. Frames without an account
(asyncio, json, hmac) are charged to their caller."""
ELSEWHERE = "event loop and the rest"


@dataclass(frozen=True, slots=True)
class Share:
    """Of one role, for each lifecycle. `system_calls` None: they were not counted."""

    milliseconds: float
    wakes: float
    system_calls: float | None


@dataclass(frozen=True, slots=True)
class Budget:
    """One closed-loop run. `accounts`: role -> account -> share of the role's samples."""

    in_flight: int
    lifecycles_per_second: float
    shares: Mapping[str, Share]
    accounts: Mapping[str, Mapping[str, float]]

    @property
    def milliseconds(self) -> float:
        """Of all roles and services, without the load generator."""
        return sum(share.milliseconds for role, share in self.shares.items() if role != LOAD)


def shares_of(
    before: Mapping[str, Usage], after: Mapping[str, Usage], system_calls: Mapping[str, int], *, count: int
) -> dict[str, Share]:
    """The cost of `count` lifecycles between two readings, by role; the most expensive first."""
    found = {
        role: Share(
            (after[role].cpu_seconds - before[role].cpu_seconds) * 1_000 / count,
            (after[role].sleeps - before[role].sleeps) / count,
            system_calls[role] / count if role in system_calls else None,
        )
        for role in before.keys() & after.keys()
    }
    return dict(sorted(found.items(), key=lambda item: -item[1].milliseconds))


def account_of(stack: str) -> str:
    """The account of a sample: py-spy's `outermost;…;innermost`, each frame as `function (file:line)`."""
    for frame in reversed(stack.split(";")):
        found = _FRAME.match(frame.strip())
        file = found["file"] if found is not None else frame
        for part, account in ACCOUNTS:
            if part in file:
                return account
    return ELSEWHERE


def accounts_of(samples: Iterable[str]) -> dict[str, float]:
    """Account -> its share of the samples, the largest first. A line of py-spy's raw form is `stack count`."""
    counted: Counter[str] = Counter()
    for line in samples:
        stack, _, number = line.rstrip().rpartition(" ")
        if number.isdigit():
            counted[account_of(stack)] += int(number)
    return {account: number / counted.total() for account, number in counted.most_common()}


def shown(budget: Budget) -> str:
    """The run as text: a line a role, and below it a line an account."""
    lines = [
        f"{budget.in_flight} in flight: {budget.lifecycles_per_second:.0f} lifecycles/s, "
        f"{budget.milliseconds:.2f} ms of processor time each",
        f"  {'':<28} {'ms':>7} {'wakes':>7} {'calls':>7}",
    ]
    for role, share in list(budget.shares.items())[:ROWS_MAX]:
        calls = "" if share.system_calls is None else f"{share.system_calls:.1f}"
        lines.append(f"  {role:<28} {share.milliseconds:>7.2f} {share.wakes:>7.1f} {calls:>7}")
        for account, part in budget.accounts.get(role, {}).items():
            lines.append(f"      {account:<24} {part * share.milliseconds:>7.2f}")
    return "\n".join(lines)


async def measure(
    stack: Stack,
    *,
    in_flight: int,
    count: int,
    one_request: bool = False,
    spied: Sequence[str] = (),
    spy: str = "",
    folder: Path,
) -> Budget:
    """Run `count` lifecycles and charge them. `folder`: for what perf and py-spy write."""
    with _counted(stack, folder) as system_calls:
        before = usage_by_role(stack)
        run = await throughput(stack, in_flight=in_flight, count=count, one_request=one_request)
        after = usage_by_role(stack)
    accounts: dict[str, dict[str, float]] = {}
    if spy:
        with _sampled(stack, spied, spy, folder) as accounts:
            await throughput(stack, in_flight=in_flight, count=count, one_request=one_request)
    return Budget(in_flight, run.lifecycles_per_second, shares_of(before, after, system_calls, count=count), accounts)


@contextlib.contextmanager
def _counted(stack: Stack, folder: Path) -> Iterator[dict[str, int]]:
    """Role -> its system calls, once the block has ended; empty where `perf` is missing or may not count."""
    counts: dict[str, int] = {}
    running = {}
    for role, pids in pids_by_role(stack).items():
        command = ["perf", "stat", "-x,", "-e", SYSTEM_CALLS, "-p", ",".join(map(str, pids)), "-o", f"{folder}/{role}"]
        with contextlib.suppress(OSError):
            running[role] = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    yield counts
    for role, process in running.items():
        _end(process)
        for number, _, name in re.findall(r"^(\d+),(\w*),([^,]+)", _text(folder / role), re.MULTILINE):
            if name == SYSTEM_CALLS:
                counts[role] = int(number)


@contextlib.contextmanager
def _sampled(stack: Stack, roles: Sequence[str], spy: str, folder: Path) -> Iterator[dict[str, dict[str, float]]]:
    """Role -> its accounts, once the block has ended."""
    found: dict[str, dict[str, float]] = {}
    running = {}
    pids = pids_by_role(stack)
    for role in roles:
        options = ["--gil", "--nonblocking", "-r", str(SAMPLES_PER_SECOND), "-d", str(SPY_SECONDS_MAX), "-f", "raw"]
        command = [spy, "record", "-p", str(pids[role][0]), *options, "-o", f"{folder}/{role}.raw"]
        running[role] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield found
    for role, process in running.items():
        _end(process)
        found[role] = accounts_of(_text(folder / f"{role}.raw").splitlines())


def _end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C does: perf and py-spy then write their results."""
    process.send_signal(signal.SIGINT)
    process.wait(ENDING_SECONDS_MAX)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.budget", description="What a lifecycle costs each role.")
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 16, 128])
    parser.add_argument("--count", type=int, default=300, help="lifecycles at 1 in flight; ten times as many above 16")
    parser.add_argument("--one-request", action="store_true", help="create each order with its payment")
    parser.add_argument("--spy", default="", help="path of py-spy")
    parser.add_argument("--keep", default="", help="folder for what perf and py-spy wrote")
    parser.add_argument("--roles", nargs="+", default=["api", "payments", "processor", "planner", "jobs"])
    chosen = parser.parse_args()
    os.environ["TEST_PROCESSING_DELAY"] = "0"
    quietly = {"LOG_LEVEL": "warning"}
    with tempfile.TemporaryDirectory() as folder, running_stack(roles=ALL_ROLES, env=quietly) as stack:
        uvloop.run(_measure_all(stack, chosen, Path(chosen.keep or folder)))


async def _measure_all(stack: Stack, chosen: argparse.Namespace, folder: Path) -> None:
    await throughput(stack, in_flight=32, count=WARM_UP, one_request=chosen.one_request)
    for in_flight in chosen.in_flight:
        count = chosen.count * (10 if in_flight > 16 else 3 if in_flight > 1 else 1)
        kept = folder / str(in_flight)
        kept.mkdir(parents=True)
        budget = await measure(
            stack,
            in_flight=in_flight,
            count=count,
            one_request=chosen.one_request,
            spied=chosen.roles,
            spy=chosen.spy,
            folder=kept,
        )
        print(shown(budget), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
