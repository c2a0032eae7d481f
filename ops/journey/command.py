"""`gateway journey ID`: everything about one order in order of time, by any of its ids.

commands, events, bank, webhook attempts, dead letters: with state before → after, position on the log, time between
steps
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated

import typer
from rich.text import Text

from ops.console.exit_codes import run
from ops.console.mask import masked, masked_text
from ops.console.output import Json, Unmask, console, print_json, print_json_line, print_text
from ops.journey.material import Collected, collect
from ops.journey.mermaid import as_mermaid
from ops.journey.story import Step, StepKind, steps_of
from ops.journey.subject import Subject, subject_of
from ops.log.formats import short_topic, style_of
from runtime.settings import Settings
from store.connections import make_pool
from topics.records import JsonObject

POLL_SECONDS = 0.5
_SIGNS = {
    StepKind.COMMAND: "→",
    StepKind.EVENT: "●",
    StepKind.BANK: "₿",
    StepKind.DELIVERY: "✉",
    StepKind.ATTEMPT: "↗",
    StepKind.DEAD: "✝",
}


def journey(
    id: Annotated[str, typer.Argument(help="Order, payment, refund, event, command, request or webhook log id.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new steps.")] = False,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid sequence diagram.")] = False,
    unmask: Unmask = False,
    as_json: Json = False,
) -> None:
    """Show everything that happened to one order, in order."""

    async def work(settings: Settings) -> None:
        pool = await make_pool(settings, size=2)
        try:
            subject = await subject_of(pool, id)
            collected = await collect(pool, settings, subject.order_id)
            steps = steps_of(collected.material)
            _print_all(subject, collected, steps, as_json=as_json, mermaid=mermaid, unmask=unmask)
            known = {_identity(step) for step in steps}
            last_at = steps[-1].at if steps else None
            while follow:
                await asyncio.sleep(POLL_SECONDS)
                steps = steps_of((await collect(pool, settings, subject.order_id)).material)
                new = [step for step in steps if _identity(step) not in known]
                _print_new(new, last_at, as_json=as_json, unmask=unmask)
                known |= {_identity(step) for step in new}
                last_at = new[-1].at if new else last_at
        finally:
            await pool.close()

    run(work)


def _identity(step: Step) -> tuple[str, str, str]:
    """A delivery's row changes with its attempts: each state is news."""
    return step.kind, step.id, step.gist if step.kind is StepKind.DELIVERY else ""


def _print_all(
    subject: Subject, collected: Collected, steps: Sequence[Step], *, as_json: bool, mermaid: bool, unmask: bool
) -> None:
    if as_json:
        shown = {
            "order_id": subject.order_id,
            "asked_about": subject.kind,
            "log": collected.log_missing or "read",
            "steps": [as_object(step, before, unmask=unmask) for before, step in _with_before(steps)],
        }
        print_json(shown)
        return
    if mermaid:
        print_text(as_mermaid(steps))
        return
    console.print(f"[bold]{subject.order_id}[/bold] ({len(steps)} steps)")
    for before, step in _with_before(steps):
        console.print(_line(step, before, marked=step.id in subject.marks, unmask=unmask))
    if collected.log_missing:
        console.print(f"The log is unavailable ({collected.log_missing}): positions and refused commands are missing.")


def _print_new(steps: Sequence[Step], last_at: datetime | None, *, as_json: bool, unmask: bool) -> None:
    for before, step in _with_before(steps, last_at):
        if as_json:
            print_json_line(as_object(step, before, unmask=unmask))
        else:
            console.print(_line(step, before, marked=False, unmask=unmask))


def _with_before(
    steps: Iterable[Step], before: datetime | None = None
) -> Iterable[tuple[datetime | None, Step]]:  # fmt: skip
    for step in steps:
        yield before, step
        before = step.at


def as_object(step: Step, before: datetime | None, *, unmask: bool) -> JsonObject:
    """A step for `--json`."""
    topic, partition, offset = (step.place or "//").split("/")
    return {
        "at": step.at,
        "since_previous_ms": None if before is None else round((step.at - before).total_seconds() * 1_000, 3),
        "kind": step.kind,
        "title": step.title,
        "id": step.id,
        "caused_by": step.caused_by,
        "request_id": step.request_id,
        "change": step.change,
        "refused": step.refused,
        "topic": topic or None,
        "partition": int(partition) if partition else None,
        "offset": int(offset) if offset else None,
        "facts": step.facts if unmask else masked(step.facts),
    }


def _line(step: Step, before: datetime | None, *, marked: bool, unmask: bool) -> Text:
    line = Text()
    line.append(step.at.strftime("%H:%M:%S.%f")[:12], style="dim")
    line.append(_hop(step, before).rjust(11), style="dim")
    style = "red" if step.refused else style_of(step.title)
    line.append(f"  {_SIGNS[step.kind]} {step.title:<22}", style=f"{style} reverse" if marked else style)
    line.append(f" {step.change or step.id}")
    line.append(f"  {step.gist if unmask else masked_text(step.gist)}")
    if step.place:
        topic, _, rest = step.place.partition("/")
        line.append(f"  {short_topic(topic)}/{rest}", style="dim")
    if step.kind is StepKind.EVENT and step.caused_by:
        line.append(f"  ← {step.caused_by}", style="dim")
    return line


def _hop(step: Step, before: datetime | None) -> str:
    """Time since the previous step."""
    if before is None:
        return ""
    seconds = (step.at - before).total_seconds()
    if seconds < 1:
        return f"+{seconds * 1_000:.1f} ms"
    return f"+{seconds:.1f} s" if seconds < 120 else f"+{seconds / 60:.1f} min"
