"""One audit: a snapshot of the database, in slices of the orders, and the topics. Two processes work on it.

    this process       slice after slice from the front             (ops.audit.verify.auditor), and the bank's books
    second process     the topics first, then slices from the back  (ops.audit.verify.topic, ops.audit.verify.commands)
    PostgreSQL         deadlines, promises, webhooks, analytics, meanwhile

What the two read of the events is compared as sums; where those differ, the second process compares in detail. With an
anchor, both sides of the history are also chained, and compared with the anchor.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import secrets
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from agents.bank import make_bank
from domain.ids import event_id
from ops.audit.verify.anchor import Anchor, TableChains
from ops.audit.verify.auditor import Auditor, Job, Sliced, audit_slice
from ops.audit.verify.books import Books
from ops.audit.verify.chained import AuditChains
from ops.audit.verify.commands import commands_look
from ops.audit.verify.counted import Counted, Counter, cell_of, differing, merged
from ops.audit.verify.erasures import compare_erasures
from ops.audit.verify.findings import DATABASE_CLOCK, KEPT_MAX, Check, Finding, Kind, Report
from ops.audit.verify.sums import Numbers, Sums, add, empty
from ops.audit.verify.sums import differing as differing_sums
from ops.audit.verify.topic import TopicReport, closer_look, first_look
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.settings import Settings
from store.accounts.audit_log import chained_entries
from store.driver import Connection
from store.operations.audit import (
    Beside,
    Snapshot,
    Which,
    chained_events,
    connect,
    deployment_id,
    joined,
    unplaced_events,
)
from store.operations.audit_derived import Analytics, Deliveries, DeliveryBounds

GRACE_SECONDS = 30.0
"""How long past its deadline an attempt may be while the sweeper queries it, and an event unplanned."""
WAITING_SECONDS = 120.0
"""How long a delivery may be due while its dispatcher is busy or starting again."""
NUDGES_MAX = 4
"""The upkeep puts a due delivery on the log again every 30 s; by then it has been due for two minutes."""
CLOCK_SECONDS = 60.0
"""Synchronized clocks differ by milliseconds, and the snapshot is a moment old."""
FEED_AGAIN_SECONDS = 0.25
SLICED_FROM_ORDERS = 20_000
"""Fewer are one slice: opening another costs more than it saves."""
SLICE_ENDS = (0.35, 0.55, 0.7, 0.8, 0.88, 0.95)
"""Shares of the orders. Big slices first: the two processes end within one of the small ones of each other."""
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Scope:
    """What is audited. All None: everything.

    `since`: orders with an event from then on. `decided`: orders of which a command was decided between two instants,
    the second excluded. The topics are read from the first instant on.
    """

    since: datetime | None = None
    decided: tuple[datetime, datetime] | None = None

    @property
    def begins_at(self) -> datetime | None:
        return self.decided[0] if self.decided is not None else self.since

    @property
    def whole(self) -> bool:
        return self.begins_at is None


@dataclass(frozen=True, slots=True)
class Anchoring:
    """`against`: an earlier audit's anchor of the history; None: it is chained for the first time."""

    against: Anchor | None = None


@dataclass(frozen=True, slots=True)
class Audited:
    """The result of an audit. `anchor`: the history's current heads, if it was chained."""

    report: Report
    taken_at: datetime
    anchor: Anchor | None = None


