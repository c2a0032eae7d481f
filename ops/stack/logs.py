"""`gateway logs`: the last lines of a role's or a service's log files, and what is added to them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ops.console.environment import StackPlan, local_plan
from ops.console.errors import GatewayError
from ops.stack.processes import tail

POLL_SECONDS = 0.2


def logs(
    name: Annotated[str, typer.Argument(help="A role, one worker (api-0), a service, or `runner`.")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Keep printing new lines.")] = False,
    lines: Annotated[
        int, typer.Option("-n", "--lines", min=0, help="Number of last lines to print from each file.")
    ] = 40,
) -> None:
    """Print the log of a role or a service."""
    files = log_files(local_plan(), name)
    for path in files:
        if len(files) > 1:
            print(f"==> {path.name}")
        print("\n".join(tail(path, lines)))
    if follow:
        _follow(files)


def log_files(plan: StackPlan, name: str) -> list[Path]:
    """`NAME.log` or `NAME-0.log`, `NAME-1.log` …"""
    files = [*plan.logs_dir.glob(f"{name}.log"), *sorted(plan.logs_dir.glob(f"{name}-[0-9]*.log"))]
    if not files:
        known = sorted({path.stem for path in plan.logs_dir.glob("*.log")})
        raise GatewayError(f"There is no log of {name}; available logs: {', '.join(known) or 'none yet'}.")
    return files


def _follow(files: list[Path]) -> None:
    offsets = {path: path.stat().st_size for path in files}
    while True:
        for path, offset in offsets.items():
            size = path.stat().st_size
            if size != offset:
                with path.open("rb") as file:
                    file.seek(offset if size > offset else 0)
                    print(file.read().decode(errors="replace"), end="", flush=True)
                    offsets[path] = file.tell()
        time.sleep(POLL_SECONDS)
