"""An event loop without a clock, sockets or threads: time jumps from timer to timer.

Every callback belongs to a simulated process, which its tasks inherit as a context variable. All that is ready runs in
asyncio's order, first in, first out; processes meet only through messages whose delays are drawn, so the delays fix
every interleaving. A killed process is not cancelled: its callbacks are dropped, so no `finally` of it runs, as after
SIGKILL. A paused one keeps its callbacks until it goes on.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import heapq
import random
import sys
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

STEP_SECONDS = 1e-6
"""Virtual time of one callback: processors are fast, not infinitely fast, and no two instants are equal."""
CLEANUPS_MAX = 50

Result = TypeVar("Result")
Callback = Callable[..., object]


class EndlessError(RuntimeError):
    """Nothing is ready and no timer is set, or the steps never end."""


class Process:
    """One incarnation of a simulated process: its randomness, whether it is alive, and its callbacks while it is
    paused."""

    def __init__(self, name: str, number: int, seed: str) -> None:
        self.name = name
        self.number = number
        self.random = random.Random(f"{seed}/{name}/{number}")
        self.alive = True
        self.paused = False
        self.cut = False
        """Dead; what it sends no longer arrives."""
        self.frozen: list[Handle] = []
        self.on_silence: list[Callable[[], None]] = []
        """Called once it is killed, and each time it is paused."""
        self.context = contextvars.copy_context()
        self.context.run(PROCESS.set, self)

    def __repr__(self) -> str:
        return self.name


PROCESS: contextvars.ContextVar[Process] = contextvars.ContextVar("process")


class Handle:
    """A callback that waits for its turn. What asyncio needs of its own Handle and TimerHandle."""

    __slots__ = ("arguments", "callback", "context", "dropped", "process", "when")

    def __init__(
        self, callback: Callback, arguments: tuple[Any, ...], context: contextvars.Context | None, when: float
    ) -> None:
        self.callback = callback
        self.arguments = arguments
        if context is None:
            context = contextvars.copy_context()
        self.context = context
        self.process: Process = context[PROCESS]
        self.dropped = False
        self.when = when

    def cancel(self) -> None:
        self.dropped = True

    def cancelled(self) -> bool:
        return self.dropped


class Scheduler(asyncio.AbstractEventLoop):
    """The loop of one world."""

    def __init__(self, seed: str) -> None:
        self.outer = Process("world", 0, seed)
        self.processes = [self.outer]
        self.now = 0.0
        self.steps = 0
        self.failures: list[dict[str, Any]] = []
        """What asyncio would have reported as unhandled."""
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[float, int, Handle]] = []
        self._numbers = 0
        self._tasks: list[asyncio.Task[Any]] = []

    # What asyncio calls

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callback, *args: Any, context: contextvars.Context | None = None) -> Handle:  # type: ignore[override]  # a Handle of ours
        handle = Handle(callback, args, context, self.now)
        if handle.process.alive:
            self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # there are no threads

    def call_at(  # type: ignore[override]  # a Handle of ours
        self, when: float, callback: Callback, *args: Any, context: contextvars.Context | None = None
    ) -> Handle:
        handle = Handle(callback, args, context, when)
        self._numbers += 1
        heapq.heappush(self._timers, (when, self._numbers, handle))
        return handle

    def call_later(  # type: ignore[override]  # a Handle of ours
        self, delay: float, callback: Callback, *args: Any, context: contextvars.Context | None = None
    ) -> Handle:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None) -> asyncio.Task[Any]:
        """Tasks are kept to the end: were those of a dead process freed, their `finally` blocks would run."""
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name or "task", context=context)
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own; most end with the world
        self._tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.failures.append(context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    # What the world calls

    def outside(self, seconds: float, call: Callback, *arguments: Any) -> Handle:
        """Runs whichever process dies: data on its way over a network, or in a server."""
        return self.call_at(self.now + seconds, call, *arguments, context=self.outer.context)

    def spawn(self, process: Process, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        return self.create_task(work, context=process.context)

    def resume(self, process: Process) -> None:
        process.paused = False
        self._ready.extend(process.frozen)
        process.frozen.clear()

    def run(self, main: Coroutine[Any, Any, Result], *, steps_max: int) -> Result:
        """Until `main` is done, then drop everything else. Raises EndlessError after this many steps."""
        collecting = gc.isenabled()
        gc.disable()
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            task = self.spawn(self.outer, main)
            self._turn_until(task, steps_max)
            return task.result()
        finally:
            self._dispose()
            asyncio._set_running_loop(before)
            if collecting:
                gc.enable()

    def _turn_until(self, task: asyncio.Task[Any], steps_max: int) -> None:
        """What is ready, then the next timer, and so on; every callback of a world passes here."""
        ready = self._ready
        while True:
            if not ready:
                if task.done():
                    return
                self._advance()
            handle = ready.popleft()
            process = handle.process
            if handle.dropped or not process.alive:
                continue
            if process.paused:
                process.frozen.append(handle)
                continue
            self.steps += 1
            self.now += STEP_SECONDS
            handle.context.run(handle.callback, *handle.arguments)
            if self.steps > steps_max:
                raise EndlessError(f"not done after {steps_max} steps")

    def _advance(self) -> None:
        """To the next timer that is not cancelled."""
        while self._timers:
            when, _, handle = heapq.heappop(self._timers)
            if not handle.dropped and handle.process.alive:
                self.now = max(self.now, when)
                self._ready.append(handle)
                return
        raise EndlessError("nothing is ready and no timer is set")

    def _dispose(self) -> None:
        """End all remaining tasks. Their `finally` blocks run now, without effect on the world."""
        for process in self.processes:
            process.alive = False
        hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
        try:
            for task in self._tasks:
                coroutine = task.get_coro()
                if not task.done() and coroutine is not None:
                    _close(coroutine)
            self._tasks.clear()
            self._ready.clear()
            self._timers.clear()
        finally:
            sys.unraisablehook = hook


def _close(coroutine: Any) -> None:
    """End a coroutine of a dead process, however often its clean-up waits for something again."""
    for _ in range(CLEANUPS_MAX):
        try:
            coroutine.close()
        except RuntimeError:
            continue  # it ignored its end, and waits once more
        except BaseException:  # what its clean-up raised; the world is over
            return
        return


def resolve(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)


def fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
