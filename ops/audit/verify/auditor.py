"""The pass over the tables: orders of one slice, a window of whole orders at a time.

    events ─► decoded ─► fold ─► rows that must exist ─► compared with orders, payments, refunds, commands
           │          ├► replies that the inbox must hold
           │          └► numbers that the analytics must show
           ├► sums of the bytes, for the topic
           └► places in the feed

Slices share nothing, so two processes work on one audit. The loops here run for every event or order: they make no
call that could be spared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from domain.ids import event_id
from ops.audit.verify.counted import COUNTED, Counted, Counter, Place
from ops.audit.verify.findings import KEPT_MAX, Check, Finding, Kind, Report
from ops.audit.verify.fold import Book, fold
from ops.audit.verify.pace import run
from ops.audit.verify.replies import reply_fits
from ops.audit.verify.rows import COLUMNS, ORDER, PAYMENT, REFUND, Row, differing, order_row, payment_row, refund_row
from ops.audit.verify.sums import Numbers, Sums, empty, ending, sum_of
from runtime.settings import Settings
from store.operations.audit import Snapshot, Which, joined, open_stream
from store.stream import Stream

UNPLACED_MAX = 10_000
"""With more events without a position than this, the feeder is not merely a moment behind."""
_NONE: list[Any] = []
"""An order without rows in a table. Never added to."""


@dataclass(slots=True)
class Sliced:
    """The result of some slices; crosses a process boundary."""

    report: Report = field(default_factory=Report)
    sums: Sums = field(default_factory=empty)
    counted: Counted = field(default_factory=dict)
    unplaced: list[tuple[str, int]] = field(default_factory=list)
    """(order id, sequence) of events without a position in their merchant's feed."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every slice of one audit needs; crosses a process boundary.

    `places`: merchant -> the position up to which its events are counted; None: the analytics are not compared.
    """

    settings: Settings
    snapshot: Snapshot
    numbers: Numbers
    places: dict[str, Place] | None = None
    kept_max: int = KEPT_MAX


def audit_slice(job: Job, which: Which) -> Sliced:
    """Run in a process of its own, while the session that exported the snapshot lives."""
    auditor = Auditor(job)
    run(auditor.run(which))
    return auditor.done


class Auditor:
    """The pass over the database."""

    def __init__(self, job: Job) -> None:
        self.done = Sliced(Report(kept_max=job.kept_max))
        self._dsn = job.settings.database_url.get_secret_value()
        self._snapshot = job.snapshot
        self._seed = job.numbers.seed
        self._number_of = job.numbers.number_of
        self._report = self.done.report
        self._sums = self.done.sums
        self._counter = Counter(job.numbers.seed, job.places) if job.places is not None else None
        if self._counter is not None:
            self.done.counted = self._counter.sums
        self._compared = dict.fromkeys((Check.HISTORY, Check.MONEY, Check.STATE, Check.COMMANDS, Check.FEED), 0)
        self._pruned_before = job.snapshot.taken_at - timedelta(days=job.settings.idempotency_retention_days - 1)

    async def run(self, which: Which) -> None:
        """Compare these orders; the result is added to `done`."""
        name = self._snapshot.name
        async with joined(self._dsn, name) as ahead, joined(self._dsn, name) as beside:
            sides = {
                table: _Side(await open_stream(beside, table, which, columns=columns), key)
                for table, columns, key in (
                    ("orders", ORDER, 0),
                    ("payments", PAYMENT, 1),
                    ("refunds", REFUND, 2),
                    ("commands", (), 0),
                )
            }
            events = await open_stream(ahead, "events", which, ahead=True)
            try:
                async for window, last in _windows(events):
                    self._window(window, {table: await side.until(last) for table, side in sides.items()})
                self._orphans({table: await side.until(None) for table, side in sides.items()})
            finally:
                await events.close()
        for check, count in self._compared.items():
            self._report.compared(check, count)
        self._report.events += self._compared[Check.HISTORY]
        self._compared = dict.fromkeys(self._compared, 0)

    def _window(self, window: dict[str, list[Any]], rows: dict[str, dict[str, list[Any]]]) -> None:
        orders, payments, refunds, commands = (rows[name].pop for name in ("orders", "payments", "refunds", "commands"))
        sums, number_of, seed, events = self._sums, self._number_of, self._seed, 0
        for order_id, history in window.items():
            events += len(history)
            sums[ending(order_id)] += sum_of([row[5] for row in history], number_of, seed)
            decoded = self._decoded(history)
            book = fold(order_id, decoded)
            if book.findings:
                self._report.add(book.findings)
            self._states(order_id, book, orders(order_id, _NONE), payments(order_id, _NONE), refunds(order_id, _NONE))
            self._causes(order_id, book, history, decoded, commands(order_id, _NONE))
            self._places(order_id, history)
        self._compared[Check.HISTORY] += events
        self._compared[Check.FEED] += events
        self._compared[Check.MONEY] += len(window)
        self._orphans(rows)

    def _decoded(self, history: list[Any]) -> list[dict[str, Any]]:
        """Payloads as JSON; each must match its row's columns."""
        events = []
        counter = self._counter
        for order_id, sequence, merchant_id, kind, at, payload, place in history:
            try:
                event = orjson.loads(payload)
                body = event["body"]
                agrees = (
                    body["order_id"] == order_id
                    and body["sequence"] == sequence
                    and body["merchant_id"] == merchant_id
                    and event["type"] == kind
                    and datetime.fromisoformat(event["at"]) == at
                )
                if counter is not None and place is not None and kind in COUNTED:
                    counter.add(merchant_id, place, event)
            except (ValueError, KeyError, TypeError):
                self._found(Check.HISTORY, f"{order_id}/{sequence}", "its payload cannot be read")
                continue
            if not agrees:
                self._found(Check.HISTORY, f"{order_id}/{sequence}", "its columns are not what its payload says")
            events.append(event)
        return events

    def _places(self, order_id: str, history: list[Any]) -> None:
        """An order's events are in the feed in sequence. One that is not in it yet is checked again later."""
        before = 0
        for row in history:
            place = row[6]
            if place is None:
                if len(self.done.unplaced) < UNPLACED_MAX:
                    self.done.unplaced.append((order_id, row[1]))
                continue
            if place < before:
                self._found(Check.FEED, event_id(order_id, row[1]), "stands in the feed before the event before it")
            before = place

    def _states(self, order_id: str, book: Book, orders: list[Any], payments: list[Any], refunds: list[Any]) -> None:
        try:
            order = [order_row(book)] if book.order is not None else _NONE
            paid = [payment_row(part) for part in book.payments.values()]
            refunded = [refund_row(part, order_id) for part in book.refunds.values()] if book.refunds else _NONE
        except (KeyError, TypeError, ValueError) as error:
            self._found(Check.HISTORY, order_id, f"no row can be derived: {error!r}")
            return
        self._compared[Check.STATE] += len(order) + len(paid) + len(refunded)
        if order != orders:
            self._rows("orders", orders, order)
        if paid != payments:
            self._rows("payments", payments, paid)
        if refunded != refunds:
            self._rows("refunds", refunds, refunded)

    def _rows(self, table: str, found: list[Any], expected: list[Row]) -> None:
        """Row by row: they may only be in another order."""
        stored, rebuilt = {row[0]: tuple(row) for row in found}, {row[0]: row for row in expected}
        for row_id in sorted(stored.keys() | rebuilt.keys()):
            if row_id not in stored:
                self._found(Check.STATE, row_id, f"is missing from {table}")
            elif row_id not in rebuilt:
                self._found(Check.STATE, row_id, f"is in {table}, but no event made it")
            elif stored[row_id] != rebuilt[row_id]:
                difference = differing(COLUMNS[table], stored[row_id], rebuilt[row_id])
                self._found(Check.STATE, row_id, f"{table}: {difference}")

    def _causes(
        self, order_id: str, book: Book, history: list[Any], events: list[dict[str, Any]], commands: list[Any]
    ) -> None:
        """Inbox rows and their events, one to one; each reply must match the events."""
        self._compared[Check.COMMANDS] += len(commands)
        causes = {cause: (first, count) for cause, first, count in book.causes}
        if len(causes) != len(book.causes):
            self._found(Check.COMMANDS, order_id, "one command caused events in two places")
        readable = len(events) == len(history)
        for _, command_id, first, count, rejected, kind, digest in commands:
            if rejected:
                if count:
                    self._found(Check.COMMANDS, command_id, f"was refused, yet has {count} events")
                    causes.pop(command_id, None)
                continue
            if count and causes.pop(command_id, None) != (first, count):
                self._found(Check.COMMANDS, command_id, f"claims {count} events from {first}, the events say otherwise")
                continue
            if not count and causes.pop(command_id, None) is not None:
                self._found(Check.COMMANDS, command_id, "claims no events, the events say otherwise")
                continue
            if readable and not reply_fits(kind, first, count, events, digest):
                self._found(Check.COMMANDS, command_id, "has another reply than its events say", Kind.REPLY)
        for command_id, (first, _) in causes.items():
            if history[first - 1]["at"] > self._pruned_before if first <= len(history) else True:
                self._found(Check.COMMANDS, command_id, f"caused event {first} of {order_id}, but is not in the inbox")

    def _orphans(self, rows: dict[str, dict[str, list[Any]]]) -> None:
        for table in ("orders", "payments", "refunds"):
            for order_id, leftover in rows[table].items():
                for row in leftover:
                    self._found(Check.STATE, row["id"], f"is in {table}, but {order_id} has no events")
        for order_id, commands in rows["commands"].items():
            self._compared[Check.COMMANDS] += len(commands)
            for _, command_id, _, count, *_ in commands:
                if count:
                    self._found(Check.COMMANDS, command_id, f"claims {count} events, but {order_id} has none")

    def _found(self, check: Check, subject: str, message: str, kind: Kind | None = None) -> None:
        self._report.add((Finding(check, subject, message, kind),))


