"""The interface of a service for the runner, and the wait for its readiness.

A service prepares its folder once (`prepare`), gives its command line (`command`), and is ready when its client library
gets a response (`probe`), never before.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from typing import Protocol

from ops.console.errors import GatewayError
from ops.stack.processes import Command
from ops.stack.supervisor import Supervisor

PROBE_TIMEOUT_SECONDS = 3.0


class Service(Protocol):
    """One local service of a stack. `restart_modes` maps a word to the signal that ends the process that way."""

    name: str
    title: str
    restart_modes: Mapping[str, signal.Signals]

    async def prepare(self, supervisor: Supervisor) -> None:
        """Make the data folder and the configuration, idempotently."""

    def command(self) -> Command: ...

    async def probe(self) -> None:
        """Return when the service responds; raise any error otherwise."""


async def wait_ready(service: Service, *, timeout_seconds: float = 120.0) -> None:
    """Probe until it responds, at most `timeout_seconds`."""
    last: BaseException | None = None
    try:
        async with asyncio.timeout(timeout_seconds):
            while True:
                try:
                    async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
                        return await service.probe()
                except Exception as error:  # any error of the client library: not ready yet
                    last = error
                await asyncio.sleep(0.1)
    except TimeoutError:
        reason = f"{type(last).__name__}: {last}" if last else "no answer"
        raise GatewayError(f"{service.title} was not ready within {timeout_seconds:.0f} s ({reason}).") from last


async def check_listening(host: str, port: int) -> None:
    """A bare connection first: client libraries are slow and loud about a closed port."""
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    await writer.wait_closed()


def running_as_root() -> bool:
    return os.geteuid() == 0
