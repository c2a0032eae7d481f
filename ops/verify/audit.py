"""One audit: a snapshot of the database, in slices of the orders, and the events topic. Two processes work on it.

    this process       slice after slice from the front             (ops.verify.auditor)
    second process     the topic first, then slices from the back   (ops.verify.topic)
    PostgreSQL         bank ledger, deadlines, webhooks, meanwhile

What the two read of the events is compared as sums; where those differ, the second process looks closer.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import secrets
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from datetime import datetime
from typing import TypeVar

from ops.verify.auditor import Auditor, audit_slice
from ops.verify.findings import Check, Finding, Report
from ops.verify.sums import Sums, add, differing, empty
from ops.verify.topic import TopicReport, closer_look, first_look
from runtime.settings import Settings
from store.verify import Beside, Snapshot, Which, connect, joined

GRACE_SECONDS = 30.0
"""How long past its deadline an attempt may be while the sweeper is asking about it, and an event unplanned."""
WAITING_SECONDS = 120.0
"""How long a delivery may be due while its dispatcher is busy or starting again."""
SLICED_FROM_ORDERS = 20_000
"""Fewer are one slice: opening another costs more than it brings."""
SLICE_ENDS = (0.35, 0.55, 0.7, 0.8, 0.88, 0.95)
"""Shares of the orders. Big slices first: the two processes end within one of the small ones of each other."""
Result = TypeVar("Result")


def second_process(*, forked: bool = False) -> ProcessPoolExecutor:
    """Where the topic is read. Several audits may share one.

    `forked`: begin as a copy of this process, at once, instead of importing everything again for a second. Only for
    a caller without threads, event loop and connections, for the copy would share them.
    """
    if not forked:
        return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork"))
    pool.submit(int).result()
    return pool


async def audit(
    settings: Settings,
    second: Executor,
    *,
    since: datetime | None = None,
    settle_seconds: float = 10.0,
    grace_seconds: float = GRACE_SECONDS,
) -> Report:
    """Compare everything. Raises OSError, asyncpg's or aiokafka's errors where a part cannot be reached."""
    started = time.monotonic()
    connection = await connect(settings.database_url.get_secret_value())
    try:
        async with connection.transaction(isolation="repeatable_read"):
            snapshot = await Snapshot.open(connection)
            if since is None:
                ends = await snapshot.slice_ends(connection, SLICE_ENDS, SLICED_FROM_ORDERS)
                slices: list[Which] = list(zip(("", *ends), (*ends, None), strict=True))
            else:
                slices = [await snapshot.orders_since(connection, since)]
            report = await _Audit(settings, second, snapshot, since).run(slices, settle_seconds, grace_seconds)
    finally:
        await connection.close()
    report.seconds = time.monotonic() - started
    return report


class _Audit:
    """The work that is shared out.

    With `since` there is nothing to sum: the log is read from a little earlier than the table.
    """

    def __init__(self, settings: Settings, second: Executor, snapshot: Snapshot, since: datetime | None) -> None:
        self._settings = settings
        self._second = second
        self._snapshot = snapshot
        self._since = since
        self._seed = secrets.randbits(64)
        self._report = Report()
        self._sums = empty()

    async def run(self, slices: list[Which], settle_seconds: float, grace_seconds: float) -> Report:
        left = deque(slices)
        there = asyncio.create_task(self._there(left, settle_seconds))
        beside = asyncio.create_task(_beside_the_events(self._settings, self._snapshot, self._report, grace_seconds))
        here = asyncio.create_task(self._here(left))
        work = (there, beside, here)
        try:
            await asyncio.gather(*work)
            topic = there.result()
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        self._report.compared(Check.TOPIC, topic.records)
        self._report.add(topic.findings)
        suspicious = differing(self._sums, topic.sums) | topic.suspicious if self._since is None else set()
        if suspicious:
            self._report.add((await self._closer_look(suspicious, settle_seconds)).findings)
        return self._report

    async def _here(self, left: deque[Which]) -> None:
        auditor = Auditor(self._settings, self._snapshot, self._seed)
        while left:
            await auditor.run(left.popleft())
        self._take(auditor.done.report, auditor.done.sums)

    async def _there(self, left: deque[Which], settle_seconds: float) -> TopicReport:
        """The topic, then slices; several of them share nothing but the process."""
        if self._since is None:
            topic = await self._beside(first_look, self._settings, self._snapshot, self._seed)
        else:
            topic = await self._closer_look(None, settle_seconds)
        while left:
            done = await self._beside(audit_slice, self._settings, self._snapshot, self._seed, left.pop())
            self._take(done.report, done.sums)
        return topic

    async def _closer_look(self, endings: set[str] | None, settle_seconds: float) -> TopicReport:
        return await self._beside(closer_look, self._settings, self._snapshot, self._since, endings, settle_seconds)

    async def _beside(self, look: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._second, look, *arguments)

    def _take(self, report: Report, sums: Sums) -> None:
        self._report.merge(report)
        add(self._sums, sums)


async def _beside_the_events(settings: Settings, snapshot: Snapshot, report: Report, grace_seconds: float) -> None:
    """What is compared in SQL, over a session of its own: the bank's ledger, deadlines, webhook deliveries."""
    async with joined(settings.database_url.get_secret_value(), snapshot.name) as connection:
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