class _Side:
    """One table beside the events: its rows by order, up to the last order of a window."""

    def __init__(self, stream: Stream, key: int) -> None:
        self._stream = stream
        self._key = key
        self._ahead: list[Any] = []

    async def until(self, last: str | None) -> dict[str, list[Any]]:
        """Rows of all orders up to `last` that were not taken yet; None: everything left, at most a window of it."""
        taken: dict[str, list[Any]] = defaultdict(list)
        key = self._key
        while True:
            rows = self._ahead or await self._stream.next_rows()
            if not rows:
                return taken
            if last is None or rows[-1][key] <= last:
                self._ahead = []
                for row in rows:
                    taken[row[key]].append(row)
                continue
            for position, row in enumerate(rows):
                if row[key] > last:
                    self._ahead = rows[position:]
                    return taken
                taken[row[key]].append(row)


async def _windows(events: Stream) -> AsyncIterator[tuple[dict[str, list[Any]], str]]:
    """Whole orders with their events, and the last of their ids."""
    window: dict[str, list[Any]] = {}
    last = ""
    while True:
        rows = await events.next_rows()
        for row in rows:
            order_id = row[0]
            if order_id != last:
                window[order_id] = []
                last = order_id
            window[order_id].append(row)
        if events.ended:
            if window:
                yield window, last
            return
        open_order = window.pop(last)
        if window:
            yield window, next(reversed(window))
        window = {last: open_order}
