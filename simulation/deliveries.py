"""The statements of webhook endpoints, deliveries and attempts, in Python. Row locks are the domain's lock."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from simulation.database import Row, Rows, View, reads, writes
from store.webhooks import attempt_batch as webhook_recording
from store.webhooks import endpoint_events
from store.webhooks import jobs as webhook_jobs
from store.webhooks import plan as webhook_planning
from store.webhooks import upkeep as webhook_upkeep

OPEN = ("pending", "held")
NEW = {"attempts": 0, "schedule_from": 0, "nudges": 0, "last_attempt_at": None, "republished_at": None}
"""A delivery's columns besides those that the planner gives."""


def _names(text: str, pattern: str) -> tuple[str, ...]:
    """The columns that a statement lists."""
    found = re.search(pattern + r" \(([^)]+)\)", text)
    assert found is not None, text
    return tuple(name.strip() for name in found[1].split(","))


PLANNED = _names(webhook_planning.INSERT, "INSERT INTO webhook_logs")
MADE = _names(webhook_recording.RECORD, "AS made")
LOADED = webhook_recording.Loaded._fields


class Record(dict[str, Any]):
    """A row whose iteration gives its values, as asyncpg's does."""

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values())


@reads(webhook_planning.ENDPOINTS)
def endpoints(view: View, merchant_ids: list[str]) -> Rows:
    hooks = [row for row in view["webhooks"].values() if row["merchant_id"] in merchant_ids]
    return [row for row in hooks if row["deleted_at"] is None]


@writes(webhook_planning.LOCK_KNOWN, "webhooks")
def lock_known(view: View, payment_ids: list[str], endpoint_ids: list[str], ids: list[uuid.UUID]) -> Rows:
    rows = view["webhook_logs"].values()
    found = [
        row
        for row in rows
        if (row["payment_id"] in payment_ids and row["endpoint_id"] in endpoint_ids) or row["id"] in ids
    ]
    return sorted(found, key=lambda row: row["id"])


@writes(webhook_planning.INSERT, "webhooks")
def insert(view: View, *columns: list[Any]) -> Rows:
    written = []
    known = {(row["event_id"], row["endpoint_id"]) for row in view["webhook_logs"].values()}
    for values in zip(*columns, strict=True):
        row = dict(zip(PLANNED, values, strict=True))
        if (row["event_id"], row["endpoint_id"]) not in known:
            view["webhook_logs"][row["id"]] = row | NEW
            written.append({"id": row["id"]})
    return written


@reads(webhook_recording.LOAD)
def load(view: View, ids: list[uuid.UUID]) -> Rows:
    found: Rows = []
    for one in ids:
        log = view["webhook_logs"].get(one)
        if log is not None:
            found.append(_loaded(log, view["webhooks"].get(log["endpoint_id"])))
    return found


def _loaded(log: Row, hook: Row | None) -> Record:
    """LOAD's columns in LOAD's order."""
    deleted = hook is None or hook["deleted_at"] is not None
    beside = {"deleted": deleted, "razorpay": False} | log
    return Record({name: beside[name] if name in beside else hook and hook[name] for name in LOADED})


@writes(webhook_recording.LOCK, "webhooks")
def lock(view: View, ids: list[uuid.UUID]) -> Rows:
    return [view["webhook_logs"][one] for one in sorted(ids) if one in view["webhook_logs"]]


@writes(webhook_recording.RECORD, "webhooks")
def record(view: View, *columns: list[Any]) -> Rows:
    for values in zip(*columns, strict=True):
        made = dict(zip(MADE, values, strict=True))
        log = view["webhook_logs"][made["id"]]
        view["webhook_logs"][log["id"]] = log | {
            "status": str(made["status"]),
            "attempts": made["attempt"],
            "last_attempt_at": made["at"],
            "next_retry_at": made["next_retry_at"],
            "response_code": made["response_code"],
            "nudges": 0,
        }
        view["webhook_attempts"].setdefault((made["id"], made["attempt"]), made)
    return []


@writes(webhook_recording.RECORD_SKIPPED, "webhooks")
def record_skipped(view: View, ids: list[uuid.UUID], states: list[str], next_retry_ats: list[datetime | None]) -> Rows:
    changed = []
    for one, status, next_retry_at in zip(ids, states, next_retry_ats, strict=True):
        log = view["webhook_logs"].get(one)
        if log is not None and log["status"] == "pending":
            view["webhook_logs"][one] = log | {"status": str(status), "next_retry_at": next_retry_at}
            changed.append(log)
    return changed


def _following(view: View, payment_ids: list[str], endpoint_ids: list[str]) -> Rows:
    """The first open delivery of each payment and endpoint."""
    found = []
    for payment_id, endpoint_id in dict.fromkeys(zip(payment_ids, endpoint_ids, strict=True)):
        rows = view["webhook_logs"].values()
        of_it = [row for row in rows if row["payment_id"] == payment_id and row["endpoint_id"] == endpoint_id]
        first = min((row for row in of_it if row["status"] in OPEN), key=lambda row: row["sequence"], default=None)
        if first is not None:
            found.append(first)
    return found


@writes(webhook_recording.RELEASE_NEXT, "webhooks")
def release_next(view: View, payment_ids: list[str], endpoint_ids: list[str], at: datetime) -> Rows:
    return _release(view, (row for row in _following(view, payment_ids, endpoint_ids)), at)


