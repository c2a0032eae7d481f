"""One audit: a snapshot of the database, read in the order of orders in windows of constant size, while a second
process reads the topic.

    events    ──┬─► sums of the bytes, set against the topic's
    orders      │
    payments    ├─ window of whole orders ─► fold ─► rows that must exist ─► compared, one tuple with another
    refunds     │
    commands  ──┘
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson

from ops.verify.findings import Check, Finding, Report
from ops.verify.fold import Book, fold
from ops.verify.rows import COLUMNS, ORDER, PAYMENT, REFUND, Row, differing, order_row, payment_row, refund_row
from ops.verify.sums import Sums, empty, ending, sum_of
from ops.verify.topic import TopicReport, closer_look, differing_endings, first_look
from runtime.settings import Settings
from store.verify import Beside, Snapshot, Stream, connect, joined

GRACE_SECONDS = 30.0
"""How long past its deadline an attempt may be while the sweeper is asking about it, and an event unplanned."""
WAITING_SECONDS = 120.0
"""How long a delivery may be due while its dispatcher is busy or starting again."""
_NONE: list[Any] = []
"""An order without rows in a table. Never added to."""


def second_process() -> ProcessPoolExecutor:
    """Where the topic is read. Its start costs a second of imports; several audits may share one."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


async def audit(
    settings: Settings,
    second: Executor,
    *,
    since: datetime | None = None,
    settle_seconds: float = 10.0,
    grace_seconds: float = GRACE_SECONDS,
) -> Report:
    """Compare everything. Raises OSError, asyncpg's or aiokafka's errors where a part cannot be reached."""
    report, started = Report(), time.monotonic()
    dsn = settings.database_url.get_secret_value()
    connection = await connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            snapshot = await Snapshot.open(connection)
            topic = _Topic(settings, second, snapshot.name, since, settle_seconds)
            beside = asyncio.create_task(_beside_the_events(dsn, snapshot.name, report, grace_seconds))
            try:
                orders = await snapshot.orders_since(since) if since is not None else None
                sums = await Auditor(settings, snapshot, report).run(orders)
                await beside
                await topic.finish(sums, report)
            finally:
                beside.cancel()
                await asyncio.gather(beside, return_exceptions=True)
    finally:
        await connection.close()
    report.seconds = time.monotonic() - started
    return report


class _Topic:
    """The second process's work: everything summed at first, then what differs looked at record by record.

    With `since` there is nothing to sum: the log is read from a little earlier than the table.
    """

    def __init__(
        self, settings: Settings, second: Executor, snapshot: str, since: datetime | None, settle_seconds: float
    ) -> None:
        self._all = since is None
        self._closer = partial(self._start, second, closer_look, settings, snapshot, since)
        self._settle_seconds = settle_seconds
        if self._all:
            self._under_way = self._start(second, first_look, settings, snapshot)
        else:
            self._under_way = self._closer(None, settle_seconds)

    @staticmethod
    def _start(second: Executor, look: Callable[..., TopicReport], *arguments: object) -> asyncio.Future[TopicReport]:
        return asyncio.get_running_loop().run_in_executor(second, look, *arguments)

    async def finish(self, stored: Sums, report: Report) -> None:
        """Wait for it, and name what differs from the stored events' sums."""
        found = await self._under_way
        report.compared(Check.TOPIC, found.records)
        report.add(found.findings)
        endings = differing_endings(stored, found) if self._all else None
        if endings:
            report.add((await self._closer(endings, self._settle_seconds)).findings)


async def _beside_the_events(dsn: str, snapshot: str, report: Report, grace_seconds: float) -> None:
    """What is compared in SQL, over a session of its own: the bank's ledger, deadlines, webhook deliveries."""
    async with joined(dsn, snapshot) as connection:
        beside = Beside(connection)
        bookings, differences = await beside.bank_differences(grace_seconds)
        report.compared(Check.BANK, bookings)
        report.add(Finding(Check.BANK, attempt_id, says) for attempt_id, says in differences)
        undecided, overdue = await beside.overdue(grace_seconds)
        report.compared(Check.DEADLINES, undecided)
        report.add(
            Finding(Check.DEADLINES, attempt_id, f"is {status} past its deadline of {deadline.isoformat()}")
            for attempt_id, status, deadline in overdue
        )
        deliveries, undelivered = await beside.webhook_differences(grace_seconds, WAITING_SECONDS)
        report.compared(Check.WEBHOOKS, deliveries)
        report.add(Finding(Check.WEBHOOKS, subject, says) for subject, says in undelivered)


