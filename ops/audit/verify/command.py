"""`gateway verify`: one command that every operator can run, on a system at rest or under load.

Exit codes: 0 no difference; 1 at least one, each kind with examples and the command that repairs it; 2 wrong usage; 4 a
service cannot be reached, so nothing was verified. A running system is compared with itself: one snapshot of the
database, and a second comparison of what was under way. Only the file of `--anchor` is ever written.
"""

from __future__ import annotations

import re
import sys
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import orjson
import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.table import Table

from ops.audit.verify.anchor import AnchorFile
from ops.audit.verify.audit import Anchoring, Audited, Scope, audited, second_process
from ops.audit.verify.findings import EXAMPLES_MAX, KEPT_MAX, REPAIRS, SUMMARIES, Check, Report
from ops.audit.verify.pace import run
from ops.console.environment import enter, single_plan
from ops.console.errors import GatewayError
from ops.console.exit_codes import NEXT_STEP, UNREACHABLE, USAGE_ERROR
from runtime.settings import Settings
from store.errors import DatabaseError
from store.log.log_partitions import PartitionCountError, counted
from store.operations.audit import connect, deployment_id

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def verify(
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole report as JSON.")] = False,
    since: Annotated[
        str, typer.Option(help="Only orders with an event since this RFC 3339 instant, or 15m, 2h, 1d ago.")
    ] = "",
    settle: Annotated[float, typer.Option(help="Seconds to wait for events that are not on the log yet.")] = 10.0,
    anchor: Annotated[
        Path | None,
        typer.Option(
            help="Prove that the history is the one this file records; update the file if nothing differs. "
            "Keep the file on another machine.",
            dir_okay=False,
        ),
    ] = None,
    examples: Annotated[
        int, typer.Option("-n", "--examples", min=0, max=10_000, help="Examples to print for each kind.")
    ] = (EXAMPLES_MAX),
) -> None:
    """Compare log, events, state, inbox, bank, webhooks and analytics with each other.

    Exit code 0: no differences. 1: differences, each kind with the command that repairs it. 4: verify could not run.
    """
    if anchor is not None and since:
        raise GatewayError("--anchor reads the whole history; remove --since.", exit_code=USAGE_ERROR)
    settings = enter(single_plan())
    scope = Scope(since=instant(since))
    file = AnchorFile.read(anchor) if anchor is not None else None
    try:
        with second_process(forked=True) as second:
            done = run(_verified(settings, second, scope, file, settle, max(examples, KEPT_MAX)))
    except PartitionCountError as error:
        raise GatewayError(str(error), exit_code=UNREACHABLE) from error
    except (OSError, DatabaseError, KafkaError) as error:
        raise GatewayError(
            f"Verify could not run: {type(error).__name__}: {error}. {NEXT_STEP}", exit_code=UNREACHABLE
        ) from error
    sentences = _anchored(file, done)
    if as_json:
        report = done.report.as_json() | ({"anchor": sentences} if sentences else {})
        sys.stdout.buffer.write(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    else:
        show(done.report, examples)
        for sentence in sentences:
            print(sentence)
    raise typer.Exit(1 if done.report.differences else 0)


async def _verified(
    settings: Settings, second: Executor, scope: Scope, file: AnchorFile | None, settle: float, kept_max: int
) -> Audited:
    settings = await counted(settings)
    if file is None:
        return await audited(settings, second, scope, settle_seconds=settle, kept_max=kept_max)
    connection = await connect(settings.database_url.get_secret_value())
    try:
        file.refuse_foreign(await deployment_id(connection), settings.topic_partitions)
    finally:
        await connection.close()
    anchoring = Anchoring(file.anchor)
    return await audited(settings, second, scope, anchoring=anchoring, settle_seconds=settle, kept_max=kept_max)


def _anchored(file: AnchorFile | None, done: Audited) -> list[str]:
    """The comparison with the anchor, in sentences. The file is written only if nothing differs."""
    if file is None or done.anchor is None:
        return []
    sentences = []
    if file.anchor is not None:
        known = f"{file.anchor.records:,} records on the topic and {file.anchor.events:,} events in the table"
        changed = done.report.tallies[Check.ANCHOR].differences
        verdict = "NOT unchanged: see the check anchor" if changed else "unchanged"
        sentences.append(f"The history up to {file.anchor.made_at} ({known}) is {verdict}.")
    if done.report.differences:
        sentences.append(f"{file.path} was left as it is, because something differs.")
    else:
        file.write(done.anchor)
        sentences.append(f"{file.path} holds the heads of {done.anchor.made_at}: {done.anchor.records:,} records.")
    return sentences


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


def show(report: Report, examples: int = EXAMPLES_MAX) -> None:
    """The table, then each kind of difference: how many, examples by name, and its repair."""
    table = Table(box=None, pad_edge=False)
    for name in ("check", "compared", "differences", "what must hold"):
        table.add_column(name, justify="right" if name in ("compared", "differences") else "left")
    for check, tally in report.tallies.items():
        compared = "–" if tally.compared is None else f"{tally.compared:,}"
        wrong = f"[bold red]{tally.differences:,}[/]" if tally.differences else "0"
        table.add_row(check.value, compared, wrong, SUMMARIES[check])
    console = Console(width=110 if not sys.stdout.isatty() else None)
    console.print(table)
    for kind, found in sorted(report.kinds.items()):
        print(f"{kind}: {found.count:,}   repair: {REPAIRS[kind]}")
        for finding in found.kept[:examples]:
            print(f"  {finding.subject} {finding.message}")
        if found.count > examples:
            print(f"  and {found.count - examples:,} more")
    rate = report.events / report.seconds if report.seconds else 0
    verdict = "zero differences" if not report.differences else f"{report.differences:,} differences"
    console.print(f"{verdict} in {report.events:,} events, {report.seconds:.1f} s ({rate:,.0f} events/s)")
