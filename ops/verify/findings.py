"""What an audit says: how much was compared, and each difference by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

KEPT_MAX = 50
"""Differences named for each check; the rest are counted."""


class Check(StrEnum):
    """The lines of the report; the values are what `--json` calls them."""

    TOPIC = "topic"
    HISTORY = "history"
    STATE = "state"
    COMMANDS = "commands"
    BANK = "bank"
    MONEY = "money"
    DEADLINES = "deadlines"
    WEBHOOKS = "webhooks"


SAYS = {
    Check.TOPIC: "events table = topic: ids, order of first sights, bytes",
    Check.HISTORY: "events in sequence, each a legal step",
    Check.STATE: "orders, payments, refunds = fold of the events",
    Check.COMMANDS: "each event caused by exactly one inbox row",
    Check.BANK: "bank ledger = payments and refunds, moved once",
    Check.MONEY: "refunds within the payment, one success an order",
    Check.DEADLINES: "nothing undecided past its deadline",
    Check.WEBHOOKS: "each event and endpoint: delivered, waiting or dead",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. `subject`: the id of the row, event or record that is wrong."""

    check: Check
    subject: str
    says: str


@dataclass(slots=True)
class Tally:
    """One line of the report. `compared` None: the check did not apply to this database."""

    compared: int | None = 0
    differences: int = 0
    kept: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """The whole audit."""

    tallies: dict[Check, Tally] = field(default_factory=lambda: {check: Tally() for check in Check})
    events: int = 0
    seconds: float = 0.0
    notes: dict[str, int] = field(default_factory=dict)

    def compared(self, check: Check, count: int) -> None:
        tally = self.tallies[check]
        tally.compared = (tally.compared or 0) + count

    def add(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            tally = self.tallies[finding.check]
            tally.differences += 1
            if len(tally.kept) < KEPT_MAX:
                tally.kept.append(finding)

    def merge(self, other: Report) -> None:
        """Add what another part of the audit came to."""
        self.events += other.events
        for check, tally in other.tallies.items():
            mine = self.tallies[check]
            mine.compared = (mine.compared or 0) + (tally.compared or 0)
            mine.differences += tally.differences
            mine.kept += tally.kept[: KEPT_MAX - len(mine.kept)]

    @property
    def differences(self) -> int:
        return sum(tally.differences for tally in self.tallies.values())

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
                    "found": [{"subject": one.subject, "says": one.says} for one in tally.kept],
                }
                for check, tally in self.tallies.items()
            },
            "notes": self.notes,
        }
