"""`gateway repair [KIND]` and `gateway republish`: an audit, a plan for each difference, with --apply its execution.

    gateway repair                      what every kind of difference would need; changes nothing
    gateway repair reply --apply        makes the repairs of one kind
    gateway repair promise --force      also what could carry out something that was refused
    gateway republish --apply           puts events on the topic that never reached it

Exit codes: 0 nothing to repair, or everything repaired; 1 something would be, or was, skipped; 2 wrong usage; 4 a
service cannot be reached.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, assert_never

import typer

from ops.audit.repair.deliveries import DeliveryRepairs
from ops.audit.repair.feed import FeedRepairs
from ops.audit.repair.inbox import InboxRepairs
from ops.audit.repair.steps import Planned, Refusal, Step
from ops.audit.verify.audit import Scope, audited, second_process
from ops.audit.verify.command import instant
from ops.audit.verify.findings import REPAIRS, Finding, Kind, Report
from ops.console.exit_codes import FOUND, UsageError, run
from ops.console.noted import note_command
from ops.console.output import Json, console, print_json
from runtime.logs import configure_logs, get_logger
from runtime.settings import Settings
from store.connections import make_pool
from store.operations.repair import Repairs
from topics.producer import LogProducer

log = get_logger("repair")
PLANNED_MAX = 10_000
"""Differences of a kind in one run: the most that an audit names. Run it again for more."""
REPAIRABLE = tuple(kind for kind in Kind if REPAIRS[kind].startswith("gateway repair "))
Plan = Callable[[Finding], Awaitable[Planned]]

Since = Annotated[
    str, typer.Option("--since", help="Only orders with an event since this instant, or 15m, 2h, 1d ago.")
]
Apply = Annotated[bool, typer.Option("--apply", help="Make the changes; without it, only show them.")]

Force = Annotated[
    bool, typer.Option("--force", help="Also repairs that an operator must decide on; see docs/RUNBOOK.md, Repairs.")
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for one difference. `done` None: nothing was tried."""

    kind: Kind
    subject: str
    message: str
    done: bool | None
    refused: bool = False


def repair(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(REPAIRABLE)}; default: all.")] = "",
    apply: Apply = False,
    force: Force = False,
    since: Since = "",
    as_json: Json = False,
) -> None:
    """Repair what `gateway verify` finds, from what is still intact. Dry run unless --apply."""
    if kind and kind not in REPAIRABLE:
        known = REPAIRS[Kind(kind)] if kind in set(Kind) else None
        hint = f"its repair is: {known}" if known else f"kinds are {', '.join(REPAIRABLE)}"
        raise UsageError(f"'{kind}' is not a kind this command can repair; {hint}.")
    if force and not kind:
        raise UsageError("--force needs a KIND: decide on each forced repair separately.")
    kinds = (Kind(kind),) if kind else REPAIRABLE
    _run(kinds, apply=apply, force=force, since=instant(since), as_json=as_json)


def republish(apply: Apply = False, since: Since = "", as_json: Json = False) -> None:
    """Publish events that are in the database but not on the topic. Dry run unless --apply."""
    _run((Kind.UNPUBLISHED,), apply=apply, force=False, since=instant(since), as_json=as_json)


def _run(kinds: tuple[Kind, ...], *, apply: bool, force: bool, since: datetime | None, as_json: bool) -> None:
    with second_process() as second:

        async def work(settings: Settings) -> list[Outcome]:
            configure_logs(settings, role="repair", worker=_actor())
            report = (await audited(settings, second, Scope(since=since), kept_max=PLANNED_MAX)).report
            return await repaired(settings, report, kinds, apply=apply, force=force)

        outcomes = run(work)
    if as_json:
        print_json([_shape(one) for one in outcomes])
    else:
        _show(outcomes, apply=apply)
    if any(not one.done for one in outcomes):
        raise typer.Exit(FOUND)


async def repaired(
    settings: Settings, report: Report, kinds: tuple[Kind, ...], *, apply: bool, force: bool = False
) -> list[Outcome]:
    """Plan, and with `apply` make, the repairs of these kinds of difference, one after another.

    `force`: also those that an operator must confirm.
    """
    pool = await make_pool(settings, size=2)
    producer = LogProducer(settings)
    try:
        await producer.start()
        if apply:
            await note_command(settings, "repair", {"kinds": list(kinds), "force": force}, pool)
        rows = Repairs(pool)
        outcomes = []
        for kind in kinds:
            findings = report.kinds[kind].kept if kind in report.kinds else []
            for planned in await _plans(settings, rows, producer, kind, findings, force=force):
                outcomes.append(await _carried_out(rows, kind, planned, apply=apply))
        return outcomes
    finally:
        await producer.stop()
        await pool.close()


async def _plans(
    settings: Settings, rows: Repairs, producer: LogProducer, kind: Kind, findings: list[Finding], *, force: bool
) -> list[Planned]:
    feed = FeedRepairs(settings, rows, producer)
    if kind is Kind.UNPUBLISHED:
        return await feed.unpublished(findings)
    if kind is Kind.FEED_ORDER:
        return await feed.places(findings)
    inbox, deliveries = InboxRepairs(settings, rows, producer, force=force), DeliveryRepairs(rows)
    plans: dict[Kind, Plan] = {
        Kind.REPLY: inbox.reply,
        Kind.FINGERPRINT: inbox.fingerprint,
        Kind.CLOCK: inbox.clock,
        Kind.UNDECIDED: inbox.undecided,
        Kind.PROMISE: inbox.promise,
        Kind.DELIVERY_MISSING: deliveries.missing,
        Kind.DELIVERY_UNTRIED: deliveries.untried,
        Kind.DELIVERY_UNATTEMPTED: deliveries.unattempted,
        Kind.DELIVERY_BODY: deliveries.body,
    }
    once = {finding.subject: finding for finding in findings}
    return [await plans[kind](finding) for finding in once.values()]


async def _carried_out(rows: Repairs, kind: Kind, planned: Planned, *, apply: bool) -> Outcome:
    match planned:
        case Refusal(subject, why):
            return Outcome(kind, subject, why, done=None, refused=True)
        case Step(subject, will, do):
            if not apply:
                return Outcome(kind, subject, will, done=None)
            if await do():
                await rows.note(kind=kind, subject=subject, did=will, actor=_actor())
                log.info("repaired", kind=kind, subject=subject, did=will)
            return Outcome(kind, subject, will, done=True)
    assert_never(planned)


def _actor() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _show(outcomes: list[Outcome], *, apply: bool) -> None:
    if not outcomes:
        console.print("nothing to repair")
        return
    for one in outcomes:
        mark = "refused" if one.refused else "done" if one.done else "would"
        console.print(f"{mark:8}{one.kind}: {one.subject} {one.message}", markup=False)
    left = sum(not one.done for one in outcomes)
    if apply:
        console.print(f"{len(outcomes) - left:,} repaired, {left:,} refused; check with `gateway verify`")
    else:
        console.print(f"{len(outcomes):,} differences; nothing was changed. --apply makes the repairs.")


def _shape(one: Outcome) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "subject": one.subject,
        "says": one.message,
        "done": bool(one.done),
        "refused": one.refused,
    }
