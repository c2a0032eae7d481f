"""The statements of the sweeper, in Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

from simulation.database import Row, Rows, View, reads, writes
from store import deadlines, questions

CLOCK_WAS_WRONG = timedelta(hours=1)
OPEN_PAYMENT, OPEN_REFUND = ("CREATED", "PROCESSING"), ("PENDING",)


def _overdue(view: View, table: str, states: tuple[str, ...]) -> Rows:
    return [row for row in view[table].values() if row["status"] in states and row["deadline_at"] < view.now]


def _due(view: View, row: Row, kind: str, route: str, since: str) -> Iterator[Row]:
    """The row as a question, where its next time has come."""
    known = view["bank_questions"].get((row["id"], kind))
    due_at = row[since] if known is None else known["next_at"]
    if due_at <= view.now or (known is not None and due_at > view.now + CLOCK_WAS_WRONG):
        asked, answered = (0, 0) if known is None else (known["asked"], known["answered"])
        yield row | {"route": route, "asked": asked, "answered": answered, "due_at": due_at}


def _in_turn(due: Rows, limit: int) -> Rows:
    """Round robin over the merchants of each route."""
    turns: dict[tuple[str, str], int] = defaultdict(int)
    placed: Rows = []
    for row in sorted(due, key=lambda row: (row["asked"], row["due_at"])):
        place = row["route"], row["merchant_id"]
        turns[place] += 1
        placed.append(row | {"turn": turns[place]})
    places: dict[str, int] = defaultdict(int)
    found = []
    for row in sorted(placed, key=lambda row: (row["turn"], row["asked"], row["due_at"])):
        places[row["route"]] += 1
        if places[row["route"]] <= limit:
            found.append(row | {"place": places[row["route"]]})
    return found


@reads(questions.IN_TURN.format(due=questions.PAYMENTS))
def payments_due(view: View, limit: int) -> Rows:
    overdue = _overdue(view, "payments", OPEN_PAYMENT)
    return _in_turn([one for row in overdue for one in _due(view, row, "payment", row["method"], "deadline_at")], limit)


@reads(questions.IN_TURN.format(due=questions.REFUNDS))
def refunds_due(view: View, limit: int) -> Rows:
    found: Rows = []
    for row in _overdue(view, "refunds", OPEN_REFUND):
        found += _due(view, row, "refund", view["payments"][row["payment_id"]]["method"], "deadline_at")
    return _in_turn(found, limit)


@reads(questions.IN_TURN.format(due=questions.RETURNS))
def returns_due(view: View, limit: int, rest_seconds: float, tries_max: int, rest_seconds_max: float) -> Rows:
    found: Rows = []
    for payment_id, tried in _automatic(view).items():
        payment = view["payments"][payment_id]
        last_at = max(row["updated_at"] or row["created_at"] for row in tried)
        rest = timedelta(seconds=min(rest_seconds * 2 ** (len(tried) - 1), rest_seconds_max))
        refused = all(row["status"] == "FAILED" for row in tried) and not _is_back(view, payment)
        if refused and len(tried) < tries_max and last_at < view.now - rest and not payment["reversed"]:
            found += _due(view, payment | {"last_at": last_at}, "return", payment["method"], "last_at")
    return _in_turn(found, limit)


def _is_back(view: View, payment: Row) -> bool:
    """All of it was returned by other refunds."""
    refunds = [row for row in view["refunds"].values() if row["payment_id"] == payment["id"]]
    return bool(sum(row["amount"] for row in refunds if row["status"] != "FAILED") >= payment["amount"])


def _automatic(view: View) -> dict[str, Rows]:
    """Payment id -> the automatic refunds."""
    found: dict[str, Rows] = defaultdict(list)
    for row in view["refunds"].values():
        if row["automatic"]:
            found[row["payment_id"]].append(row)
    return found


@writes(questions.CLAIM, "questions")
def claim(view: View, attempt_ids: list[str], kinds: list[str], waits: list[float]) -> Rows:
    claimed = []
    for attempt_id, kind, wait in zip(attempt_ids, kinds, waits, strict=True):
        known = view["bank_questions"].get((attempt_id, kind))
        if known is not None and view.now < known["next_at"] <= view.now + CLOCK_WAS_WRONG:
            continue
        asked, answered = (0, 0) if known is None else (known["asked"], known["answered"])
        row = {"attempt_id": attempt_id, "kind": kind, "asked": asked + 1, "answered": answered}
        view["bank_questions"][attempt_id, kind] = row | {"next_at": view.now + timedelta(seconds=wait)}
        claimed.append(row)
    return claimed


@writes(questions.RECORD, "questions")
def record(view: View, attempt_ids: list[str], kinds: list[str], answered: list[int], waits: list[float]) -> Rows:
    changed = []
    for attempt_id, kind, count, wait in zip(attempt_ids, kinds, answered, waits, strict=True):
        known = view["bank_questions"].get((attempt_id, kind))
        if known is not None:
            next_at = view.now + timedelta(seconds=wait)
            changed.append(known | {"answered": known["answered"] + count, "next_at": next_at})
            view["bank_questions"][attempt_id, kind] = changed[-1]
    return changed


@writes(questions.FORGET_CLOSED, "questions")
def forget_closed(view: View) -> Rows:
    closed = [key for key in view["bank_questions"] if _is_closed(view, *key)]
    return [view["bank_questions"].pop(key) for key in closed]


def _is_closed(view: View, attempt_id: str, kind: str) -> bool:
    if kind == "payment":
        return view["payments"][attempt_id]["status"] not in OPEN_PAYMENT
    if kind == "refund":
        return view["refunds"][attempt_id]["status"] not in OPEN_REFUND
    succeeded = any(row["status"] != "FAILED" for row in _automatic(view).get(attempt_id, ()))
    return succeeded or bool(view["payments"][attempt_id]["reversed"])


@reads(questions.COUNT_OVERDUE)
def count_overdue(view: View) -> Rows:
    payments, refunds = _overdue(view, "payments", OPEN_PAYMENT), _overdue(view, "refunds", OPEN_REFUND)
    return [{"payments": len(payments), "refunds": len(refunds)}]


@reads(deadlines.DUE_ORDERS)
def due_orders(view: View, without: list[str], settling_seconds: float, limit: int) -> Rows:
    awaited_since = view.now - timedelta(seconds=settling_seconds)
    awaited = {
        row["order_id"]
        for row in view["payments"].values()
        if row["status"] in OPEN_PAYMENT and row["deadline_at"] > awaited_since
    }
    due = [
        row
        for row in view["orders"].values()
        if row["status"] == "CREATED"
        and row["expires_at"] is not None
        and row["expires_at"] <= view.now
        and row["id"] not in awaited
        and row["id"] not in without
    ]
    return sorted(due, key=lambda row: row["expires_at"])[:limit]


@reads(deadlines.DUE_PAYMENTS)
def due_payments(view: View, without: list[str], limit: int) -> Rows:
    pending = {row["payment_id"] for row in view["refunds"].values() if row["status"] == "PENDING"}
    due = [
        row
        for row in view["payments"].values()
        if row["capture_before"] is not None
        and row["capture_before"] <= view.now
        and not row["reversed"]
        and row["amount_refunded"] < row["amount"]
        and row["id"] not in pending
        and row["id"] not in without
    ]
    return sorted(due, key=lambda row: row["capture_before"])[:limit]
