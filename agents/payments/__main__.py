"""`python -m agents.payments`: one payment actor worker, until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import uvloop

from agents.payments.app import PaymentAgents
from runtime.logs import configure_logs
from runtime.metrics import start_metrics_server
from runtime.settings import load_settings
from runtime.worker import collect_garbage_rarely, this_worker


def main() -> None:
    settings = load_settings()
    worker = this_worker("payments", settings)
    configure_logs(settings, role=worker.role, worker=worker.name)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    with tempfile.TemporaryDirectory(prefix="payment-actor-") as datadir:
        agents = PaymentAgents(settings, worker, Path(datadir))
        start_metrics_server(host=settings.metrics_host, port=worker.metrics_port, health=agents.health)
        collect_garbage_rarely()
        keep_libraries_quiet()
        sys.argv = ["payment-actor", "worker", "--without-web", "-l", "warn"]
        agents.app.main()


def keep_libraries_quiet() -> None:
    """Faust opens the root logger and filters in its handler: a debug line would be made, then dropped."""
    for name in ("aiokafka", "faust", "mode"):
        logging.getLogger(name).setLevel(logging.WARNING)


if __name__ == "__main__":
    main()
