"""One auditor: at its times an audit of what moved, once a day one of everything; results in `audits` and as metrics.

It reads in a thread beside its loop, and holds a window of rows at a time, whatever the history's size. Several may
run: each audits.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from aiokafka.errors import KafkaError
from prometheus_client import Counter, Gauge

from agents.role import Context
from ops.audit.continuous.plan import SETTLED, Next, next_audit
from ops.audit.verify.audit import Audited, Scope, audited
from runtime.differences import Kind
from runtime.logs import get_logger
from store.errors import DatabaseError
from store.operations.audits import AuditStore, PastAudit, differences_now

log = get_logger("auditor")

LOOK_EVERY_SECONDS = 5.0
RECENT_SECONDS_MAX = 1_800.0
WHOLE_SECONDS_MAX = 6 * 3_600.0
SETTLE_SECONDS = 10.0
NAMED_MAX = 5
"""Differences of a kind that are logged by name; `gateway verify` names the rest."""
UNAVAILABLE = (DatabaseError, KafkaError, OSError)

DIFFERENCES = Gauge("gateway_audit_differences", "Differences that the last audits found", ["kind"])
FINISHED = Gauge("gateway_audit_finished_timestamp", "When the last audit ended, Unix seconds", ["scope"])
AUDITED = Counter("gateway_audit_events", "Events that were audited")


class Auditor:
    """One worker."""

    def __init__(self, context: Context, store: AuditStore) -> None:
        self._context = context
        self._settings = context.settings
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")

    async def run(self) -> None:
        while not self._context.stopping.is_set():
            try:
                await self.turn()
            except UNAVAILABLE as error:  # TimeoutError is an OSError
                log.warning("audit_not_run", error=repr(error))
            self._context.alive()
            await self._context.pause(LOOK_EVERY_SECONDS)

    async def turn(self) -> None:
        """One check of what is due, and that audit."""
        whole, recent = await self._store.latest(whole=True), await self._store.latest(whole=False)
        self._show(whole, recent)
        due = next_audit(
            await self._store.now(),
            whole,
            recent,
            every=timedelta(seconds=self._settings.audit_every_seconds),
            whole_every=timedelta(hours=self._settings.audit_whole_every_hours),
        )
        if due is not None:
            await self._audit(due)

    async def _audit(self, due: Next) -> None:
        """One audit, abandoned if the role is stopped."""
        bound = WHOLE_SECONDS_MAX if due.decided is None else RECENT_SECONDS_MAX
        async with asyncio.timeout(bound):
            work = asyncio.ensure_future(
                audited(self._settings, self._thread, Scope(decided=due.decided), settle_seconds=SETTLE_SECONDS)
            )
            try:
                while not work.done() and not self._context.stopping.is_set():
                    self._context.alive(auditing="everything" if due.decided is None else "what moved")
                    await asyncio.wait({work}, timeout=1.0)
            finally:
                if not work.done():
                    work.cancel()
        if work.cancelled() or not work.done():
            return
        await self._record(due, work.result())

    async def _record(self, due: Next, done: Audited) -> None:
        report = done.report
        AUDITED.inc(report.events)
        await self._store.add(
            whole=due.decided is None,
            resumes_at=_resumes_at(due, done),
            events=report.events,
            differences=report.counts,
        )
        for found in report.kinds.values():
            for one in found.kept[:NAMED_MAX]:
                log.error("audit_difference", kind=one.kind, subject=one.subject, message=one.message)
        log.info("audited", whole=due.decided is None, events=report.events, differences=report.differences,
                 seconds=round(report.seconds, 1))  # fmt: skip

    def _show(self, whole: PastAudit | None, recent: PastAudit | None) -> None:
        """As metrics and in the heartbeat."""
        counts = differences_now(whole, recent)
        for kind in Kind:
            DIFFERENCES.labels(kind).set(counts.get(kind, 0))
        ended = [past for past in (whole, recent) if past is not None]
        newest = max(ended, key=lambda past: past.finished_at, default=None)
        for scope, past in (("whole", whole), ("recent", newest)):
            if past is not None:
                FINISHED.labels(scope).set(past.finished_at.timestamp())
        self._context.alive(
            auditing="no",
            differences=sum(counts.values()),
            whole_audit_at=whole.finished_at.isoformat() if whole is not None else None,
        )


def _resumes_at(due: Next, done: Audited) -> datetime:
    """Where the next recent audit begins: after this one, or at its beginning while it finds differences."""
    if due.decided is None:
        return done.taken_at - SETTLED
    return due.decided[0] if done.report.differences else due.decided[1]