def second_process(*, forked: bool = False) -> ProcessPoolExecutor:
    """Where the topics are read. Several audits may share one.

    `forked`: begin as a copy of this process, at once, instead of importing everything again for a second. Only for
    a caller without threads, event loop and connections, because the copy would share them.
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
    """Compare everything, or the orders with an event `since`. Raises what `audited` raises."""
    return (
        await audited(settings, second, Scope(since=since), settle_seconds=settle_seconds, grace_seconds=grace_seconds)
    ).report


async def audited(
    settings: Settings,
    second: Executor,
    scope: Scope,
    *,
    anchoring: Anchoring | None = None,
    settle_seconds: float = 10.0,
    grace_seconds: float = GRACE_SECONDS,
    kept_max: int = KEPT_MAX,
    clock: Clock = SYSTEM_CLOCK,
) -> Audited:
    """One audit; `anchoring` only for a whole one. `kept_max`: differences of a kind that are kept by name.

    Raises OSError, DatabaseError or aiokafka's errors if a service cannot be reached.
    """
    assert anchoring is None or scope.whole, "a chain begins at the beginning"
    started = time.monotonic()
    connection = await connect(settings.database_url.get_secret_value())
    try:
        async with connection.transaction(isolation="repeatable_read"):
            snapshot = await Snapshot.open(connection)
            orders = await _orders(snapshot, connection, scope)
            places = await Analytics(connection).places() if scope.whole else None
            numbers = Numbers(secrets.randbits(64), cryptographic=anchoring is not None)
            job = Job(settings, snapshot, numbers, places, kept_max)
            work = _Audit(job, second, scope, anchoring, orders, settle_seconds, grace_seconds, clock)
            slices: list[Which] = [orders] if orders is not None else await _slices(snapshot, connection)
            report = await work.run(slices)
            anchor = await work.anchor(connection)
    finally:
        await connection.close()
    report.seconds = time.monotonic() - started
    return Audited(report, snapshot.taken_at, anchor)


async def _orders(snapshot: Snapshot, connection: Connection, scope: Scope) -> list[str] | None:
    if scope.decided is not None:
        return await snapshot.orders_decided(connection, *scope.decided)
    return None if scope.since is None else await snapshot.orders_since(connection, scope.since)


async def _slices(snapshot: Snapshot, connection: Connection) -> list[Which]:
    ends = await snapshot.slice_ends(connection, SLICE_ENDS, SLICED_FROM_ORDERS)
    return list(zip(("", *ends), (*ends, None), strict=True))


@dataclass(slots=True)
class _Audit:
    """The work that is divided.

    With a scope there is nothing to sum: the log is read from a little earlier than the table.
    """

    job: Job
    second: Executor
    scope: Scope
    anchoring: Anchoring | None
    orders: list[str] | None
    settle_seconds: float
    grace_seconds: float
    clock: Clock
    report: Report = field(default_factory=Report)
    sums: Sums = field(default_factory=empty)
    counted: Counted = field(default_factory=dict)
    """The sums of the events, and in `stored` those of the analytics."""
    stored: Counted = field(default_factory=dict)
    unplaced: list[tuple[str, int]] = field(default_factory=list)
    topic: TopicReport = field(default_factory=TopicReport)
    table_chains: TableChains | None = None

    async def run(self, slices: list[Which]) -> Report:
        self.report.kept_max = self.job.kept_max
        left = deque(slices)
        parts = [self._there(left), self._here(left), self._in_the_database()]
        if self.anchoring is not None:
            parts.append(self._chain_the_table(self.anchoring))
        work = [asyncio.create_task(part) for part in parts]
        self._compare_clocks()
        try:
            await asyncio.gather(*work)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        # Not beside the others: cancelled while its reader connects, it would leave the connection open.
        await self._compare_erasures()
        await self._compare_sums()
        await self._compare_feed()
        self._compare_chains()
        return self.report

    async def anchor(self, connection: Connection) -> Anchor | None:
        """The history's heads, once it was chained."""
        if self.table_chains is None or self.topic.chains is None:
            return None
        snapshot = self.job.snapshot
        return Anchor(
            deployment=await deployment_id(connection),
            made_at=snapshot.taken_at.isoformat(),
            up_to_place=snapshot.last_place,
            topic=self.topic.chains.heads,
            table=self.table_chains.heads,
        )

    # The two processes

    async def _here(self, left: deque[Which]) -> None:
        auditor = Auditor(self.job)
        while left:
            await auditor.run(left.popleft())
        self._take(auditor.done)

    async def _there(self, left: deque[Which]) -> None:
        """The topics, then slices; several of them share nothing but the process."""
        self.topic = await self._read_topic()
        commands = await self._beside(
            commands_look, self.job.settings, self.job.snapshot.taken_at, self.scope.begins_at
        )
        self.report.compared(Check.PROMISES, commands.records)
        self.report.add(commands.findings)
        while left:
            self._take(await self._beside(audit_slice, self.job, left.pop()))

    async def _read_topic(self) -> TopicReport:
        if not self.scope.whole:
            return await self._closer_look(None)
        against = self.anchoring.against if self.anchoring is not None else None
        return await self._beside(first_look, self.job.settings, self.job.numbers, self.anchoring is not None, against)

    async def _closer_look(self, endings: set[str] | None) -> TopicReport:
        return await self._beside(
            closer_look, self.job.settings, self.job.snapshot, self.scope.begins_at, endings, self.settle_seconds
        )

    async def _beside(self, look: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self.second, look, *arguments)

    async def _compare_feed(self) -> None:
        """The feeder numbers an event once it is on the log: events under way get their position a moment later."""
        if not self.unplaced:
            return
        ends_at = time.monotonic() + self.settle_seconds
        connection = await connect(self.job.settings.database_url.get_secret_value())
        try:
            while left := await unplaced_events(connection, self.unplaced):
                if time.monotonic() > ends_at:
                    break
                await asyncio.sleep(FEED_AGAIN_SECONDS)
        finally:
            await connection.close()
        self.report.add(Finding(Check.FEED, event_id(*one), "has no place in its merchant's feed") for one in left)

    def _take(self, done: Sliced) -> None:
        self.report.merge(done.report)
        add(self.sums, done.sums)
        merged(self.counted, done.counted.items())
        self.unplaced += done.unplaced

    # PostgreSQL, over sessions of its own

    async def _in_the_database(self) -> None:
        async with joined(self.job.settings.database_url.get_secret_value(), self.job.snapshot.name) as connection:
            beside = Beside(connection, self.orders)
            await self._compare_books(beside)
            undecided, overdue = await beside.overdue(self.grace_seconds)
            self.report.compared(Check.DEADLINES, undecided)
            self.report.add(
                Finding(Check.DEADLINES, attempt_id, f"is {status} past its deadline of {deadline.isoformat()}")
                for attempt_id, status, deadline in overdue
            )
            promised, broken = await beside.broken_promises(
                max(WAITING_SECONDS, self.grace_seconds), self.job.settings.idempotency_retention_days - 1
            )
            self.report.compared(Check.PROMISES, promised)
            self.report.add(
                Finding(
                    Check.PROMISES,
                    resource_id,
                    f"was promised at {at.isoformat()} ({command_id}) and never decided",
                    Kind.PROMISE,
                )
                for resource_id, command_id, at in broken
            )
            rows = Deliveries(connection, self.orders)
            deliveries, undelivered = await rows.differences(self._delivery_bounds())
            self.report.compared(Check.WEBHOOKS, deliveries)
            self.report.add(
                Finding(Check.WEBHOOKS, subject, message, Kind(kind)) for kind, subject, message in undelivered
            )
            await self._compare_audit_log(connection)
            if self.job.places is not None:
                self.stored = await self._stored_analytics(Analytics(connection))

    async def _compare_audit_log(self, connection: Connection) -> None:
        """Chains have a beginning, so only a whole audit reads them."""
        if not self.scope.whole:
            self.report.tallies[Check.AUDIT_LOG].compared = None
            return
        chains = AuditChains(self.job.settings.keys)
        async for rows in chained_entries(connection):
            self.report.add(chains.add(rows))
        self.report.add(chains.ended())
        self.report.compared(Check.AUDIT_LOG, chains.entries)

    async def _compare_erasures(self) -> None:
        """All of them, or none: what was erased long ago must stay erased."""
        if not self.scope.whole:
            self.report.tallies[Check.ERASURES].compared = None
            return
        count, findings = await compare_erasures(self.job.settings, self.settle_seconds)
        self.report.compared(Check.ERASURES, count)
        self.report.add(findings)

    async def _compare_books(self, beside: Beside) -> None:
        settings, grace = self.job.settings, timedelta(seconds=self.grace_seconds)
        dsn, taken_at = settings.database_url.get_secret_value(), self.job.snapshot.taken_at
        books = Books(make_bank(settings), dsn, self.report, taken_at, grace)
        async with aclosing(beside.attempts()) as attempts:
            await (books.compare_all(attempts) if self.orders is None else books.compare_some(attempts))

    def _delivery_bounds(self) -> DeliveryBounds:
        settings = self.job.settings
        parked = min((delay for delay in settings.retry_delays_seconds if delay), default=0)
        return DeliveryBounds(
            grace=self.grace_seconds,
            waiting=WAITING_SECONDS,
            first_within=parked + WAITING_SECONDS,
            nudges_max=NUDGES_MAX,
            attempts_kept_days=settings.webhook_attempt_retention_days - 1,
        )

    async def _stored_analytics(self, analytics: Analytics) -> Counted:
        """The rollups as sums; days that are not the sums of their quarters are reported at once."""
        counter = Counter(self.job.numbers.seed, {})
        async for rows in analytics.quarters():
            for merchant_id, starts_at, measure, label, count, amount in rows:
                counter.add_cell(merchant_id, cell_of(starts_at, measure, label), count, amount)
        self.report.add(
            Finding(Check.ROLLUPS, merchant_id, "has days that are not the sums of their quarters")
            for merchant_id in await analytics.differing_days()
        )
        return counter.sums

    async def _chain_the_table(self, anchoring: Anchoring) -> None:
        settings, snapshot = self.job.settings, self.job.snapshot
        self.table_chains = TableChains(settings.topic_partitions, anchoring.against)
        async with joined(settings.database_url.get_secret_value(), snapshot.name) as connection:
            async for rows in chained_events(connection, snapshot.last_place):
                self.table_chains.add(rows)

    def _compare_clocks(self) -> None:
        """Ages are measured by the database's clock, so it must agree with all others."""
        ahead = (self.job.snapshot.taken_at - self.clock.now()).total_seconds()
        if abs(ahead) > CLOCK_SECONDS:
            message = f"is {abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} the clock of this host"
            self.report.add([Finding(Check.PROMISES, DATABASE_CLOCK, message, Kind.CLOCK)])

    # What can be compared only at the end

    async def _compare_sums(self) -> None:
        self.report.compared(Check.TOPIC, self.topic.records)
        self.report.add(self.topic.findings)
        if not self.scope.whole:
            return
        suspicious = differing_sums(self.sums, self.topic.sums) | self.topic.suspicious
        if suspicious:
            self.report.add((await self._closer_look(suspicious)).findings)
        self.report.compared(Check.ROLLUPS, len(self.stored))
        self.report.add(
            Finding(Check.ROLLUPS, merchant_id, "has analytics that do not follow from its events")
            for merchant_id in differing(self.counted, self.stored)
        )

    def _compare_chains(self) -> None:
        if self.topic.chains is None or self.table_chains is None:
            self.report.tallies[Check.ANCHOR].compared = None
            return
        self.report.compared(Check.ANCHOR, len(self.topic.chains.heads) + len(self.table_chains.heads))
        self.report.add([*self.topic.chains.findings(), *self.table_chains.findings()])
