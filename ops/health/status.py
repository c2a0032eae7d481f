"""`gateway status [--watch]`: every process of the stack with its state, age, restarts, memory and health; below them
the report of `gateway health`: heartbeats, lag, rates.

Exit code 0: healthy. 1: there are problems. 3: nothing is running.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ops.console.environment import StackPlan, local_plan
from ops.console.exit_codes import FOUND, run
from ops.console.output import console, print_json
from ops.health.command import Report, drawn, look
from ops.stack.stack_report import collect
from runtime.settings import Settings


def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Refresh until interrupted.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show processes, heartbeats, lag and rates."""
    plan = local_plan()
    if watch and not as_json:
        collect(plan)  # nothing is running: reported before the screen is cleared
        run(lambda settings: _watch(plan, settings))
    report = collect(plan)
    seen = run(look)
    if as_json:
        print_json({**report, "seen": seen.as_json()})
    else:
        console.print(_drawn(report, seen))
    if not report["healthy"] or seen.problems:
        raise typer.Exit(FOUND)


async def _watch(plan: StackPlan, settings: Settings) -> None:
    with Live(console=console, auto_refresh=False) as live:
        while True:
            report, seen = await asyncio.gather(asyncio.to_thread(collect, plan), look(settings))
            live.update(_drawn(report, seen), refresh=True)


def _drawn(report: dict[str, Any], seen: Report) -> Group:
    table = Table(box=None, pad_edge=False)
    for title in ("process", "state", "health", "pid", "up", "restarts", "memory"):
        table.add_column(title, justify="right" if title in ("pid", "up", "restarts", "memory") else "left")
    for child in report["children"]:
        table.add_row(
            child["name"],
            child["state"],
            child["health"],
            str(child["pid"] or "–"),
            _age(child["started_at"]) if child["pid"] else "–",
            str(child["restarts"]),
            f"{child['memory_mb']:.0f} MB",
            style=None if child["health"] == "ok" else "red",
        )
    used = f"used, not started here: {', '.join(report['external'])}\n" if report["external"] else ""
    return Group(table, Text(used), drawn(seen))


def _age(started_at: str) -> str:
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(started_at)).total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
