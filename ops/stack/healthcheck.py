"""`python -m ops.healthcheck ROLE`: checks that all workers of a role in this container respond. Exit code 0 or 1.

The container engine runs it repeatedly in every container, so it imports almost nothing: a bare socket
costs a third of what the standard library's HTTP client does.

    api      GET /health of its public port: database, Redis, log and a payment worker available
    pages    its internal port, and one file of each public port
    others   /health of each worker's internal port: its loop turns
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator

from runtime.roles import ROLES

TIMEOUT_SECONDS = 3.0
DEFAULT_PORTS = {"PORT": 8000, "DASHBOARD_PORT": 3000, "CHECKOUT_PORT": 3001, "METRICS_PORT": 9100}
WORKER_COUNTS = {"payments": "ACTOR_WORKERS"}
PAGES = (("DASHBOARD_PORT", "/login"), ("CHECKOUT_PORT", "/gateway.js"))


def main(role: str) -> int:
    """Probe every address; returns the first without a 200."""
    for port, path in addresses(role):
        result = status_of(port, path)
        if result != "200":
            print(f"{role}: port {port}{path}: {result}")
            return 1
    return 0


def addresses(role: str) -> Iterator[tuple[int, str]]:
    """(port, path) of all that must respond."""
    if role == "api":
        yield _number("PORT"), "/health"
        return
    first = _number("METRICS_PORT") + ROLES[role].metrics_offset
    workers = int(os.environ.get(WORKER_COUNTS.get(role, ""), "") or 1)
    yield from ((first + index, "/health") for index in range(workers))
    if role == "pages":
        yield from ((_number(variable), path) for variable, path in PAGES)


def status_of(port: int, path: str) -> str:
    """The status of a GET on this host, or the error."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection:
            connection.sendall(request.encode())
            first_line = connection.recv(64).split()
    except OSError as error:
        return str(error) or type(error).__name__
    return first_line[1].decode() if len(first_line) > 1 else "no HTTP answer"


def _number(variable: str) -> int:
    return int(os.environ.get(variable, "") or DEFAULT_PORTS[variable])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
