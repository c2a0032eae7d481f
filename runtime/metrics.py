"""Each worker's internal port: `/metrics` for Prometheus and `/health` for the runner and containers.

Runs in a daemon thread of its own, so that a busy or stuck event loop is still visible from outside.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

Health = Callable[[], tuple[bool, dict[str, Any]]]
"""(healthy, facts). Called from the server's thread: must not block."""


SHUTDOWN_LOOK_SECONDS = 3_600.0
"""How often the server checks for a shutdown, which never happens: it ends with the process. The library's default of
half a second would wake each idle worker twice a second. A request is served at once."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 16


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Log nothing: scrapes are not events."""


def start_metrics_server(*, host: str, port: int, health: Health) -> _Server | None:
    """Serve until the process ends. Port 0: no server. Raises OSError if the port is in use."""
    if port == 0:
        return None
    metrics = make_wsgi_app()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/health":
            body: Iterable[bytes] = metrics(environ, start_response)
            return body
        healthy, facts = health()
        start_response("200 OK" if healthy else "503 Service Unavailable", [("Content-Type", "application/json")])
        return [json.dumps({"status": "healthy" if healthy else "unhealthy", **facts}).encode()]

    server = make_server(host, port, application, server_class=_Server, handler_class=_QuietHandler)
    threading.Thread(target=server.serve_forever, args=(SHUTDOWN_LOOK_SECONDS,), name="metrics", daemon=True).start()
    return server
