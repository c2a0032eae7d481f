"""The protocol of the runner: one JSON line as request, one as response, over a unix socket in its run directory.

    {"do": "status"}                                        {"ok": …} or {"error": "a sentence"}
    {"do": "restart", "name": "kafka", "mode": "kill"}

The socket proves that the runner is alive: one whose socket does not respond is not running.
"""

from __future__ import annotations

import hashlib
import json
import socket
import tempfile
from pathlib import Path
from typing import Any

from ops.console.errors import GatewayError

SOCKET_PATH_MAX = 100
"""Kernel limit of a unix socket's path is 108 bytes."""


class RunnerNotRunningError(GatewayError):
    """No runner responds in the run directory."""


def socket_path(run_dir: Path) -> Path:
    """In the run directory, or in the temporary folder if that path would be too long."""
    path = run_dir / "runner.sock"
    if len(str(path).encode()) <= SOCKET_PATH_MAX:
        return path
    mark = hashlib.sha256(str(run_dir).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"gateway-{mark}.sock"


def call(run_dir: Path, do: str, *, timeout: float = 120.0, **arguments: Any) -> Any:
    """Send one request and return its `ok`.

    Raises RunnerNotRunningError, or GatewayError with the runner's message.
    """
    request = json.dumps({"do": do, **arguments}).encode() + b"\n"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(str(socket_path(run_dir)))
        except OSError as error:
            raise RunnerNotRunningError("The gateway is not running; `make up` starts it.", exit_code=3) from error
        try:
            connection.sendall(request)
            line = _read_line(connection)
        except OSError as error:
            raise GatewayError(
                f"The runner did not respond to `{do}` within {timeout:.0f} s; see `gateway logs runner`."
            ) from error
    return _result(line, do)


def is_running(run_dir: Path) -> bool:
    try:
        call(run_dir, "ping", timeout=5.0)
    except RunnerNotRunningError:
        return False
    return True


def _read_line(connection: socket.socket) -> bytes:
    parts: list[bytes] = []
    while chunk := connection.recv(65_536):
        parts.append(chunk)
        if chunk.endswith(b"\n"):
            break
    return b"".join(parts)


def _result(line: bytes, do: str) -> Any:
    if not line:
        raise GatewayError(f"The runner exited during `{do}`; see `gateway logs runner`.")
    reply = json.loads(line)
    if "error" in reply:
        raise GatewayError(reply["error"])
    return reply["ok"]
