"""Running worlds: one, or many on all cores.

run(plan) -> Outcome                       one world, judged
search(seeds, ...) -> iterator of Outcome  in order; the worlds that broke a promise have violations
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice

import structlog

from simulation.afterwards import judge_deliveries
from simulation.clock import EPOCH
from simulation.oracle import judge
from simulation.plan import Plan
from simulation.promises import Violation
from simulation.scheduler import EndlessError
from simulation.times import shorter_times
from simulation.trace import Note
from simulation.workload import Shop
from simulation.world import World

CHUNK = 4
"""Worlds that a process is given at a time."""
CHUNKS_AHEAD = 4
"""Chunks a process that are given out at once, so that no process waits while the slowest world of a row ends."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a world. `accepted`: requests with a 2xx response. `faults`: names of those that happened. `sent`:
    (client, turn, index) of the requests that were sent."""

    plan: Plan
    hash: str
    requests: int
    accepted: int
    seconds: float
    steps: int
    deaths: int
    families: tuple[str, ...]
    violations: tuple[Violation, ...]
    faults: tuple[str, ...] = ()
    sent: tuple[tuple[int, int, int], ...] = ()
    notes: tuple[Note, ...] = field(default=(), repr=False)

    @property
    def broken(self) -> bool:
        return bool(self.violations)


def run(plan: Plan) -> Outcome:
    """One world, from its beginning to the judgement."""
    world = World(plan)
    shop = Shop(plan, expires_at=lambda seconds: (EPOCH + timedelta(seconds=seconds)).isoformat())
    try:
        with _quiet(), shorter_times():
            settled = world.run(shop)
            violations = judge(world, shop, settled) + judge_deliveries(world)
    except EndlessError as error:
        violations = [Violation("comes to rest", str(error), "")]
    return Outcome(
        plan=plan,
        hash=world.trace.hash(),
        requests=shop.requests,
        accepted=sum(len(one.accepted_tries) for one in shop.intents),
        seconds=world.scheduler.now,
        steps=world.scheduler.steps,
        deaths=world.deaths,
        families=tuple(world.faults.families),
        violations=tuple(violations),
        faults=tuple(world.faults.happened),
        sent=tuple(sorted({one.place for one in shop.intents if one.tries})),
        notes=tuple(world.trace.notes),
    )


def search(seeds: Iterable[int], plan: Plan, *, processes: int | None = None) -> Iterator[Outcome]:
    """Worlds like `plan` for each of the seeds, on this many processes (None: one for each core), in the order of the
    seeds."""
    plans = (replace(plan, seed=seed) for seed in seeds)
    count = processes or os.cpu_count() or 1
    if count == 1:
        yield from map(run, plans)
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["simulation.search"])
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        # Not `map`, which takes all its input at once: seeds may be endless.
        given: deque[Future[list[Outcome]]] = deque()
        for chunk in iter(lambda: list(islice(plans, CHUNK)), []):
            given.append(pool.submit(_run_all, chunk))
            if len(given) >= count * CHUNKS_AHEAD:
                yield from given.popleft().result()
        for waiting in given:
            yield from waiting.result()


def _run_all(plans: list[Plan]) -> list[Outcome]:
    return [run(plan) for plan in plans]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The product's logs are not part of a world; nor are warnings about coroutines of dead processes."""
    config, level = structlog.get_config(), logging.root.manager.disable
    structlog.configure(processors=[_drop])
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
    logging.disable(level)
    structlog.configure(**config)


def _drop(_logger: object, _level: str, _fields: object) -> str:
    raise structlog.DropEvent
