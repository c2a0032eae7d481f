"""The runner: the background parent of one stack's services and role workers.

Started by `gateway up` as `python -m ops.stack.runner` in its own session. It starts nothing by itself: it receives
requests through its socket (control.py), keeps the requested processes alive, and writes `state.json` on every change.
A lock allows one runner for each run directory. When it dies, the kernel ends all its children.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.console.environment import StackPlan, plan_stack
from ops.console.errors import GatewayError
from ops.stack.control import socket_path
from ops.stack.services.base import Service, wait_ready
from ops.stack.services.catalogue import services_of
from ops.stack.supervisor import Child, ChildState, Supervisor
from ops.stack.workers import ListeningSockets, known_role, worker_commands
from runtime.roles import ROLES

FRONT_ROLES = ("api", "pages")
"""Stopped first, so that no new requests arrive while the others drain."""

Handler = Callable[..., Awaitable[Any]]


class Runner:
    """One stack. Every public method answers one request of the socket; arguments are the request's fields."""

    def __init__(self, plan: StackPlan) -> None:
        self.plan = plan
        self.stopping = asyncio.Event()
        self._services: dict[str, Service] = services_of(plan)
        self._supervisor = Supervisor(self._write_state)
        self._sockets = ListeningSockets(plan.host)
        self._started_at = datetime.now(UTC)
        self._roles: list[str] = []
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Serve requests until a stop request, then end everything in reverse order."""
        self._supervisor.reaper.install()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stopping.set)
        path = socket_path(self.plan.run_dir)
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, path)
        path.chmod(0o600)
        self._write_state()
        try:
            await self.stopping.wait()
        finally:
            await self._stop_everything()
            server.close()
            path.unlink(missing_ok=True)
            (self.plan.run_dir / "state.json").unlink(missing_ok=True)

    # Requests

    async def ping(self) -> int:
        return os.getpid()

    async def status(self) -> dict[str, Any]:
        return self._state()

    async def start_services(self, only: list[str] | None = None) -> dict[str, float]:
        """Start our own services and wait until all three (or only those named) respond; seconds each took."""
        async with self._one_at_a_time:
            names = [name for name in self._services if only is None or name in only]
            seconds = await asyncio.gather(*(self._start_service(name) for name in names))
        return dict(zip(names, seconds, strict=True))

    async def start_roles(self, roles: list[str]) -> list[str]:
        """Start the workers of these roles; those that run already stay. Names of all their workers."""
        async with self._one_at_a_time:
            self._roles += [known_role(role) for role in roles if role not in self._roles]
            return [child.command.name for role in roles for child in await self._start_role(role)]

    async def restart(self, name: str, mode: str = "term") -> float:
        """Restart a service (until it is ready), a role, one worker (`payments-0`), or `roles`; seconds it took."""
        began = time.monotonic()
        if name in self._services:
            await self._restart_service(name, mode)
        else:
            children = self._named(name)
            by = signal.SIGKILL if mode == "kill" else signal.SIGTERM
            await asyncio.gather(*(child.restart(by) for child in children))
        return time.monotonic() - began

    async def signal(self, name: str, number: int) -> list[int]:
        """Send a signal to a service, to a role's workers or to one worker; the process ids it went to."""
        children = [self._supervisor.child(name)] if name in self._services else self._named(name)
        pids = [child.pid for child in children if child.pid is not None]
        for child in children:
            child.send(signal.Signals(number))
        return pids

    async def hold(self, name: str, mode: str = "term") -> None:
        """Stop a service, a role or one worker (`kill`: by SIGKILL) and leave it down until `release`."""
        children = [self._supervisor.child(name)] if name in self._services else self._named(name)
        by = signal.SIGKILL if mode == "kill" else None
        await asyncio.gather(*(child.stop(by) for child in children))

    async def release(self, name: str) -> None:
        if name in self._services:
            await self._start_service(name)
            self._hurry_all()
        else:
            await asyncio.gather(*(child.start() for child in self._named(name)))

    async def stop(self) -> int:
        """Begin to stop. The caller waits for the end of this process, whose id it gets."""
        self.stopping.set()
        return os.getpid()

    # Services and roles

    async def _start_service(self, name: str) -> float:
        began = time.monotonic()
        service = self._services[name]
        if name not in self.plan.external:
            child = self._supervisor.children.get(name)
            if child is None or child.state is ChildState.STOPPED:
                await service.prepare(self._supervisor)
                await self._supervisor.add(service.command()).start()
        try:
            await wait_ready(service)
        except GatewayError as error:
            where = "" if name in self.plan.external else f" Its log is {service.command().log}."
            raise GatewayError(f"{error}{where}") from error
        return time.monotonic() - began

    async def _restart_service(self, name: str, mode: str) -> None:
        service = self._services[name]
        if mode not in service.restart_modes:
            raise GatewayError(f"{service.title} is restarted by {', '.join(service.restart_modes)}, not {mode}.")
        await self._supervisor.child(name).restart(service.restart_modes[mode])
        await wait_ready(service)
        self._hurry_all()

    def _hurry_all(self) -> None:
        for child in self._supervisor.children.values():
            child.hurry()

    async def _start_role(self, role: str) -> list[Child]:
        commands = worker_commands(self.plan, role, sockets=self._sockets)
        children = [self._supervisor.add(command) for command in commands]
        await asyncio.gather(*(child.start() for child in children))
        return children

    def _named(self, name: str) -> list[Child]:
        """Children of a role, one worker by its own name, or all roles' by `roles`."""
        if name == "roles":
            return [child for each in self._roles for child in self._named(each)]
        if name in ROLES:
            children = self._supervisor.children.items()
            found = [child for key, child in children if key.rpartition("-")[0] == name]
            if not found:
                raise GatewayError(
                    f"The role {name} is not running; `gateway up` starts it, `gateway status` shows the others."
                )
            return found
        return [self._supervisor.child(name)]

    async def _stop_everything(self) -> None:
        workers = [name for name in self._supervisor.children if name not in self._services]
        front = [name for name in workers if name.rpartition("-")[0] in FRONT_ROLES]
        self._sockets.close()
        await self._supervisor.stop(front)
        await self._supervisor.stop([name for name in workers if name not in front])
        for service in reversed(list(self._services)):
            await self._supervisor.stop([service])
        await self._supervisor.end_strays()

    # State and requests

    def _state(self) -> dict[str, Any]:
        return {
            "runner": {"pid": os.getpid(), "started_at": self._started_at.isoformat()},
            "run_dir": str(self.plan.run_dir),
            "ports": dict(self.plan.ports),
            "external": sorted(self.plan.external),
            "roles": self._roles,
            "children": [child.report() for child in self._supervisor.children.values()],
        }

    def _write_state(self) -> None:
        """For inspection after the runner's end. A full disk must not prevent the restart of a process."""
        path = self.plan.run_dir / "state.json"
        temporary = path.with_suffix(".tmp")
        with contextlib.suppress(OSError):
            temporary.write_text(json.dumps(self._state(), indent=1), encoding="utf-8")
            temporary.replace(path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            reply = await self._reply(await asyncio.wait_for(reader.readline(), 10))
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _reply(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            handler = self._handler(request.pop("do", ""))
            return {"ok": await handler(**request)}
        except GatewayError as error:
            return {"error": str(error)}
        except Exception as error:  # one request must not end the runner
            return {"error": f"The runner failed: {type(error).__name__}: {error}"}

    def _handler(self, name: str) -> Handler:
        handlers: dict[str, Handler] = {
            "ping": self.ping,
            "status": self.status,
            "start_services": self.start_services,
            "start_roles": self.start_roles,
            "restart": self.restart,
            "signal": self.signal,
            "hold": self.hold,
            "release": self.release,
            "stop": self.stop,
        }
        if name not in handlers:
            raise GatewayError(f"`{name}` is not a command of the runner.")
        return handlers[name]


@contextlib.contextmanager
def only_one(run_dir: Path) -> Iterator[None]:
    """Hold the run directory's lock. Raises GatewayError when another runner has it."""
    run_dir.mkdir(parents=True, exist_ok=True)
    with (run_dir / "runner.lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise GatewayError(f"Another runner is using {run_dir}; stop it with `gateway down`.") from error
        yield


def main() -> int:
    try:
        plan = plan_stack(os.environ)
        with only_one(plan.run_dir):
            asyncio.run(_run(plan))
    except GatewayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


async def _run(plan: StackPlan) -> None:
    await Runner(plan).run()


if __name__ == "__main__":
    sys.exit(main())
