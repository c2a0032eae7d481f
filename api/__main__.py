"""`python -m api [--fd N]`: one API worker until SIGTERM, on a listening socket of the runner's or on PORT.

Several workers share one socket; each is a process of its own with one event loop.
"""

from __future__ import annotations

import argparse
import os
import socket

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.server import BoundedProtocol
from runtime.logs import configure_logs
from runtime.settings import Settings, load_settings
from runtime.worker import exit_after, this_worker

BACKLOG = 2048
DRAIN_SECONDS = 6
"""For open requests at SIGTERM; the runner kills after ten."""


class Server(uvicorn.Server):
    """uvicorn's, with an end that is certain: streams are told to close, and a timer waits behind the drain."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        exit_after(DRAIN_SECONDS + 3.0, "the drain took too long")
        self._app.state.services.live.close()
        await super().shutdown(sockets)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m api", description="Serve the API until SIGTERM.")
    parser.add_argument("--fd", type=int, help="descriptor of a listening socket to serve on")
    descriptor: int | None = parser.parse_args().fd
    settings = load_settings()
    worker = this_worker("api", settings)
    configure_logs(settings, role=worker.role, worker=worker.name)
    app = create_app(settings, worker)
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
