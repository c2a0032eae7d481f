"""`gateway verify`: one command that anybody can run, on a system at rest or under load.

Exit code 0: no difference. 1: at least one, each named. A running system is compared with itself: one snapshot of the
database, and a second look at what was under way.
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import asyncpg
import orjson
import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.table import Table

from ops.environment import enter, single_plan
from ops.errors import GatewayError
from ops.verify.audit import audit, second_process
from ops.verify.findings import SAYS, Report
from ops.verify.pace import run

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def verify(
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole report as JSON.")] = False,
    since: Annotated[
        str, typer.Option(help="Only orders with an event since: an RFC 3339 instant, or 15m, 2h, 1d ago.")
    ] = "",
    settle: Annotated[float, typer.Option(help="Seconds to wait for events that are on their way to the log.")] = 10.0,
) -> None:
    """Compare events, log, state, inbox and bank with each other; exit code 1 where anything differs."""
    settings = enter(single_plan())
    try:
        with second_process(forked=True) as second:
            report = run(audit(settings, second, since=instant(since), settle_seconds=settle))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, KafkaError) as error:
        raise GatewayError(f"Nothing was verified: {type(error).__name__}: {error}") from error
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2) + b"\n")
    else:
        show(report)
    raise typer.Exit(1 if report.differences else 0)


def instant(text: str) -> datetime | None:
    """`2h` ago or an instant; None for nothing. Raises GatewayError."""
    if not text:
        return None
    ago = re.fullmatch(r"(\d+)([smhd])", text)
    if ago is not None:
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise GatewayError(
            f"--since {text!r} is neither an instant such as 2030-01-31T12:00:00Z nor 15m, 2h, 1d"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def show(report: Report) -> None:
    """The table for people, then each difference by name."""
    table = Table(box=None, pad_edge=False)
    for name in ("check", "compared", "differences", "what must hold"):
        table.add_column(name, justify="right" if name in ("compared", "differences") else "left")
    for check, tally in report.tallies.items():
        compared = "–" if tally.compared is None else f"{tally.compared:,}"
        wrong = f"[bold red]{tally.differences:,}[/]" if tally.differences else "0"
        table.add_row(check.value, compared, wrong, SAYS[check])
    console = Console(width=110 if not sys.stdout.isatty() else None)
    console.print(table)
    for tally in report.tallies.values():
        for finding in tally.kept:
            console.print(f"  {finding.check.value}: {finding.subject} {finding.says}", markup=False, highlight=False)
    rate = report.events / report.seconds if report.seconds else 0
    verdict = "zero differences" if not report.differences else f"{report.differences:,} differences"
    console.print(f"{verdict} in {report.events:,} events, {report.seconds:.1f} s ({rate:,.0f} events/s)")
