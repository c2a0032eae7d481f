"""`gateway run`: workers of some roles in the foreground, supervised, their output on ours. What a container runs.

No services, no run directory, nothing written: it can run on a read-only file system.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import Annotated

import typer

from ops.console.environment import StackPlan, enter, single_plan
from ops.stack.supervisor import Supervisor
from ops.stack.workers import ListeningSockets, known_role, worker_commands


def run(
    roles: Annotated[list[str], typer.Argument(help="Roles to run.")],
    workers: Annotated[int, typer.Option(min=0, help="Processes per role; 0: as configured.")] = 0,
) -> None:
    """Run roles in the foreground until SIGTERM. A process that exits is restarted."""
    for role in roles:
        known_role(role)
    plan = single_plan()
    enter(plan)
    asyncio.run(supervise(plan, roles, count=workers or None))


async def supervise(plan: StackPlan, roles: list[str], *, count: int | None) -> None:
    """Start the workers, wait for SIGTERM or SIGINT, let them drain."""
    stopping = asyncio.Event()
    supervisor = Supervisor()
    supervisor.reaper.install()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    sockets = ListeningSockets(plan.host)
    for role in roles:
        for command in worker_commands(
            plan, role, sockets=sockets, count=count, identity=socket.gethostname(), logged=False
        ):
            await supervisor.add(command).start()
    await stopping.wait()
    sockets.close()
    await supervisor.stop(list(supervisor.children))
    await supervisor.end_strays()
