"""Starts and ends the bare ceiling's processes beside a stack's services, and measures it with the same load."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import asyncpg
from aiokafka.admin import NewTopic

from bench import REPOSITORY
from bench.ceiling import COMMANDS, EVENTS, SCHEMA, SETTLED
from bench.http import Target, connect
from bench.load import closed_loop
from tests.support.stack import Stack
from topics.admin import admin_client

READY_SECONDS = 30.0
SETTLED_SECONDS_MAX = 120.0
COUNT_SETTLED = "SELECT count(*) FROM bench.events WHERE kind = $1"


async def bare_lifecycles_per_second(stack: Stack, *, in_flight: int, count: int, workers: int) -> float:
    """Lifecycles a second of the bare ceiling, from the first request to the last settlement."""
    await _prepare(stack)
    connection = await asyncpg.connect(stack.database_url)
    with _processes(stack, workers) as port:
        target = Target.of(f"http://127.0.0.1:{port}", {})
        await _until_ready(target)
        await closed_loop(target, in_flight=in_flight, count=max(200, count // 10))
        await _settled(connection, max(200, count // 10))
        await connection.execute("TRUNCATE bench.events")
        began = time.perf_counter()
        await closed_loop(target, in_flight=in_flight, count=count)
        await _settled(connection, count)
        took = time.perf_counter() - began
    await connection.execute("DROP SCHEMA bench CASCADE")
    await connection.close()
    return count / took


async def _prepare(stack: Stack) -> None:
    connection = await asyncpg.connect(stack.database_url)
    await connection.execute(SCHEMA)
    await connection.execute("TRUNCATE bench.events")
    await connection.close()
    async with admin_client(stack.settings) as client:
        existing = await client.list_topics()
        new = [
            NewTopic(name, stack.settings.topic_partitions, 1) for name in (COMMANDS, EVENTS) if name not in existing
        ]
        if new:
            await client.create_topics(new)


@contextlib.contextmanager
def _processes(stack: Stack, workers: int) -> Iterator[int]:
    """The port of the bare API, for as long as its processes run."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        fd = listening.fileno()
        commands = [["api", "--fd", str(fd)]] * workers + [["actor"], ["bank"]]
        running = [
            subprocess.Popen(
                [sys.executable, "-m", "bench.ceiling", *command],
                env=dict(stack.env),
                cwd=REPOSITORY,
                pass_fds=(fd,) if command[0] == "api" else (),
                stdout=subprocess.DEVNULL,
            )
            for command in commands
        ]
        try:
            yield listening.getsockname()[1]
        finally:
            for process in running:
                process.terminate()
            for process in running:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)


async def _until_ready(target: Target) -> None:
    ends_at = time.monotonic() + READY_SECONDS
    while True:
        with contextlib.suppress(OSError):
            async with asyncio.timeout(2):
                connection = await connect(target)
                status, _ = await connection.request(target.post("/", {"amount": 100}))
            connection.close()
            if status == 201:
                return
        if time.monotonic() > ends_at:
            raise RuntimeError(f"the bare ceiling did not answer within {READY_SECONDS:.0f} s")
        await asyncio.sleep(0.2)


async def _settled(connection: asyncpg.Connection, count: int) -> None:
    ends_at = time.monotonic() + SETTLED_SECONDS_MAX
    while await connection.fetchval(COUNT_SETTLED, SETTLED.decode()) < count:
        if time.monotonic() > ends_at:
            raise RuntimeError("the bare ceiling did not settle everything")
        await asyncio.sleep(0.02)
