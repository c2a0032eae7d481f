"""Faults under load, then a check that nothing promised was lost, doubled or different.

    python -m bench.chaos --minutes 3              faults in random order for three minutes: `make chaos`
    python -m bench.chaos                          every fault by itself, about fifteen minutes: `make faults`
    python -m bench.chaos --seed 7 --only zombie   those whose name holds the word, at this seed's moments
    python -m bench.chaos --write                  and the table into docs/RELIABILITY.md

The bank fails throughout (lost, late and repeated responses, reversed outcomes). A seed gives the same
faults in the same order at the same moments. Exit code 1 if anything was lost, doubled or different, or a response was
wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import asyncpg

from bench import REPOSITORY
from bench.faults import FAULTS, Fault
from bench.sites import Site
from ops.audit.verify.audit import audit, second_process
from tests.support.command_client import CommandClient
from tests.support.load import Load
from tests.support.stack import ALL_ROLES, Stack, running_stack

BANK_FAULTS = "lose=0.05,late=0.05,twice=0.1,turn=0.05"
CLIENTS = 6
SETTLE_SECONDS = 120.0
PAGE = REPOSITORY / "docs" / "RELIABILITY.md"
BEGIN, END = "<!-- chaos: begin -->", "<!-- chaos: end -->"
HEAD = "| fault | answered | lost | doubled | differences | wrong answers | longest gap | settled after |"


@dataclass(frozen=True, slots=True)
class Line:
    """The result of one fault."""

    fault: str
    responded: int
    lost: int
    doubled: int
    differences: int
    wrong: int
    gap_seconds: float
    settled_seconds: float

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.differences or self.wrong)

    def row(self) -> str:
        counts = f"{self.responded} | {self.lost} | {self.doubled} | {self.differences} | {self.wrong}"
        return f"| {self.fault} | {counts} | {self.gap_seconds:.1f} s | {self.settled_seconds:.1f} s |"


Run = Callable[[Stack, list[Fault]], Coroutine[Any, Any, list[Line]]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description="Faults under load, verified.")
    parser.add_argument(
        "--minutes", type=float, help="inject faults in random order for this many minutes and print one line for all"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="seed for the times of the faults and the choices of the load"
    )
    parser.add_argument("--only", default="", help="only faults whose name contains one of these, comma-separated")
    parser.add_argument("--write", action="store_true", help="write the table into docs/RELIABILITY.md")
    chosen = parser.parse_args()
    words = chosen.only.split(",")
    faults = [fault for name, fault in FAULTS.items() if any(word in name for word in words)]
    print(f"seed {chosen.seed}, {CLIENTS} clients, bank faults {BANK_FAULTS}\n{HEAD}\n{'|---' * 8}|", flush=True)
    lines: list[Line] = []
    with second_process() as second:
        if chosen.minutes:
            plain = [fault for fault in faults if fault.site is Site.PLAIN]
            lines = _at(Site.PLAIN, plain, lambda stack, some: _mixed(stack, second, some, chosen))
        else:
            for site in Site:
                there = [fault for fault in faults if fault.site is site]
                lines += _at(site, there, lambda stack, some: _in_turn(stack, second, some, chosen.seed))
    if chosen.write and not chosen.minutes:
        write(lines, chosen.seed)
    sys.exit(0 if all(line.good for line in lines) else 1)


def _at(site: Site, faults: list[Fault], run: Run) -> list[Line]:
    """The faults that are possible at this site, on a separate stack. Impossible ones are reported."""
    for fault in faults:
        if reason := fault.missing():
            print(f"    {fault.name} skipped: {reason}", flush=True)
    possible = [fault for fault in faults if not fault.missing()]
    if not possible:
        return []
    environment = {"BANK_FAULTS": BANK_FAULTS, "LOG_LEVEL": "warning"}
    with site.opened() as place, running_stack(roles=ALL_ROLES, env={**environment, **place.environment}) as stack:
        return asyncio.run(run(stack, possible))


async def _in_turn(stack: Stack, second: Executor, faults: list[Fault], seed: int) -> list[Line]:
    """One after another, each with load before, during and after it, and its own audit."""
    return [await _one(stack, second, fault, seed * 1_000 + list(FAULTS).index(fault.name)) for fault in faults]


async def _one(stack: Stack, second: Executor, fault: Fault, seed: int) -> Line:
    """The fault, at a moment of its seed."""
    before = random.Random(seed).uniform(1.0, 3.0)

    async def script() -> None:
        await asyncio.sleep(before)
        began = time.monotonic()
        await fault.inject(stack)
        await asyncio.sleep(max(3.0, fault.seconds - before - (time.monotonic() - began)))

    return await _audited(stack, second, fault.name, seed, script)


async def _mixed(stack: Stack, second: Executor, faults: list[Fault], chosen: argparse.Namespace) -> list[Line]:
    """Random faults of the seed, until the time is up, under one load; then one audit of everything."""
    choice, done = random.Random(chosen.seed), Counter[str]()

    async def script() -> None:
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < chosen.minutes * 60:
            fault = choice.choice(faults)
            done[fault.name] += 1
            print(f"    {elapsed:5.0f} s  {fault.name}", flush=True)
            await fault.inject(stack)
            await asyncio.sleep(choice.uniform(1.0, 4.0))
        await asyncio.to_thread(stack.wait_until_ready)
        await asyncio.sleep(3.0)

    line = await _audited(stack, second, f"{chosen.minutes:g} min, seed {chosen.seed}", chosen.seed, script)
    print(f"    {done.total()} faults: {', '.join(f'{name} {count}' for name, count in sorted(done.items()))}")
    return [line]


async def _audited(stack: Stack, second: Executor, name: str, seed: int, script: Callable[[], Awaitable[None]]) -> Line:
    """Load while the script runs; then rest, and the audit. The line is printed."""
    load = Load(stack, seed=seed, clients=CLIENTS)
    async with load.running():
        await script()
    ended = time.monotonic()
    async with CommandClient(stack.settings) as command_client:
        await command_client.silent(timeout=SETTLE_SECONDS)
        await command_client.settled(timeout=SETTLE_SECONDS)
    settled = time.monotonic() - ended
    database = await asyncpg.connect(stack.database_url)
    try:
        lost = await load.broken_promises(database)
    finally:
        await database.close()
    report = await audit(stack.settings, second, settle_seconds=30)
    named = [f"{one.check.value}: {one.subject} {one.message}" for found in report.kinds.values() for one in found.kept]
    line = Line(
        fault=name,
        responded=len(load.responded_at),
        lost=len(lost),
        doubled=len(load.twice),
        differences=report.differences,
        wrong=len(load.wrong),
        gap_seconds=load.longest_gap_seconds(),
        settled_seconds=settled,
    )
    print(
        "\n".join([line.row(), *(f"    {text}" for text in [*lost, *load.twice, *named, *load.wrong][:10])]), flush=True
    )
    return line


def write(lines: list[Line], seed: int) -> None:
    """Put the table between the page's marks."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    command = f"To repeat a line: `python -m bench.chaos --seed {seed} --only <fault>`."
    table = "\n".join([HEAD, "|---" * 8 + "|", *(line.row() for line in lines)])
    PAGE.write_text(f"{before}{BEGIN}\n{command}\n\n{table}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
