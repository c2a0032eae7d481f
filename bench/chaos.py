"""`make chaos`: one fault after another, load on, and after each: was anything promised and lost, does anything differ?

    python -m bench.chaos                          every fault, about fifteen minutes
    python -m bench.chaos --seed 7 --only zombie   those whose name holds the word, at this seed's moments
    python -m bench.chaos --write                  and the table into docs/RELIABILITY.md

The bank misbehaves all the while (lost, late and repeated answers). Exit code 1 where anything was lost, doubled,
different or answered wrongly.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from concurrent.futures import Executor
from dataclasses import dataclass

import asyncpg

from bench.faults import FAULTS, Fault
from bench.sites import Site
from ops.environment import REPOSITORY
from ops.verify.audit import audit, second_process
from tests.support.asking import Asker
from tests.support.load import Load
from tests.support.stack import ALL_ROLES, Stack, running_stack

BANK_FAULTS = "lose=0.05,late=0.05,twice=0.1"
CLIENTS = 6
SETTLE_SECONDS = 120.0
PAGE = REPOSITORY / "docs" / "RELIABILITY.md"
BEGIN, END = "<!-- chaos: begin -->", "<!-- chaos: end -->"
HEAD = "| fault | answered | lost | doubled | differences | wrong answers | longest gap | settled after |"


@dataclass(frozen=True, slots=True)
class Line:
    """What one fault came to."""

    fault: str
    answered: int
    lost: int
    doubled: int
    differences: int
    wrong: int
    gap_seconds: float
    settled_seconds: float
    said: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.differences or self.wrong)

    def row(self) -> str:
        counts = f"{self.answered} | {self.lost} | {self.doubled} | {self.differences} | {self.wrong}"
        return f"| {self.fault} | {counts} | {self.gap_seconds:.1f} s | {self.settled_seconds:.1f} s |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description="Faults under load, verified.")
    parser.add_argument("--seed", type=int, default=1, help="moments of the faults and choices of the load")
    parser.add_argument("--only", default="", help="only faults whose name holds one of these, comma-separated")
    parser.add_argument("--write", action="store_true", help="write the table into docs/RELIABILITY.md")
    chosen = parser.parse_args()
    words = chosen.only.split(",")
    faults = [fault for name, fault in FAULTS.items() if any(word in name for word in words)]
    print(f"seed {chosen.seed}, {CLIENTS} clients, bank faults {BANK_FAULTS}\n{HEAD}\n{'|---' * 8}|", flush=True)
    lines: list[Line] = []
    with second_process() as second:
        for site in Site:
            lines += _at(site, second, [fault for fault in faults if fault.site is site], chosen.seed)
    if chosen.write:
        write(lines, chosen.seed)
    sys.exit(0 if all(line.good for line in lines) else 1)


def _at(site: Site, second: Executor, faults: list[Fault], seed: int) -> list[Line]:
    """Every fault that needs this site, on a stack of its own. What the machine cannot do is told and left out."""
    for fault in faults:
        if reason := fault.missing():
            print(f"    {fault.name} left out: {reason}", flush=True)
    possible = [fault for fault in faults if not fault.missing()]
    if not possible:
        return []
    environment = {"BANK_FAULTS": BANK_FAULTS, "LOG_LEVEL": "warning"}
    with site.opened() as place, running_stack(roles=ALL_ROLES, env={**environment, **place.environment}) as stack:
        return asyncio.run(_all(stack, second, possible, seed))


async def _all(stack: Stack, second: Executor, faults: list[Fault], seed: int) -> list[Line]:
    lines = []
    for fault in faults:
        line = await _one(stack, second, fault, seed * 1_000 + list(FAULTS).index(fault.name))
        print(line.row(), flush=True)
        for said in line.said:
            print(f"    {said}", flush=True)
        lines.append(line)
    return lines


async def _one(stack: Stack, second: Executor, fault: Fault, seed: int) -> Line:
    """Load, the fault at a moment of its seed, load, rest, audit."""
    before = random.Random(seed).uniform(1.0, 3.0)
    load = Load(stack, seed=seed, clients=CLIENTS)
    async with load.running():
        await asyncio.sleep(before)
        began = time.monotonic()
        await fault.inject(stack)
        await asyncio.sleep(max(3.0, fault.seconds - before - (time.monotonic() - began)))
    ended = time.monotonic()
    async with Asker(stack.settings) as asker:
        await asker.settled(timeout=SETTLE_SECONDS)
    settled = time.monotonic() - ended
    database = await asyncpg.connect(stack.database_url)
    try:
        lost = await load.broken_promises(database)
    finally:
        await database.close()
    report = await audit(stack.settings, second, settle_seconds=30)
    found = [f"{one.check.value}: {one.subject} {one.says}" for tally in report.tallies.values() for one in tally.kept]
    return Line(
        fault=fault.name,
        answered=len(load.answered_at),
        lost=len(lost),
        doubled=len(load.twice),
        differences=report.differences,
        wrong=len(load.wrong),
        gap_seconds=load.longest_gap_seconds(),
        settled_seconds=settled,
        said=tuple([*lost, *load.twice, *found, *load.wrong][:10]),
    )


def write(lines: list[Line], seed: int) -> None:
    """Put the table between the page's marks."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    command = f"Each line again: `python -m bench.chaos --seed {seed} --only <fault>`."
    table = "\n".join([HEAD, "|---" * 8 + "|", *(line.row() for line in lines)])
    PAGE.write_text(f"{before}{BEGIN}\n{command}\n\n{table}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