class Auditor:
    """The pass over the database."""

    def __init__(self, settings: Settings, snapshot: Snapshot, report: Report) -> None:
        self._dsn = settings.database_url.get_secret_value()
        self._snapshot = snapshot
        self._report = report
        self._sums = empty()
        self._compared = dict.fromkeys((Check.HISTORY, Check.MONEY, Check.STATE, Check.COMMANDS), 0)
        self._pruned_before = snapshot.taken_at - timedelta(days=settings.idempotency_retention_days - 1)

    async def run(self, orders: list[str] | None) -> Sums:
        """All orders, or these. Returns the sums of their events."""
        async with AsyncExitStack() as stack:

            async def opened(name: str, columns: tuple[str, ...] = ()) -> Stream:
                return await stack.enter_async_context(self._snapshot.stream(self._dsn, name, orders, columns))

            events = await opened("events")
            sides = {
                name: _Side(await opened(name, columns), key)
                for name, columns, key in (
                    ("orders", ORDER, 0),
                    ("payments", PAYMENT, 1),
                    ("refunds", REFUND, 2),
                    ("commands", (), 0),
                )
            }
            async for window, last in _windows(events):
                rows = {name: await side.until(last) for name, side in sides.items()}
                for order_id, history in window.items():
                    of_order = {name: by_order.pop(order_id, _NONE) for name, by_order in rows.items()}
                    self._order(order_id, history, of_order)
                self._orphans(rows)
            self._orphans({name: await side.until(None) for name, side in sides.items()})
        self._report.events += self._compared[Check.HISTORY]
        for check, count in self._compared.items():
            self._report.compared(check, count)
        return self._sums

    def _order(self, order_id: str, history: list[Any], rows: dict[str, list[Any]]) -> None:
        self._sums[ending(order_id)] += sum_of(row[5] for row in history)
        book = fold(order_id, self._decoded(history))
        self._compared[Check.HISTORY] += len(history)
        self._compared[Check.MONEY] += 1
        if book.findings:
            self._report.add(book.findings)
        self._states(order_id, book, rows)
        self._causes(order_id, book, history, rows["commands"])

    def _decoded(self, history: list[Any]) -> list[dict[str, Any]]:
        """Payloads as JSON; each must say what its row's columns say."""
        events = []
        for order_id, sequence, merchant_id, kind, at, payload in history:
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
            except (ValueError, KeyError, TypeError):
                self._found(Check.HISTORY, f"{order_id}/{sequence}", "its payload cannot be read")
                continue
            if not agrees:
                self._found(Check.HISTORY, f"{order_id}/{sequence}", "its columns are not what its payload says")
            events.append(event)
        return events

    def _states(self, order_id: str, book: Book, rows: dict[str, list[Any]]) -> None:
        try:
            expected = {
                "orders": [order_row(book)] if book.order is not None else [],
                "payments": [payment_row(part) for part in book.payments.values()],
                "refunds": [refund_row(part, order_id) for part in book.refunds.values()],
            }
        except (KeyError, TypeError, ValueError) as error:
            self._found(Check.HISTORY, order_id, f"no row can be derived: {error!r}")
            return
        for table, wanted in expected.items():
            stored = rows[table]
            self._compared[Check.STATE] += len(wanted)
            if len(wanted) == len(stored) <= 1 and wanted == stored:
                continue
            self._rows(table, {row[0]: tuple(row) for row in stored}, {row[0]: row for row in wanted})

    def _rows(self, table: str, stored: dict[str, Row], wanted: dict[str, Row]) -> None:
        for row_id in sorted(stored.keys() | wanted.keys()):
            if row_id not in stored:
                self._found(Check.STATE, row_id, f"is missing from {table}")
            elif row_id not in wanted:
                self._found(Check.STATE, row_id, f"is in {table}, but no event made it")
            elif stored[row_id] != wanted[row_id]:
                said = differing(COLUMNS[table], stored[row_id], wanted[row_id])
                self._found(Check.STATE, row_id, f"{table}: {said}")

    def _causes(self, order_id: str, book: Book, history: list[Any], commands: list[Any]) -> None:
        """Inbox rows and the events that name them, one to one."""
        self._compared[Check.COMMANDS] += len(commands)
        causes = {cause: (first, count) for cause, first, count in book.causes}
        if len(causes) != len(book.causes):
            self._found(Check.COMMANDS, order_id, "one command caused events in two places")
        for _, command_id, first, count, rejected in commands:
            if rejected and count:
                self._found(Check.COMMANDS, command_id, f"was refused, yet has {count} events")
            elif count and causes.pop(command_id, None) != (first, count):
                self._found(Check.COMMANDS, command_id, f"claims {count} events from {first}, the events say otherwise")
            elif not count and causes.pop(command_id, None) is not None:
                self._found(Check.COMMANDS, command_id, "claims no events, the events say otherwise")
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
            for _, command_id, _, count, _ in commands:
                if count:
                    self._found(Check.COMMANDS, command_id, f"claims {count} events, but {order_id} has none")

    def _found(self, check: Check, subject: str, says: str) -> None:
        self._report.add((Finding(check, subject, says),))


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
