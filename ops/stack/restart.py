"""`gateway restart`: workers drain and restart with the code on disk; services only when named."""

from __future__ import annotations

from typing import Annotated

import typer

from ops.console.environment import local_plan
from ops.stack import control


def restart(
    name: Annotated[str, typer.Argument(help="A role, one worker (payments-0), a service, or `roles`.")] = "roles",
    mode: Annotated[str, typer.Option(help="term, kill; for postgres also fast, immediate.")] = "",
) -> None:
    """Restart all roles, or one role, worker or service."""
    by = mode or ("fast" if name == "postgres" else "term")
    seconds = control.call(local_plan().run_dir, "restart", name=name, mode=by)
    print(f"{name} restarted in {seconds:.1f} s")
