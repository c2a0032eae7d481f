"""`python -m pages --dashboard-fd N --checkout-fd N`: the worker that serves both sites, until SIGTERM.

The sockets are the runner's: they outlive this process, so that a restart refuses no connection.
"""

from __future__ import annotations

import argparse
import socket

import uvicorn

from pages.app import create_app
from pages.settings import PagesSettings
from runtime.logs import configure_logs, get_logger
from runtime.metrics import start_metrics_server
from runtime.settings import load_settings
from runtime.worker import this_worker

DRAIN_SECONDS = 5


def main() -> None:
    settings = load_settings()
    worker = this_worker("pages", settings)
    configure_logs(settings, role="pages", worker=worker.name)
    dashboard, checkout = _sockets()
    app = create_app(settings, PagesSettings(), dashboard_port=dashboard.getsockname()[1])
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )
    start_metrics_server(host=settings.metrics_host, port=worker.metrics_port, health=lambda: (server.started, {}))
    get_logger("pages").info("pages_started", checkout_url=settings.checkout_url, dashboard_url=settings.dashboard_url)
    server.run(sockets=[dashboard, checkout])


def _sockets() -> tuple[socket.socket, socket.socket]:
    parser = argparse.ArgumentParser(prog="python -m pages")
    parser.add_argument("--dashboard-fd", type=int, required=True)
    parser.add_argument("--checkout-fd", type=int, required=True)
    given = parser.parse_args()
    return socket.socket(fileno=given.dashboard_fd), socket.socket(fileno=given.checkout_fd)


if __name__ == "__main__":
    main()
