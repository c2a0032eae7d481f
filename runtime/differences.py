"""The kinds of difference that an audit can find, and what repairs each.

    audit (ops/audit/verify) ──kinds──▶ table `audits` ──▶ metrics, `gateway health`, GET /operations/audit

They are here because the API uses them too, and the API never imports ops.
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """A kind of difference. The value names the kind in `--json`, in metrics and in `gateway repair`."""

    RECORD_UNKNOWN = "record_unknown"
    RECORD_MISPLACED = "record_misplaced"
    RECORD_ALTERED = "record_altered"
    RECORD_OVERTAKEN = "record_overtaken"
    UNPUBLISHED = "unpublished"
    HISTORY = "history"
    STATE = "state"
    INBOX = "inbox"
    REPLY = "reply"
    FINGERPRINT = "fingerprint"
    CLOCK = "clock"
    UNDECIDED = "undecided"
    PROMISE = "promise"
    FEED_ORDER = "feed_order"
    BANK = "bank"
    MONEY = "money"
    DEADLINE = "deadline"
    DELIVERY_MISSING = "delivery_missing"
    DELIVERY_WAITING = "delivery_waiting"
    DELIVERY_UNTRIED = "delivery_untried"
    DELIVERY_UNATTEMPTED = "delivery_unattempted"
    DELIVERY_BODY = "delivery_body"
    DELIVERY_UNKNOWN = "delivery_unknown"
    ROLLUPS = "rollups"
    ANCHOR = "anchor"
    AUDIT_LOG = "audit_log"
    ERASURE = "erasure"


_FROM_A_BACKUP = "no command: restore from a backup (docs/RUNBOOK.md, Repairs)"
_BY_HAND = "no command: money is decided by people (docs/RUNBOOK.md, Repairs)"
REPAIRS: dict[Kind, str] = {
    Kind.RECORD_UNKNOWN: _FROM_A_BACKUP,
    Kind.RECORD_MISPLACED: "no command: the record is ignored; find its producer (docs/RUNBOOK.md, Repairs)",
    Kind.RECORD_ALTERED: _FROM_A_BACKUP,
    Kind.RECORD_OVERTAKEN: "no command: listeners sort by sequence (docs/RUNBOOK.md, Repairs)",
    Kind.UNPUBLISHED: "gateway republish --apply",
    Kind.HISTORY: _FROM_A_BACKUP,
    Kind.STATE: "gateway rebuild --swap",
    Kind.INBOX: _FROM_A_BACKUP,
    Kind.REPLY: "gateway repair reply --apply",
    Kind.FINGERPRINT: "gateway repair fingerprint --apply",
    Kind.CLOCK: "gateway repair clock --apply",
    Kind.UNDECIDED: "gateway repair undecided --apply",
    Kind.PROMISE: "gateway repair promise --apply",
    Kind.FEED_ORDER: "gateway repair feed_order --apply",
    Kind.BANK: _BY_HAND,
    Kind.MONEY: _BY_HAND,
    Kind.DEADLINE: "gateway restart sweeper",
    Kind.DELIVERY_MISSING: "gateway repair delivery_missing --apply",
    Kind.DELIVERY_WAITING: "gateway restart forwarder",
    Kind.DELIVERY_UNTRIED: "gateway repair delivery_untried --apply",
    Kind.DELIVERY_UNATTEMPTED: "gateway repair delivery_unattempted --apply",
    Kind.DELIVERY_BODY: "gateway repair delivery_body --apply",
    Kind.DELIVERY_UNKNOWN: "no command: nothing is known that it could be corrected from (docs/RUNBOOK.md, Repairs)",
    Kind.ROLLUPS: "gateway recount MERCHANT",
    Kind.ANCHOR: _FROM_A_BACKUP,
    Kind.AUDIT_LOG: _FROM_A_BACKUP,
    Kind.ERASURE: "gateway erase --again --yes",
}
