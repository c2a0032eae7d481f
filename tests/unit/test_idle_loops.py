"""Loops beside the listeners: with nothing to do they wait for a word, or longer and longer, and a word wakes them."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
import uvicorn

import api.__main__ as serving
from agents.jobs import rollups
from agents.jobs.rollups import Rollups
from agents.role import Context
from agents.webhooks import dispatcher
from agents.webhooks.dispatcher import Dispatcher
from agents.webhooks.upkeep import EVERY_SECONDS, IDLE_SECONDS, PAUSE_SECONDS_MAX, Upkeep
from api.process import bus
from api.process.bus import CommandBus
from runtime.clock import Clock
from runtime.settings import Settings
from runtime.worker import Worker
from store.errors import DatabaseUnavailableError
from tests.support.eventually import eventually

NOTHING: Any = None
NEVER_SECONDS = 3_600.0


def context() -> Context:
    return Context(Settings(test_mode=True), Worker("jobs", 0, "jobs-test", 0), redis=NOTHING)


@dataclass(slots=True)
class Counted:
    """Calls of a function that does nothing."""

    times: int = 0
    response: Any = None

    def __call__(self, *_arguments: Any, **_options: Any) -> Any:
        self.times += 1
        return self.response


async def test_work_without_an_end_is_cancelled_when_the_role_stops() -> None:
    role = context()
    assert await role.unless_stopping(asyncio.sleep(0, "done")) == "done"
    never = asyncio.get_running_loop().create_future()

    async def work() -> object:
        return await never

    waiting = asyncio.create_task(role.unless_stopping(work()))
    await asyncio.sleep(0)
    role.stopping.set()
    assert await waiting is None
    await eventually(never.cancelled, what="the work to be cancelled")


@dataclass(slots=True)
class Pauses(Context):
    """A role that stops at its sixth pause. `seconds`: how long each was to be."""

    seconds: list[float] = field(default_factory=list)

    async def pause(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) == 6:
            self.stopping.set()


async def test_upkeep_rests_longer_while_it_finds_nothing_to_do() -> None:
    role = Pauses(Settings(test_mode=True), Worker("forwarder", 0, "forwarder-test", 0), redis=NOTHING)
    finds = iter([False, False, False, True, False, False])

    async def work() -> bool:
        return next(finds)

    await Upkeep(role, NOTHING, NOTHING)._repeat(work)
    assert role.seconds == [
        2 * EVERY_SECONDS,
        IDLE_SECONDS,
        IDLE_SECONDS,
        EVERY_SECONDS,
        2 * EVERY_SECONDS,
        IDLE_SECONDS,
    ]


@dataclass(slots=True)
class Taking:
    """A clock by which each piece of work takes so many seconds."""

    seconds: float
    _now: float = 0.0

    def monotonic(self) -> float:
        self._now += self.seconds
        return self._now


async def test_upkeep_does_not_pause_for_minutes_after_a_statement_that_hung() -> None:
    """A query that timed out after a minute made its loop pause for twenty, and lost deliveries waited as long."""
    role = Pauses(Settings(test_mode=True), Worker("forwarder", 0, "forwarder-test", 0), redis=NOTHING)
    role.clock = cast(Clock, Taking(60.0))
    outcomes = iter([DatabaseUnavailableError("too slow")] * 3 + [None] * 3)

    async def work() -> bool:
        if (error := next(outcomes)) is not None:
            raise error
        return True

    await Upkeep(role, NOTHING, NOTHING)._repeat(work)
    assert role.seconds == [EVERY_SECONDS] * 3 + [PAUSE_SECONDS_MAX] * 3


async def test_rollups_wait_for_the_feeder(monkeypatch: pytest.MonkeyPatch) -> None:
    role, numbered, turns = context(), asyncio.Event(), Counted()

    async def due(_pool: object) -> list[str]:
        turns()
        return []

    async def pool(*_arguments: Any, **_options: Any) -> Any:
        return SimpleNamespace(terminate=lambda: None)

    monkeypatch.setattr(rollups, "due_merchants", due)
    monkeypatch.setattr(rollups, "make_pool", pool)
    monkeypatch.setattr(rollups, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(rollups, "IDLE_SECONDS", NEVER_SECONDS)
    running = asyncio.create_task(Rollups(role, numbered).run())
    await eventually(lambda: turns.times == 1, what="the first turn")
    numbered.set()
    await eventually(lambda: turns.times == 2, what="a turn for what was numbered")
    role.stopping.set()
    async with asyncio.timeout(10):
        await running
    assert turns.times == 2


async def test_the_inbox_is_only_looked_into_while_requests_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus, "LOOK_UP_EVERY_SECONDS", 0.0)
    commands = CommandBus(Settings(test_mode=True), "api-0", NOTHING, NOTHING, NOTHING)
    looks = Counted(response=[])
    monkeypatch.setattr(commands, "_overdue", looks)
    looking = asyncio.create_task(commands._look_up())
    for _ in range(20):
        await asyncio.sleep(0)
    assert looks.times == 0
    commands._waiting["id"] = []
    commands._requested.set()
    await eventually(lambda: looks.times > 3, what="several looks while a request waits")
    commands._waiting.clear()
    await eventually(lambda: not commands._requested.is_set(), what="the looks to end")
    looking.cancel()


async def test_slow_lines_are_only_looked_for_while_requests_are_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "TICK_SECONDS", 0.0)
    busy, looks, requests = asyncio.Event(), Counted(), {"request"}
    some: Any = SimpleNamespace(_busy=busy, _requests=requests, _lanes=SimpleNamespace(park_slow=looks))
    ticking = asyncio.create_task(Dispatcher._tick(some))
    for _ in range(20):
        await asyncio.sleep(0)
    assert looks.times == 0
    busy.set()
    await eventually(lambda: looks.times > 3, what="several looks while a request is under way")
    requests.clear()
    await eventually(lambda: not busy.is_set(), what="the looks to end")
    ticking.cancel()


async def test_a_signal_ends_the_api_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "DATE_SECONDS", NEVER_SECONDS)
    server = serving.Server(uvicorn.Config(NOTHING, log_config=None), NOTHING)
    serves = asyncio.create_task(server.main_loop())
    await eventually(lambda: server.server_state.default_headers, what="the first Date header")
    assert not serves.done()
    server.handle_exit(signal.SIGTERM, None)
    async with asyncio.timeout(10):
        await serves
