"""What an audit found: how much was compared, each difference by name, and the command that repairs it.

    Check   a line of the report: what must hold
    Kind    one way in which it can be broken, and its repair (runtime/differences.py)

An audit never writes: it names the command, an operator runs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from runtime.differences import REPAIRS, Kind

__all__ = [
    "DATABASE_CLOCK",
    "EXAMPLES_MAX",
    "KEPT_MAX",
    "REPAIRS",
    "SUMMARIES",
    "Check",
    "Finding",
    "Found",
    "Kind",
    "Report",
    "Tally",
]

KEPT_MAX = 50
"""Differences of a kind that are kept by name, unless the caller asks for more; the rest are counted."""
DATABASE_CLOCK = "database clock"
"""Subject of a difference that belongs to no row."""
EXAMPLES_MAX = 10
"""Examples of a kind that are printed."""


class Check(StrEnum):
    """The lines of the report; the values are what `--json` calls them."""

    TOPIC = "topic"
    HISTORY = "history"
    STATE = "state"
    COMMANDS = "commands"
    PROMISES = "promises"
    FEED = "feed"
    BANK = "bank"
    MONEY = "money"
    DEADLINES = "deadlines"
    WEBHOOKS = "webhooks"
    ROLLUPS = "rollups"
    ANCHOR = "anchor"
    AUDIT_LOG = "audit_log"
    ERASURES = "erasures"


SUMMARIES = {
    Check.TOPIC: "events table = topic: ids, order of first sights, bytes",
    Check.HISTORY: "events in sequence, each a legal step",
    Check.STATE: "orders, payments, refunds = fold of the events",
    Check.COMMANDS: "each event caused by one inbox row, whose reply it is",
    Check.PROMISES: "each command on the topic and each 202: decided",
    Check.FEED: "each event at its place in the merchants' feed",
    Check.BANK: "bank ledger = payments and refunds, moved once",
    Check.MONEY: "refunds within the payment, one success an order",
    Check.DEADLINES: "nothing undecided past its deadline",
    Check.WEBHOOKS: "each event and endpoint: delivered, waiting or dead",
    Check.ROLLUPS: "analytics = fold of the events",
    Check.AUDIT_LOG: "audit log: every chain whole, unchanged and sealed",
    Check.ERASURES: "each erased order: no key, and nothing to be read of its payer",
    Check.ANCHOR: "history up to the anchor unchanged, topic and table",
}


_USUAL = {
    Check.TOPIC: Kind.RECORD_MISPLACED,
    Check.HISTORY: Kind.HISTORY,
    Check.STATE: Kind.STATE,
    Check.COMMANDS: Kind.INBOX,
    Check.PROMISES: Kind.UNDECIDED,
    Check.FEED: Kind.FEED_ORDER,
    Check.BANK: Kind.BANK,
    Check.MONEY: Kind.MONEY,
    Check.DEADLINES: Kind.DEADLINE,
    Check.WEBHOOKS: Kind.DELIVERY_MISSING,
    Check.ROLLUPS: Kind.ROLLUPS,
    Check.ANCHOR: Kind.ANCHOR,
    Check.AUDIT_LOG: Kind.AUDIT_LOG,
    Check.ERASURES: Kind.ERASURE,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. `subject`: the id of the row, event or record that is wrong."""

    check: Check
    subject: str
    message: str
    of_kind: Kind | None = None
    """None: the usual kind of the check."""

    @property
    def kind(self) -> Kind:
        return self.of_kind or _USUAL[self.check]


@dataclass(slots=True)
class Tally:
    """One line of the report. `compared` None: the check did not apply to this database."""

    compared: int | None = 0
    differences: int = 0


@dataclass(slots=True)
class Found:
    """The differences of one kind: how many, and the first of them by name."""

    count: int = 0
    kept: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """The whole audit."""

    tallies: dict[Check, Tally] = field(default_factory=lambda: {check: Tally() for check in Check})
    kinds: dict[Kind, Found] = field(default_factory=dict)
    events: int = 0
    seconds: float = 0.0
    notes: dict[str, int] = field(default_factory=dict)
    kept_max: int = KEPT_MAX

    def compared(self, check: Check, count: int) -> None:
        tally = self.tallies[check]
        tally.compared = (tally.compared or 0) + count

    def add(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.tallies[finding.check].differences += 1
            found = self.kinds.setdefault(finding.kind, Found())
            found.count += 1
            if len(found.kept) < self.kept_max:
                found.kept.append(finding)

    def merge(self, other: Report) -> None:
        """Add the result of another part of the audit."""
        self.events += other.events
        for check, tally in other.tallies.items():
            mine = self.tallies[check]
            mine.compared = (mine.compared or 0) + (tally.compared or 0)
            mine.differences += tally.differences
        for kind, theirs in other.kinds.items():
            found = self.kinds.setdefault(kind, Found())
            found.count += theirs.count
            found.kept += theirs.kept[: max(0, self.kept_max - len(found.kept))]

    @property
    def differences(self) -> int:
        return sum(tally.differences for tally in self.tallies.values())

    @property
    def counts(self) -> dict[str, int]:
        """Kind -> differences; only kinds that have any."""
        return {kind.value: found.count for kind, found in sorted(self.kinds.items())}

    def kept(self, check: Check) -> list[Finding]:
        """The differences of a check that are kept by name."""
        return [one for found in self.kinds.values() for one in found.kept if one.check is check]

    def as_json(self) -> dict[str, Any]:
        """Shape of `gateway verify --json`."""
        return {
            "ok": self.differences == 0,
            "differences": self.differences,
            "events": self.events,
            "seconds": round(self.seconds, 3),
            "checks": {
                check.value: {
                    "compared": tally.compared,
                    "differences": tally.differences,
                    "found": [{"subject": one.subject, "says": one.message} for one in self.kept(check)],
                }
                for check, tally in self.tallies.items()
            },
            "kinds": {
                kind.value: {
                    "count": found.count,
                    "repair": REPAIRS[kind],
                    "found": [{"subject": one.subject, "says": one.message} for one in found.kept],
                }
                for kind, found in sorted(self.kinds.items())
            },
            "notes": self.notes,
        }
