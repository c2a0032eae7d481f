"""The simulation itself: its loop, its faults, its replay. The worlds that look for defects are in tests/simulation."""

from __future__ import annotations

import asyncio

import pytest

from simulation.faults import FAMILIES
from simulation.plan import Plan
from simulation.report import command_of
from simulation.scheduler import EndlessError, Process, Scheduler
from simulation.search import run


def _scheduler() -> tuple[Scheduler, Process]:
    scheduler = Scheduler("test")  # type: ignore[abstract]  # no sockets, no subprocesses
    process = Process("somebody", 1, "test")
    scheduler.processes.append(process)
    return scheduler, process


def test_time_jumps_to_the_next_timer() -> None:
    scheduler, _ = _scheduler()

    async def sleep_for_days() -> float:
        await asyncio.sleep(864_000)
        return asyncio.get_running_loop().time()

    assert 864_000 <= scheduler.run(sleep_for_days(), steps_max=100) < 864_001


def test_a_killed_process_stops_at_once_and_runs_no_finally() -> None:
    scheduler, process = _scheduler()
    reached: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(1)
            reached.append("after")
        finally:
            reached.append("finally")

    async def kill() -> list[str]:
        scheduler.spawn(process, work())
        await asyncio.sleep(0.5)
        process.alive = False
        await asyncio.sleep(5)
        return list(reached)

    assert scheduler.run(kill(), steps_max=100) == []


def test_a_paused_process_continues_with_its_state() -> None:
    scheduler, process = _scheduler()
    woken_at: list[float] = []

    async def work() -> None:
        await asyncio.sleep(1)
        woken_at.append(scheduler.now)

    async def pause() -> None:
        scheduler.spawn(process, work())
        await asyncio.sleep(0.5)
        process.paused = True
        await asyncio.sleep(9.5)
        assert woken_at == []
        scheduler.resume(process)
        await asyncio.sleep(0.1)

    scheduler.run(pause(), steps_max=100)
    assert 10 <= woken_at[0] < 10.1


def test_a_world_in_which_nothing_is_left_to_do_is_an_error_not_a_hang() -> None:
    scheduler, _ = _scheduler()

    async def wait_for_ever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(EndlessError, match="no timer"):
        scheduler.run(wait_for_ever(), steps_max=100)


def test_a_seed_is_the_same_world_each_time() -> None:
    plan = Plan(3, families=frozenset(FAMILIES), clients=2, turns=4)
    one, other = run(plan), run(plan)
    assert (one.hash, one.requests, one.faults) == (other.hash, other.requests, other.faults)
    assert run(Plan(4, families=frozenset(FAMILIES), clients=2, turns=4)).hash != one.hash


def test_only_the_faults_and_requests_that_are_named_happen() -> None:
    whole = run(Plan(3, clients=2, turns=6, all_families=True))
    assert len(whole.faults) > 2 and whole.accepted > 5
    some = frozenset(whole.faults[:1])
    less = run(Plan(3, clients=2, turns=6, all_families=True, faults=some, requests=frozenset(whole.sent[:3])))
    assert set(less.faults) <= some
    assert set(less.sent) <= set(whole.sent[:3])


def test_the_command_of_a_world_names_what_it_needs() -> None:
    plan = Plan(7, families=frozenset({"log"}), faults=frozenset({"kill#1"}), requests=frozenset({(0, 1, 0)}), salt=2)
    assert command_of(plan) == (
        "python -m simulation --seed 7 --families log --salt 2 --faults 'kill#1' --requests 0.1.0"
    )
