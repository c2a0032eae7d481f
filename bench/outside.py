"""Faults that come from outside the processes: packets that vanish, a disk that is slow or full, a clock that jumps."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from bench.sites import BALLAST, CLOCK_FILE
from ops.console.errors import GatewayError
from ops.stack.processes import children_of
from tests.support.stack import Stack

MARK = "gateway-chaos"
FSYNC_DELAY_US = 200_000
BALLAST_STEP = 4 * 1_048_576
RECOVERY_SECONDS_MAX = 60.0
CLOCK_TOLERANCE_SECONDS = 60.0

Inject = Callable[[Stack], Awaitable[None]]


def partition(port_name: str, seconds: float) -> Inject:
    """Every packet to and from the service is dropped: nothing is closed, nothing is refused."""

    async def inject(stack: Stack) -> None:
        port = str(stack.plan.ports[port_name])
        rules = [
            ["INPUT", "-i", "lo", "-p", "tcp", side, port, "-m", "comment", "--comment", MARK, "-j", "DROP"]
            for side in ("--dport", "--sport")
        ]
        made = []
        try:
            for rule in rules:
                await _run("iptables", "-I", *rule)
                made.append(rule)
            await asyncio.sleep(seconds)
        finally:
            for rule in made:
                await _run("iptables", "-D", *rule)

    return inject


def hang(service: str, seconds: float) -> Inject:
    """All processes of the service freeze, as when its machine stalls; then they continue."""

    async def inject(stack: Stack) -> None:
        stopped = _processes_of(stack, service)
        try:
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(seconds)
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    return inject


def slow_disk(service: str, seconds: float) -> Inject:
    """Each fsync of the service's processes takes 200 ms longer, by a tracer that is attached for the time."""

    async def inject(stack: Stack) -> None:
        followed = [word for pid in _processes_of(stack, service) for word in ("-p", str(pid))]
        delayed = f"inject=fsync,fdatasync:delay_exit={FSYNC_DELAY_US}"
        tracer = await asyncio.create_subprocess_exec(
            "strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fsync,fdatasync", "-e", delayed, *followed
        )
        try:
            await asyncio.sleep(seconds)
        finally:
            tracer.send_signal(signal.SIGTERM)
            await tracer.wait()

    return inject


def full_disk(seconds: float) -> Inject:
    """The disk of PostgreSQL, Kafka, Redis and the logs is full; then there is space again."""

    async def inject(stack: Stack) -> None:
        ballast = Path(stack.env[BALLAST])
        try:
            await asyncio.to_thread(_fill, ballast)
            for _ in range(round(seconds)):
                await asyncio.sleep(1)
                await asyncio.to_thread(_fill, ballast)
        finally:
            await asyncio.to_thread(ballast.unlink, missing_ok=True)
        await _until_it_serves(stack)

    return inject


def step_clock(offset_seconds: int, seconds: float) -> Inject:
    """The roles' clock jumps, and after a while it jumps back. Raises if the API's own clock did not follow."""

    async def inject(stack: Stack) -> None:
        clock = Path(stack.env[CLOCK_FILE])
        await asyncio.to_thread(clock.write_text, f"{offset_seconds:+d}", encoding="ascii")
        try:
            await asyncio.sleep(seconds)
            ahead = await _seconds_ahead(stack)
            if abs(ahead - offset_seconds) > CLOCK_TOLERANCE_SECONDS:
                raise RuntimeError(f"the API's clock is {ahead:+.0f} s from ours, not {offset_seconds:+d} s")
        finally:
            await asyncio.to_thread(clock.write_text, "+0", encoding="ascii")

    return inject


async def _seconds_ahead(stack: Stack) -> float:
    """How far the API's clock is ahead of this process's."""
    limit = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=limit) as http, http.get(f"{stack.api_url}/health") as response:
        shown = datetime.fromisoformat((await response.json())["timestamp"])
    return (shown - datetime.now(UTC)).total_seconds()


async def _until_it_serves(stack: Stack) -> None:
    """The runner restarts everything that died; the wait for it is bounded here."""
    async with asyncio.timeout(RECOVERY_SECONDS_MAX):
        while True:
            try:
                return await asyncio.to_thread(stack.wait_until_ready)
            except GatewayError:
                await asyncio.sleep(1)


def _processes_of(stack: Stack, service: str) -> list[int]:
    """Its process and those that it forked: PostgreSQL has one for each connection."""
    root = int(stack.processes()[service]["pid"])
    return [root, *children_of(root)]


def _fill(ballast: Path) -> None:
    """Append until the disk has no room for even a page."""
    step = BALLAST_STEP
    with ballast.open("ab", buffering=0) as file:
        while step >= 4_096:
            try:
                if file.write(b"\0" * step) < step:
                    step //= 8
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                step //= 8


async def _run(*command: str) -> None:
    done = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, output = await done.communicate()
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {output.decode().strip()}")
