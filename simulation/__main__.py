"""Run simulated worlds by seed. The first that breaks a promise is reduced to its shortest history and printed.

--seed 7                 one world; --history prints what happened, in order
--seeds 0:2000           many worlds, on all cores
--minutes 60             worlds from --seeds on, for this long
--real --seed 7          instead of a world: the seed's clients against a running gateway
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time
from collections.abc import Iterable
from dataclasses import replace

from runtime.settings import load_settings
from simulation.faults import DEFAULT_FAMILIES, FAMILIES
from simulation.plan import Plan
from simulation.real import run_real
from simulation.report import Tally, command_of, history
from simulation.search import Outcome, run, search
from simulation.shrink import Shrinking

REPORT_EVERY_SECONDS = 300.0
BROKEN_MAX = 20
"""Worlds that break a promise before a run ends: enough to find the defect."""


def main(arguments: list[str] | None = None) -> int:
    """Exit code 1 if a promise was broken."""
    options = _parser().parse_args(arguments)
    plan = _plan_of(options)
    if options.seed is not None and options.history:
        _print(history(plan))
        return 0
    if options.real:
        return _real(plan)
    if options.replay:
        return _replay(options, plan)
    seeds: Iterable[int] = [options.seed] if options.seed is not None else _seeds_of(options)
    return _search(options, plan, seeds)


def _real(plan: Plan) -> int:
    judged = asyncio.run(run_real(load_settings(), plan))
    for violation in judged.violations:
        print(f"broken: {violation.promise}: {violation.message}")
    print(judged)
    return 1 if judged.violations else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, help="run the world of this seed")
    parser.add_argument(
        "--seeds", default="0:200", help="a range of seeds: first:end, or first: with --minutes (default %(default)s)"
    )
    parser.add_argument("--minutes", type=float, help="run for this long, past the end of --seeds")
    parser.add_argument("--processes", type=int, help="default: one per core")
    parser.add_argument("--families", help=f"families of faults to draw from: {', '.join(FAMILIES)}; all; none")
    parser.add_argument("--without", default="", help="families of faults to leave out")
    parser.add_argument("--all-families", action="store_true", help="use every family in every world")
    parser.add_argument("--clients", type=int, default=Plan(0).clients, help="default %(default)s")
    parser.add_argument("--turns", type=int, default=Plan(0).turns, help="of each client; default %(default)s")
    parser.add_argument("--no-webhooks", action="store_true", help="run without planner, dispatchers and forwarder")
    parser.add_argument("--salt", type=int, default=0, help="draw other delays for the same requests and faults")
    parser.add_argument("--faults", help="inject only these faults, by name, or none")
    parser.add_argument("--requests", help="send only these requests (client.turn.place), or none")
    parser.add_argument("--history", action="store_true", help="with --seed: print what happened, in order")
    parser.add_argument("--replay", action="store_true", help="run each world twice and compare")
    parser.add_argument(
        "--real", action="store_true", help="run the seed's clients against the gateway running on this machine"
    )
    parser.add_argument("--no-shrink", action="store_true", help="do not look for a smaller world")
    return parser


def _plan_of(options: argparse.Namespace) -> Plan:
    families = DEFAULT_FAMILIES if options.families is None else frozenset(_list(options.families))
    if options.families == "all":
        families = frozenset(FAMILIES)
    without = frozenset(_list(options.without))
    unknown = (families | without) - frozenset(FAMILIES)
    if unknown:
        raise SystemExit(f"unknown families: {', '.join(sorted(unknown))}; known are {', '.join(FAMILIES)}")
    return Plan(
        seed=options.seed or 0,
        families=families - without,
        all_families=options.all_families,
        clients=options.clients,
        turns=options.turns,
        webhooks=not options.no_webhooks,
        salt=options.salt,
        faults=None if options.faults is None else frozenset(_list(options.faults)),
        requests=None if options.requests is None else frozenset(map(_place, _list(options.requests))),
    )


def _list(text: str) -> list[str]:
    return [] if text == "none" else [part for part in text.split(",") if part]


def _place(text: str) -> tuple[int, int, int]:
    client, turn, place = map(int, text.split("."))
    return client, turn, place


def _seeds_of(options: argparse.Namespace) -> Iterable[int]:
    first, _, end = options.seeds.partition(":")
    if options.minutes is not None or not end:
        return itertools.count(int(first or 0))
    return range(int(first or 0), int(end))


def _search(options: argparse.Namespace, plan: Plan, seeds: Iterable[int]) -> int:
    began, tally = time.monotonic(), Tally()
    ends_at = None if options.minutes is None else began + options.minutes * 60
    report_at = began + REPORT_EVERY_SECONDS
    for outcome in search(seeds, plan, processes=1 if options.seed is not None else options.processes):
        tally.add(outcome)
        if outcome.broken:
            print(
                f"seed {outcome.plan.seed}: {outcome.violations[0].promise}: {outcome.violations[0].message}",
                flush=True,
            )
        if time.monotonic() >= report_at:
            report_at += REPORT_EVERY_SECONDS
            print(f"  … {next(tally.lines(time.monotonic() - began))}", flush=True)
        if len(tally.broken) >= BROKEN_MAX or (ends_at is not None and time.monotonic() >= ends_at):
            break
    _print(tally.lines(time.monotonic() - began))
    if tally.broken and not options.no_shrink:
        _explain(tally.broken[0])
    return 1 if tally.broken else 0


def _explain(failed: Outcome) -> None:
    print(f"\nLooking for the shortest history of seed {failed.plan.seed} …", flush=True)
    smallest = Shrinking(failed).run()
    _print(history(smallest.plan))
    print(f"\nRepeat it:  {command_of(smallest.plan)} --history")


def _replay(options: argparse.Namespace, plan: Plan) -> int:
    differ = 0
    for seed in [options.seed] if options.seed is not None else _seeds_of(options):
        one, other = run(replace(plan, seed=seed)), run(replace(plan, seed=seed))
        if one.hash != other.hash:
            differ += 1
            print(f"seed {seed}: {one.hash} then {other.hash}")
    print("the same world each time" if not differ else f"{differ} worlds differed")
    return 1 if differ else 0


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


if __name__ == "__main__":
    sys.exit(main())
