"""One simulated world: processes, their environment, and their disturbances.

    World(Plan(seed)).run(workload)      start everybody ─► clients work while things go wrong ─► all is well ─► quiet

A process that dies comes back after a while under its name, with a clock that may be wrong again. At the end faults
stop, everybody is up, and the world runs on until nothing is left to do, or until that takes too long.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import simulation.deliveries
import simulation.questions
import simulation.statements  # registers the database's statements
import simulation.strangers
from agents.payments.app import GROUP as ACTORS
from runtime.settings import Settings
from simulation.bank import Bank
from simulation.clock import HostClock
from simulation.database import Database
from simulation.faults import Faults, Planned, between, delay_seconds
from simulation.front import SimulatedFront
from simulation.log import Broker
from simulation.merchants import furnish, furnish_keys
from simulation.plan import Plan
from simulation.receivers import Receivers
from simulation.redis import Redis
from simulation.rest import still_open, uncommitted
from simulation.roles import CREW, ROLES, App
from simulation.scheduler import Process, Scheduler, fail, resolve
from simulation.trace import Trace
from simulation.workload import Front
from topics.catalogue import topics

assert simulation.deliveries and simulation.questions and simulation.statements
DAY_SECONDS = 86_400.0
STEPS_MAX = 300_000
"""Several times the duration of the longest worlds."""


class Workload(Protocol):
    """The clients of a world."""

    async def run(self, front: Front) -> None:
        """While things go wrong."""

    async def read_back(self, front: Front) -> None:
        """When all is quiet."""


Handler = Callable[[App], Awaitable[tuple[int, Any]]]


class World:
    """Processes and their environment."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.settings = SEALED_SETTINGS if plan.seals else SETTINGS
        self.salted = f"{plan.seed}/{plan.salt}"
        self.scheduler = Scheduler(self.salted)  # type: ignore[abstract]  # no sockets, no subprocesses
        self.trace = Trace(self.scheduler, plan.history)
        self.faults = Faults(plan.seed, plan.families, self.trace, all_of_them=plan.all_families, allowed=plan.faults)
        self.draw = random.Random(f"{plan.seed}/world")
        self.fetch_wait_ms = self.draw.choice((250, 1_000, 2_000))
        """How long consumers wait at least where nothing is there."""
        self.session_seconds = self.draw.choice((3.0, 10.0))
        """After this silence a member's group continues without it."""
        self.broker = Broker(self, topics(self.settings.retry_delays_seconds))
        self.database = Database(self)
        self.redis = Redis(self)
        self.bank = Bank(self)
        self.receivers = Receivers(self)
        self.processes: dict[str, Process] = {}
        self.apps: dict[str, App] = {}
        self.crew = tuple(name for name in CREW if plan.webhooks or name.partition("-")[0] not in WEBHOOK_ROLES)
        self.closed: set[str] = set()
        self.deaths = 0
        self.paused: set[str] = set()
        """Names of all processes so far."""
        self.unsettled: list[str] = []
        """What was open when the wait for the end timed out."""
        self._numbers = 0
        furnish(self.database.tables, self.settings, webhooks=plan.webhooks)
        furnish_keys(self.database.tables, self.settings)

    def run(self, workload: Workload) -> bool:
        """Run the world. True if it came to rest in the end."""
        return self.scheduler.run(self._course(workload), steps_max=STEPS_MAX)

    async def _course(self, workload: Workload) -> bool:
        for name in self.crew:
            self.start(name)
        seconds = self.plan.turns * 1.5
        for planned in self.faults.plan(seconds):
            self.scheduler.outside(planned.at, self._strike, planned)
        await workload.run(SimulatedFront(self))
        self.faults.on = False
        settled = await self._settle()
        await self._reopen(workload)
        if settled and "holiday" in self.faults.families and self.faults.strikes("holiday"):
            settled = await self._holiday()
        return settled

    # Processes

    def start(self, name: str) -> None:
        before = self.processes.get(name)
        if name in self.closed or (before is not None and before.alive):
            return
        self._numbers += 1
        process = Process(name, self._numbers, self.salted)
        self.scheduler.processes.append(process)
        self.processes[name] = process
        self.trace.note("process", f"{name} starts")
        app = self.apps[name] = App(self, process, self._clock_of(name))
        task = self.scheduler.spawn(process, ROLES[name.partition("-")[0]](app))
        task.add_done_callback(lambda done: self._ended(process, done), context=self.scheduler.outer.context)

    def _clock_of(self, name: str) -> HostClock:
        """Right, or wrong by a second or two, or, of an API's host, by a day. Each process has a host of its own; its
        clock is as wrong after a restart."""
        if "clocks" not in self.faults.families:
            return HostClock(self.scheduler)
        draw = random.Random(f"{self.plan.seed}/clock/{name}")
        errors = [draw.uniform(-2, 2), draw.uniform(-2, 2)]
        if name.startswith("api"):
            errors += [draw.uniform(-60, 60), DAY_SECONDS, -DAY_SECONDS]
        return HostClock(self.scheduler, draw.choice(errors))

    def _ended(self, process: Process, task: asyncio.Task[None]) -> None:
        """A role ends if its services stay unavailable; any other reason is a defect."""
        if task.cancelled():
            return
        error = task.exception()
        if process.alive and defects_in(error):
            self.scheduler.failures.append({"message": f"{process.name} ends", "exception": error})
        self.kill(process, f"ends: {error!r}")

    def kill(self, process: Process, why: str, *, away_seconds: float | None = None) -> None:
        """As SIGKILL; its supervisor restarts it, in a moment or after `away_seconds`."""
        if not process.alive:
            return
        process.alive = False
        self.deaths += 1
        self.trace.note("process", f"{process.name} dies: {why}")
        context = process.context
        for missed in process.on_silence:
            context.run(missed)
        for pending in self.apps[process.name].pending:
            self.scheduler.outside(0.001, fail, pending, ConnectionResetError("the connection broke"))
        moment = 0.05 + 2 * process.random.random()
        self.scheduler.outside(moment if away_seconds is None else away_seconds, self.start, process.name)

    def pause(self, process: Process, seconds: float) -> None:
        """As SIGSTOP: it keeps what it has, and continues later without noticing."""
        self.trace.note("process", f"{process.name} is paused for {seconds:.1f} s")
        process.paused = True
        self.paused.add(process.name)
        for missed in process.on_silence:
            process.context.run(missed)
        self.scheduler.outside(seconds, self.scheduler.resume, process)

    def was_disturbed(self, name: str) -> bool:
        """Whether a process of this name ever died or was paused."""
        return len([one for one in self.scheduler.processes if one.name == name]) != 1 or name in self.paused

    def exit_after(self, process: Process, seconds: float, why: str) -> None:
        """The product's exit, for a process of this world."""
        self.scheduler.outside(seconds, self.kill, process, why)

    async def request(self, name: str, handler: Handler) -> tuple[int, Any]:
        """A request over HTTP. Raises ConnectionRefusedError (not taken) or another OSError (unknown)."""
        await asyncio.sleep(delay_seconds())
        process = self.processes[name]
        if not process.alive or not self.apps[name].serving:
            raise ConnectionRefusedError(f"{name} is down")
        pending: asyncio.Future[tuple[int, Any]] = self.scheduler.create_future()
        pending.add_done_callback(lambda done: done.cancelled() or done.exception())
        if self.faults.happens("request_lost"):
            await asyncio.sleep(between(0.2, 2.0))
            raise ConnectionResetError("the request was lost")
        lost = self.faults.happens("response_lost")
        self.apps[name].pending.append(pending)
        self.scheduler.spawn(process, self._serve(self.apps[name], handler, pending, lost))
        return await pending

    async def _serve(self, app: App, handler: Handler, pending: asyncio.Future[tuple[int, Any]], lost: bool) -> None:
        response = await handler(app)
        app.pending.remove(pending)
        if lost:
            error = ConnectionResetError("the answer was lost")
            self.scheduler.outside(1.0, fail, pending, error)
        else:
            self.scheduler.outside(delay_seconds(), resolve, pending, response)

    # Faults from outside

    def _strike(self, planned: Planned) -> None:
        if not self.faults.on or not self.faults.strikes(planned.name):
            return
        match planned.kind:
            case "kill":
                self.kill(self._victim(planned.chance), "is killed")
            case "pause":
                self.pause(self._victim(planned.chance), 0.5 + 17.5 * planned.seconds)
            case "stall":
                seconds = 0.2 + 2.3 * planned.seconds
                self.trace.note("database", f"stands still for {seconds:.1f} s")
                self.database.stalled_until = self.scheduler.now + seconds
            case "flush":
                self.trace.note("redis", "is flushed")
                self.redis.flush()
            case "absence":
                seconds = 3.0 + 22.0 * planned.seconds
                self.kill(self._absent(planned.chance), f"stays away for {seconds:.1f} s", away_seconds=seconds)
            case "eviction":
                self._evict(planned)
            case "silence":
                self.bank.fall_silent(planned.chance, 5.0 + 25.0 * planned.seconds)
            case "outage":
                self.receivers.go_out(planned.chance, 5.0 + 20.0 * planned.seconds)
            case "stranger":
                simulation.strangers.strike(self, planned.chance, planned.seconds)

    def _absent(self, chance: float) -> Process:
        """The processor every third time: then the sweeper must query everything."""
        return self.processes["processor-0"] if chance < 1 / 3 else self._victim((3 * chance - 1) / 2)

    def _evict(self, planned: Planned) -> None:
        """A member of the actors' group as often as one of all the others."""
        groups = sorted(self.broker.groups)
        place = 2 * planned.seconds - 1
        name = ACTORS if place < 0 or not groups else groups[int(place * len(groups))]
        if name in groups:
            self.broker.groups[name].evict(planned.chance)

    def _victim(self, chance: float) -> Process:
        """A live process; an actor three times as often as any other."""
        living = [one for one in self.processes.values() if one.alive and not one.paused]
        weighted = [one for one in living if one.name.startswith("actor")] * 2 + living
        return weighted[int(chance * len(weighted))] if weighted else next(iter(self.processes.values()))

    # The end

    async def _settle(self) -> bool:
        """Everything up, no faults: wait until nothing is open. False if that does not happen."""
        for process in list(self.processes.values()):
            if process.paused:
                self.scheduler.resume(process)
        for name in self.crew:
            self.start(name)
        for name in [name for name in self.processes if name.startswith("api")]:
            self.closed.add(name)  # no client sends requests; its polling would only cost steps
            self.kill(self.processes[name], "is stopped")
        ends_at, quiet = self.scheduler.now + SETTLE_SECONDS_MAX, 0
        while quiet < 2:
            if self.scheduler.now >= ends_at:
                self.unsettled = list(still_open(self))
                return False
            await asyncio.sleep(0.5)
            quiet = 0 if next(still_open(self), None) else quiet + 1
        await self._wait_for_commits()
        return True

    async def _wait_for_commits(self) -> None:
        """Offsets follow a moment later; a group that was put out of joint needs its session first."""
        ends_at = self.scheduler.now + COMMITS_SECONDS_MAX
        while next(uncommitted(self), None) and self.scheduler.now < ends_at:  # noqa: ASYNC110  # virtual time
            await asyncio.sleep(0.5)

    async def _reopen(self, workload: Workload) -> None:
        """The API again, for those who come to look at what they were promised."""
        names = [name for name in self.crew if name.startswith("api")]
        self.closed.difference_update(names)
        for name in names:
            self.start(name)
        await asyncio.sleep(0.1)
        await workload.read_back(SimulatedFront(self))
        for name in names:
            self.closed.add(name)
            self.kill(self.processes[name], "is stopped")
        await self._wait_for_commits()  # a process may have repeated its response in between

    async def _holiday(self) -> bool:
        """Every process is down for days, the group's offsets are forgotten, and all of the log that is kept is read
        again.

        The days are drawn so that records and inbox rows of the same hours may be pruned on one side only.
        """
        for process in list(self.processes.values()):
            self.closed.add(process.name)
            self.kill(process, "goes on holiday")
        await asyncio.sleep(self.draw.uniform(6.0, 10.5) * DAY_SECONDS)
        self.broker.retain()
        self.broker.groups.clear()
        self.closed = {name for name in self.closed if name.startswith("api")}
        self.trace.note("world", "days have passed; the groups' offsets are gone")
        self.start("sweeper-0")
        await asyncio.sleep(10.0)
        for name in self.crew:
            if not name.startswith(("api", "sweeper")):
                self.start(name)
        return await self._settle()


DEFECTS = (TypeError, AttributeError, LookupError, ValueError, AssertionError, NotImplementedError, NameError)


def defects_in(error: BaseException | None) -> list[BaseException]:
    """The part of an error that no environment can cause."""
    if isinstance(error, BaseExceptionGroup):
        return [one for part in error.exceptions for one in defects_in(part)]
    return [error] if isinstance(error, DEFECTS) else []


SETTLE_SECONDS_MAX = 300.0
"""The last try to give money back comes a minute after the first; a silence of the bank may have come before it."""
COMMITS_SECONDS_MAX = 30.0
WEBHOOK_ROLES = ("planner", "dispatcher", "forwarder")
SETTINGS = Settings(
    test_mode=True,
    topic_partitions=2,
    rate_limit_merchant_per_minute=0,
    rate_limit_lookups_per_minute=0,
    payment_deadline_seconds=6,
    webhook_retry_intervals_test=(0, 1, 2, 4),
)
SEALED_SETTINGS = SETTINGS.model_copy(update={"personal_fields": "sealed"})
