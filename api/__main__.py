"""`python -m api [--fd N]`: one API worker until SIGTERM, on a listening socket of the runner's or on PORT.

Several workers share one socket; each is a process of its own with one event loop.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.server import BoundedProtocol
from runtime.logs import configure_logs
from runtime.settings import Settings, load_settings
from runtime.worker import collect_garbage_rarely, exit_after, this_worker

BACKLOG = 2048
DATE_SECONDS = 1.0
"""The Date header's resolution."""
DRAIN_SECONDS = 6
"""For open requests at SIGTERM; the runner kills after ten."""


class Server(uvicorn.Server):
    """uvicorn's server with a guaranteed end: streams are closed, and a timer bounds the drain. It wakes once a second
    for the Date header, and at once for a signal; uvicorn polls for one ten times a second."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app
        self._signalled = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(counter=0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DATE_SECONDS):
                    await self._signalled.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._signalled.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        exit_after(DRAIN_SECONDS + 3.0, "the drain took too long")
        self._app.state.services.live.close()
        self._app.state.services.slowdown.close()
        await super().shutdown(sockets)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m api", description="Serve the API until SIGTERM.")
    parser.add_argument("--fd", type=int, help="descriptor of a listening socket to serve on")
    descriptor: int | None = parser.parse_args().fd
    settings = load_settings()
    worker = this_worker("api", settings)
    configure_logs(settings, role=worker.role, worker=worker.name)
    app = create_app(settings, worker)
    collect_garbage_rarely()
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    Server(config, app).run(sockets=[_listening(settings, descriptor)])


def _listening(settings: Settings, descriptor: int | None) -> socket.socket:
    if descriptor is not None:
        return socket.socket(fileno=descriptor)
    return socket.create_server((os.environ.get("LISTEN_HOST", "127.0.0.1"), settings.port), backlog=BACKLOG)


if __name__ == "__main__":
    main()
