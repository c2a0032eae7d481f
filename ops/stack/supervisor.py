"""The parent of every process of a stack: keeps each alive, starts it again by `backoff`, stops it politely.

    stopped --start--> running --dies--> waiting (0 … 10 s) --> running        stop, from anywhere --> stopped

Deaths are reported by SIGCHLD and collected with waitpid(-1), so orphans of our children (a killed postmaster's
backends) are reaped too. One asyncio loop, no threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from ops.console.errors import GatewayError
from ops.stack.backoff import Backoff
from ops.stack.processes import Command, adopt_orphans, children_of, is_alive, spawn

KILL_WAIT_SECONDS = 5.0


class ChildState(StrEnum):
    RUNNING = "running"
    WAITING = "waiting"
    STOPPED = "stopped"


class Reaper:
    """Collects dead children and notifies their waiters."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[int]] = {}

    def install(self) -> None:
        adopt_orphans()
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self.collect)

    def expect(self, pid: int) -> asyncio.Future[int]:
        """The exit code, once available; negative: the signal."""
        self._waiting[pid] = asyncio.get_running_loop().create_future()
        return self._waiting[pid]

    def collect(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            future = self._waiting.pop(pid, None)
            if future and not future.done():
                future.set_result(os.waitstatus_to_exitcode(status))


class Child:
    """One supervised process."""

    def __init__(self, command: Command, reaper: Reaper, on_change: Callable[[], None]) -> None:
        self.command = command
        self.state = ChildState.STOPPED
        self.restarts = 0
        self.pid: int | None = None
        self.started_at: datetime | None = None
        self.exit_code: int | None = None
        self._reaper = reaper
        self._on_change = on_change
        self._backoff = Backoff()
        self._enabled = False
        self._requested = False
        self._generation = 0
        self._changed = asyncio.Condition()
        self._kick = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it unless it runs already; returns when it was spawned (or could not be)."""
        if self._enabled:
            return
        self._enabled, self._backoff = True, Backoff()
        before = self._generation
        self._task = asyncio.create_task(self._keep_alive(), name=self.command.name)
        await self._until(lambda: self._generation > before)

    async def stop(self, by: signal.Signals | None = None) -> None:
        """Its stop signal or `by`, a bounded wait, SIGKILL. Returns when it is gone."""
        self._enabled = False
        self._kick.set()
        self.send(by or self.command.stop_signal)
        if not await self._gone(self.command.stop_seconds):
            self.send(signal.SIGKILL)
            await self._gone(KILL_WAIT_SECONDS)
        if self._task:
            await asyncio.wait({self._task}, timeout=KILL_WAIT_SECONDS)

    async def restart(self, by: signal.Signals) -> None:
        """End it with a signal; returns when the next one was spawned (at once, without backoff)."""
        before, self._requested = self._generation, True
        if self.pid is None:
            self._kick.set()
        else:
            self.send(by)
        if not await self._until(lambda: self._generation > before, self.command.stop_seconds):
            self.send(signal.SIGKILL)
            await self._until(lambda: self._generation > before, KILL_WAIT_SECONDS)

    def send(self, number: signal.Signals) -> None:
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
                if number not in (signal.SIGSTOP, signal.SIGCONT):
                    os.kill(self.pid, signal.SIGCONT)  # a frozen process handles a stop only once it continues

    def hurry(self) -> None:
        """End a wait for the next start: the cause of its death (an unavailable service) is over."""
        if self.state is ChildState.WAITING:
            self._kick.set()

    def report(self) -> dict[str, Any]:
        return {
            "name": self.command.name,
            "state": self.state,
            "pid": self.pid,
            "started_at": self.started_at.isoformat() if self.started_at else None,
            "restarts": self.restarts,
            "exit_code": self.exit_code,
            "log": str(self.command.log) if self.command.log else None,
        }

    async def _keep_alive(self) -> None:
        while self._enabled:
            born = time.monotonic()
            self.exit_code = await self._live_once()
            if not self._enabled:
                break
            self._backoff, delay = self._backoff.after_death(lived_seconds=time.monotonic() - born)
            await self._wait_for_turn(0.0 if self._requested else delay)
            self._requested = False
            self.restarts += 1
        await self._enter(ChildState.STOPPED)

    async def _live_once(self) -> int:
        try:
            process = spawn(self.command)
        except (OSError, subprocess.SubprocessError, KeyError) as error:
            self._report(f"cannot start: {error}")
            self._generation += 1
            await self._enter(ChildState.WAITING)
            return 127
        ended = self._reaper.expect(process.pid)
        self.pid, self.started_at = process.pid, datetime.now(UTC)
        self._generation += 1
        await self._enter(ChildState.RUNNING)
        process.returncode = await ended  # reaped by us: Popen must not look for it again
        self.pid = None
        return process.returncode

    async def _wait_for_turn(self, delay: float) -> None:
        await self._enter(ChildState.WAITING)
        self._kick.clear()
        if delay and self._enabled:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._kick.wait(), delay)

    async def _enter(self, state: ChildState) -> None:
        async with self._changed:
            self.state = state
            self._changed.notify_all()
        self._on_change()

    async def _until(self, done: Callable[[], bool], timeout: float = 10.0) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(done)
        return done()

    async def _gone(self, timeout: float) -> bool:
        return await self._until(lambda: self.pid is None, timeout)

    def _report(self, text: str) -> None:
        line = f"runner: {self.command.name} {text}\n"
        if self.command.log is None:
            sys.stderr.write(line)
            return
        with contextlib.suppress(OSError), self.command.log.open("a", encoding="utf-8") as log:
            log.write(line)


class Supervisor:
    """All children by name, in the order in which they were added."""

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self.children: dict[str, Child] = {}
        self.reaper = Reaper()
        self._on_change = on_change

    def add(self, command: Command) -> Child:
        """A child that is not started yet; the same one when the name is known and stopped (with the new command)."""
        child = self.children.get(command.name)
        if child is None:
            child = self.children[command.name] = Child(command, self.reaper, self._on_change)
        elif child.state is ChildState.STOPPED:
            child.command = command
        return child

    def child(self, name: str) -> Child:
        try:
            return self.children[name]
        except KeyError:
            raise GatewayError(
                f"There is no process {name}; the processes are {', '.join(self.children) or 'none'}."
            ) from None

    async def run_once(self, command: Command, *, input_text: str = "", timeout: float = 120.0) -> int:
        """Run a preparation step to its end (initdb, formatting a log directory)."""
        process = spawn(command, stdin=subprocess.PIPE)
        ended = self.reaper.expect(process.pid)
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(input_text.encode())
            process.stdin.close()
        try:
            process.returncode = await asyncio.wait_for(ended, timeout)
        except TimeoutError:
            os.kill(process.pid, signal.SIGKILL)
            raise GatewayError(f"{command.name} took longer than {timeout:.0f} s; see {command.log}.") from None
        return process.returncode

    async def stop(self, names: list[str]) -> None:
        await asyncio.gather(*(self.children[name].stop() for name in names if name in self.children))

    async def end_strays(self) -> None:
        """Kill and reap the processes that our children left behind."""
        for _ in range(50):
            left = [pid for pid in children_of(os.getpid()) if is_alive(pid)]
            if not left:
                break
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.05)
        self.reaper.collect()
