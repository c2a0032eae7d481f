"""The output of a run of the simulation: a line for each world that broke a promise, its history, and the command to
repeat it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from simulation.faults import DEFAULT_FAMILIES
from simulation.plan import Plan
from simulation.search import Outcome, run
from simulation.trace import Note

NOTES_MAX = 220
"""A longer history is printed only for the affected order."""
ALWAYS = frozenset({"process", "fault", "world", "redis", "database"})
DEFAULTS = Plan(0)
IDENTITY = re.compile(r"(?:order|pay|rfnd)_[0-9A-Za-z]{16}|evt_[0-9A-Za-z]{16}")


@dataclass(slots=True)
class Tally:
    """The results of many worlds."""

    worlds: int = 0
    requests: int = 0
    accepted: int = 0
    deaths: int = 0
    faults: int = 0
    steps: int = 0
    broken: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.worlds += 1
        self.requests += outcome.requests
        self.accepted += outcome.accepted
        self.deaths += outcome.deaths
        self.faults += len(outcome.faults)
        self.steps += outcome.steps
        if outcome.broken:
            self.broken.append(replace(outcome, notes=()))

    def lines(self, seconds: float) -> Iterator[str]:
        """The summary of a run that took this many seconds."""
        a_minute = 60 * self.requests / max(seconds, 0.001)
        yield (
            f"{self.worlds:,} worlds, {self.requests:,} requests ({self.accepted:,} accepted), {self.faults:,} faults, "
            f"{self.deaths:,} deaths in {seconds:.1f} s ({a_minute:,.0f} requests a minute)"
        )
        promises = Counter(promise for one in self.broken for promise in {two.promise for two in one.violations})
        for promise, count in promises.most_common():
            seeds = [one.plan.seed for one in self.broken if promise in {two.promise for two in one.violations}]
            shown = " ".join(map(str, seeds[:12])) + (" …" if len(seeds) > 12 else "")
            yield f"  broken in {count} worlds: {promise}; seeds {shown}"
        if not self.broken:
            yield "  every promise was kept"


def command_of(plan: Plan) -> str:
    """The command that runs this world again."""
    words = ["python -m simulation", f"--seed {plan.seed}"]
    if plan.families != DEFAULT_FAMILIES:
        words.append(f"--families {','.join(sorted(plan.families)) or 'none'}")
    if plan.all_families:
        words.append("--all-families")
    for name in ("clients", "turns", "salt"):
        if getattr(plan, name) != getattr(DEFAULTS, name):
            words.append(f"--{name} {getattr(plan, name)}")
    if not plan.webhooks:
        words.append("--no-webhooks")
    if plan.faults is not None:
        words.append(f"--faults '{','.join(sorted(plan.faults)) or 'none'}'")
    if plan.requests is not None:
        words.append(f"--requests {','.join('.'.join(map(str, one)) for one in sorted(plan.requests)) or 'none'}")
    return " ".join(words)


def history(plan: Plan) -> Iterator[str]:
    """The world's history in order, and its broken promises."""
    outcome = run(replace(plan, history=True))
    for note in notes_of(outcome):
        yield str(note)
    yield ""
    for violation in outcome.violations:
        yield f"broken: {violation.promise}: {violation.message}"
    if not outcome.violations:
        yield "every promise was kept"
    yield (
        f"{outcome.requests} requests, {len(outcome.faults)} faults, {outcome.seconds:.1f} s of its own time, "
        f"hash {outcome.hash}"
    )


def notes_of(outcome: Outcome) -> list[Note]:
    """All notes, or, of a long history, those about the first affected order."""
    if len(outcome.notes) <= NOTES_MAX or not outcome.violations:
        return list(outcome.notes)
    subject = outcome.violations[0]
    ids = set(IDENTITY.findall(f"{subject.about} {subject.message}"))
    orders = {name[-16:] for name in ids if name.startswith("order")}
    for note in outcome.notes:  # payments and refunds of the same order
        if any(order in note.about for order in orders):
            ids |= set(IDENTITY.findall(note.text))
    return [note for note in outcome.notes if note.kind in ALWAYS or _concerns(note, ids)]


def _concerns(note: Note, ids: set[str]) -> bool:
    return any(name in note.about or name in note.text for name in ids)