def _release(view: View, rows: Iterable[Row], at: datetime) -> Rows:
    held = [row for row in rows if row["status"] == "held"]
    for row in held:
        view["webhook_logs"][row["id"]] = row | {"status": "pending", "next_retry_at": at}
    return held


@reads(webhook_recording.RELEASED_BEFORE)
def released_before(view: View, payment_ids: list[str], endpoint_ids: list[str], at: datetime) -> Rows:
    first = _following(view, payment_ids, endpoint_ids)
    waiting = [row for row in first if row["status"] == "pending" and row["attempts"] == 0]
    return [row for row in waiting if row["next_retry_at"] is not None and row["next_retry_at"] <= at]


@writes(webhook_recording.COUNT_FAILURES, "webhooks")
def count_failures(view: View, ids: list[str], failures: list[int], at: datetime) -> Rows:
    for one, count in zip(ids, failures, strict=True):
        hook = view["webhooks"][one]
        view["webhooks"][one] = hook | {
            "failures_in_a_row": hook["failures_in_a_row"] + count,
            "failing_since": hook["failing_since"] or at,
        }
    return []


@writes(webhook_recording.BREAK, "webhooks")
def switch_off_failing(view: View, ids: list[str], _at: datetime, failures: int, since: datetime) -> Rows:
    failing = [view["webhooks"][one] for one in ids if view["webhooks"][one]["active"]]
    over = [hook for hook in failing if hook["failures_in_a_row"] >= failures and hook["failing_since"] <= since]
    return _switch_off(view, over, "failing")


def _switch_off(view: View, hooks: Rows, reason: str) -> Rows:
    for hook in hooks:
        view["webhooks"][hook["id"]] = hook | {"active": False, "disabled_reason": reason}
    return hooks


@writes(webhook_recording.FORGET_FAILURES, "webhooks")
def forget_failures(view: View, ids: list[str]) -> Rows:
    for one in ids:
        view["webhooks"][one] = view["webhooks"][one] | {"failures_in_a_row": 0, "failing_since": None}
    return []


@writes(webhook_recording.SWITCH_OFF, "webhooks")
def switch_off_gone(view: View, ids: list[str], _at: datetime) -> Rows:
    return _switch_off(view, [view["webhooks"][one] for one in ids if view["webhooks"][one]["active"]], "gone")


@writes(webhook_upkeep.RELEASE_HELD, "webhooks")
def release_held(view: View, at: datetime, limit: int) -> Rows:
    return _release(view, [row for row in view["webhook_logs"].values() if _is_free(view, row)][:limit], at)


def _is_free(view: View, row: Row) -> bool:
    if row["status"] != "held":
        return False
    hook = view["webhooks"].get(row["endpoint_id"])
    if hook is None or not (hook["active"] or hook["deleted_at"] is not None):
        return False
    if hook["ordering"] == "none" or row["payment_id"] is None:
        return True
    same = [
        other
        for other in view["webhook_logs"].values()
        if other["payment_id"] == row["payment_id"] and other["endpoint_id"] == row["endpoint_id"]
    ]
    return not any(other["sequence"] < row["sequence"] and other["status"] in OPEN for other in same)


@writes(webhook_upkeep.FIND_LOST, "webhooks")
def find_lost(view: View, at: datetime, overdue_since: datetime, limit: int) -> Rows:
    pending = [row for row in view["webhook_logs"].values() if row["status"] == "pending"]
    overdue = [row for row in pending if row["next_retry_at"] is not None and row["next_retry_at"] < overdue_since]
    lost = [row for row in overdue if row["republished_at"] is None or row["republished_at"] < overdue_since]
    lost = sorted(lost, key=lambda row: row["next_retry_at"])[:limit]
    for row in lost:
        view["webhook_logs"][row["id"]] = row | {"republished_at": at, "nudges": row["nudges"] + 1}
    return lost


@reads(webhook_upkeep.COUNT)
def count(view: View) -> Rows:
    states = [row["status"] for row in view["webhook_logs"].values()]
    names = {"pending": "pending", "held": "held", "success": "delivered", "failed": "failed"}
    counted = {name: states.count(status) for status, name in names.items()}
    return [counted | {"attempts": sum(row["attempts"] for row in view["webhook_logs"].values())}]


@reads(webhook_jobs.OPEN)
def open_jobs(_view: View) -> Rows:
    """No client requests replays."""
    return []


@reads(endpoint_events.SWITCHED)
def switched(view: View, ids: list[str]) -> Rows:
    return [row for one in sorted(ids) if (row := view["webhooks"][one])["deleted_at"] is None]


@reads(endpoint_events.LISTENERS)
def listeners(view: View, merchant_id: str, endpoint_id: str, event: str) -> Rows:
    others = [row for row in endpoints(view, [merchant_id]) if row["id"] != endpoint_id]
    return [row for row in others if event in row["events"]]


@writes(endpoint_events.REMEMBER, "webhooks")
def remember(view: View, endpoint_id: str, at: datetime, merchant_id: str, event: str) -> Rows:
    row = {"endpoint_id": endpoint_id, "at": at, "merchant_id": merchant_id, "event": event}
    view["endpoint_switches"].setdefault((endpoint_id, at), row)
    return [{}]


@writes(endpoint_events.FORGET, "webhooks")
def forget_switches(view: View, endpoint_id: str, at: datetime) -> Rows:
    old = [key for key in view["endpoint_switches"] if key[0] == endpoint_id and key[1] < at]
    for key in old:
        del view["endpoint_switches"][key]
    return []
