"""The command lines of role workers, for the runner and for `gateway run` alike.

Each worker has an index and a name that stays the same across restarts (its static membership in the consumer
group). Listening sockets are opened here and inherited, so that a dead worker never refuses a connection: it waits in
the socket's queue for the next worker.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from ops.console.environment import REPOSITORY, StackPlan
from ops.console.errors import GatewayError
from ops.stack.ports import clash_sentence, owner_of
from ops.stack.processes import Command
from runtime.roles import ROLES

BACKLOG = 2048
DRAIN_SECONDS = 10.0
PORT_OPTIONS = {"--fd": "PORT", "--dashboard-fd": "DASHBOARD_PORT", "--checkout-fd": "CHECKOUT_PORT"}


class ListeningSockets:
    """Sockets of the roles that answer HTTP, opened once and kept for the life of the parent."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._open: dict[str, socket.socket] = {}

    def descriptors(self, ports: Mapping[str, int]) -> dict[str, int]:
        """Option of the command line -> descriptor."""
        return {option: self._listen(option, port).fileno() for option, port in ports.items()}

    def close(self) -> None:
        for one in self._open.values():
            one.close()
        self._open.clear()

    def _listen(self, option: str, port: int) -> socket.socket:
        if option not in self._open:
            self._open[option] = _listening_socket(self._host, port, PORT_OPTIONS[option])
        return self._open[option]


def worker_commands(
    plan: StackPlan,
    role: str,
    *,
    sockets: ListeningSockets,
    count: int | None = None,
    identity: str = "",
    logged: bool = True,
) -> list[Command]:
    """One command for each worker.

    `identity` becomes part of the worker's name if hosts differ (containers); `logged=False` sends its output to ours.
    """
    known_role(role)
    descriptors = sockets.descriptors(plan.listening(role))
    arguments = [word for option, number in descriptors.items() for word in (option, str(number))]
    return [
        Command(
            name=f"{role}-{index}",
            argv=(sys.executable, "-m", ROLES[role].module, *arguments),
            environment={
                **plan.environment_of(role),
                "WORKER_INDEX": str(index),
                "WORKER_ID": "-".join(filter(None, (role, identity, str(index)))),
            },
            cwd=REPOSITORY,
            log=log_path(plan, role, index) if logged else None,
            pass_fds=tuple(descriptors.values()),
            stop_signal=signal.SIGTERM,
            stop_seconds=DRAIN_SECONDS,
        )
        for index in range(plan.worker_count(role) if count is None else count)
    ]


def known_role(name: str) -> str:
    if name not in ROLES:
        raise GatewayError(f"There is no role {name}; the roles are {', '.join(ROLES)}.")
    return name


def log_path(plan: StackPlan, role: str, index: int) -> Path:
    return plan.logs_dir / f"{role}-{index}.log"


def _listening_socket(host: str, port: int, variable: str) -> socket.socket:
    one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    with contextlib.ExitStack() as on_failure:
        on_failure.callback(one.close)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except OSError as error:
            sentence = clash_sentence(port, variable=variable, owner=owner_of(port))
            raise GatewayError(sentence) from error
        one.listen(BACKLOG)
        on_failure.pop_all()
    return one
