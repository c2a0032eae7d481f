"""What every aiokafka role has around its loop: settings, logs, internal port, heartbeat, SIGTERM, watchdog.

run_role("jobs", body)      body(context) works until context.stopping is set, then returns
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import redis.asyncio as redis
import uvloop

from agents.life import STUCK_SECONDS, Life, watch
from agents.quarantine import Quarantine
from runtime.clock import SYSTEM_CLOCK, SYSTEM_IDS, Clock, Ids
from runtime.logs import configure_logs, get_logger
from runtime.metrics import start_metrics_server
from runtime.outdated import is_outdated
from runtime.progress import is_stalled
from runtime.settings import Settings, load_settings
from runtime.worker import (
    EXIT_CONFIGURATION,
    EXIT_STUCK,
    Worker,
    beside,
    collect_garbage_rarely,
    exit_after,
    this_worker,
)
from store.log.log_partitions import PARTITIONS, LogWatch
from store.redis.clients import make_redis
from store.start import REFUSED, may_start_blindly

log = get_logger("role")
DRAIN_SECONDS = 10.0
AGAIN_SECONDS = 5.0
Result = TypeVar("Result")


@dataclass(slots=True)
class Context:
    """What a role's body receives. `alive()` reports that the loop turns; `facts` go into heartbeat and health."""

    settings: Settings
    worker: Worker
    redis: redis.Redis
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    facts: dict[str, Any] = field(default_factory=dict)
    clock: Clock = SYSTEM_CLOCK
    ids: Ids = SYSTEM_IDS
    quarantine: Quarantine | None = None
    log_is_closed: Callable[[], bool] = lambda: False
    """While the log grows: no new commands are written, existing ones are decided."""
    turned_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.turned_at = self.clock.monotonic()

    def alive(self, **facts: Any) -> None:
        """Call at every turn of the loop: a role that stops turning is ended and restarted."""
        self.turned_at = self.clock.monotonic()
        self.facts.update(facts)

    async def pause(self, seconds: float) -> None:
        """Wait `seconds`, or until the role is to stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()

    async def unless_stopping(self, work: Coroutine[Any, Any, Result]) -> Result | None:
        """The result of `work`; None, and `work` is cancelled, if the role must stop first."""
        working, stop = asyncio.ensure_future(work), asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait({working, stop}, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            for unfinished in (working, stop):
                unfinished.cancel()

    def well(self) -> bool:
        """For the internal port. Safe from another thread."""
        return not (self.stuck() or is_stalled(self.facts) or is_outdated(self.facts))

    def stuck(self) -> bool:
        return self.clock.monotonic() - self.turned_at > STUCK_SECONDS


Body = Callable[[Context], Awaitable[None]]


async def dispensable(context: Context, work: Body, what: str) -> None:
    """Optional work of a role: after a failure it restarts with a pause, and the role continues."""
    while not context.stopping.is_set():
        try:
            await work(context)
        except Exception:
            log.error("optional_work_failed", work=what, exc_info=True)
            await asyncio.sleep(AGAIN_SECONDS)


def run_role(role: str, body: Body) -> None:
    """Run one worker of `role` until SIGTERM. A failure of the body ends the process with code EXIT_STUCK."""
    settings = load_settings()
    worker = this_worker(role, settings)
    configure_logs(settings, role=role, worker=worker.name)
    collect_garbage_rarely()
    uvloop.run(_run(settings, worker, body))


async def _run(settings: Settings, worker: Worker, body: Body) -> None:
    try:
        settings = await may_start_blindly(settings)
    except REFUSED as error:
        log.critical("start_refused", error=str(error))
        os._exit(EXIT_CONFIGURATION)
    client = make_redis(settings)
    quarantine = Quarantine(settings, client, group=worker.role, worker=worker.name)
    context = Context(settings, worker, client, quarantine=quarantine)
    context.facts[PARTITIONS] = settings.topic_partitions
    grown = LogWatch(settings, lambda: _stop(context))
    context.log_is_closed = lambda: grown.is_closed
    watching = beside(grown.run(), "log watch")
    life = Life(worker, client, quarantine, lambda: context.facts)
    await life.begin()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, context)
    start_metrics_server(
        host=settings.metrics_host,
        port=worker.metrics_port,
        health=lambda: (context.well(), context.facts),
    )
    watch(context.stuck, "the loop does not turn")
    try:
        await body(context)
    except Exception as error:
        log.critical("role_crashed", exc_info=True)
        await quarantine.ended_by(error)
        os._exit(EXIT_STUCK)
    watching.cancel()
    await life.end()
    log.info("role_stopped")
    os._exit(0)


def _stop(context: Context) -> None:
    exit_after(DRAIN_SECONDS, "the drain took too long")
    context.stopping.set()
