"""Every non-terminal state has a deadline; after it, the sweeper queries the bank, and the report settles the payment
or refund.

    due (fair over merchants) ─► slots (bounded for each route) ─► claim ─► ask ─┬─ answer ─► commands topic ─┐
      ▲                                                                          └─ silent ───────────────────┤
      └────────────── still open when its next time comes ◄── record: when to ask again ◄─────────────────────┘

An attempt that the bank never saw is made now (the processor died before it could send it); one that its payer wants to
leave is cancelled first. Money of a success that came too late and whose refund the bank refused is given back again,
after 1, 2, 4, … minutes, at most a day. A report that closed nothing is published again under another command id. No
report waits for another question.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from aiokafka.errors import KafkaError
from prometheus_client import Counter, Gauge

from agents.bank.attempt import NotSentError, attempt
from agents.bank.port import Bank, Cancel, Charge, NoResponseError, Report, Request, Return
from agents.bank.settlement import name_of, settle_record
from agents.kafka import Kafka
from agents.role import Context
from agents.sweeper.slots import Slots
from domain.payment import Cancellation
from domain.question import Question
from domain.refund import Refund
from runtime.logs import get_logger
from store.attempts import AttemptState
from store.errors import DatabaseError
from store.questions import QuestionStore

log = get_logger("sweeper")

EVERY_SECONDS = 2.0
"""Between two polls for what has become due."""
DUE_MAX = 500
"""Questions of one kind and route in one poll: more than can be sent before the next."""
QUERY_SECONDS_MAX = 30.0
"""Longer than a bank takes for a charge. An adapter that hangs must not keep its slot."""
PUBLISHED_MAX = 500
PRUNE_EVERY_SECONDS = 3_600.0
RETURN_REST_SECONDS = 60.0
"""After the bank's first refusal to take money back; twice as long after each further one."""
DRAIN_SECONDS = 5.0

SWEPT = Counter("gateway_swept", "Overdue attempts that the bank responded about", ["kind"])
SILENT = Counter("gateway_bank_silent", "Queries of overdue attempts without a response", ["kind"])
OVERDUE = Gauge("gateway_overdue", "Payments and refunds past their deadline", ["kind"])


OldestCommand = Callable[[], Awaitable[datetime | None]]
"""When the log took the oldest command that it holds; None: it holds none. Raises KafkaError or OSError."""


@dataclass(frozen=True, slots=True)
class Queried:
    """A question that was sent. `report` None: the bank did not respond."""

    question: Question
    report: Report | None


class Sweeper:
    """One worker. Several may run: one of them claims a question, and settling twice changes nothing."""

    def __init__(
        self,
        context: Context,
        bank: Bank,
        kafka: Kafka,
        store: QuestionStore,
        oldest_command: OldestCommand,
        *,
        slots: Slots | None = None,
        return_rest_seconds: float = RETURN_REST_SECONDS,
    ) -> None:
        self._context = context
        self._settings = context.settings
        self._bank = bank
        self._store = store
        self._oldest_command = oldest_command
        self._clock = context.clock
        self._producer = kafka.producer()
        self._slots = Slots() if slots is None else slots
        self._return_rest_seconds = return_rest_seconds
        self._waiting: list[Question] = []
        self._room = asyncio.Event()
        self._queried: asyncio.Queue[Queried] = asyncio.Queue()
        """Bounded by the slots: a question keeps its slot until it is recorded."""
        self._querying: set[asyncio.Task[None]] = set()
        self._look_at = self._clock.monotonic()

    async def run(self) -> None:
        """Returns after a drain; raises if the log stays unavailable, or for a defect of our own."""
        async with self._producer, asyncio.TaskGroup() as group:
            beside = [group.create_task(self._settle()), group.create_task(self._prune())]
            while not self._context.stopping.is_set():
                await self._turn(group)
                self._context.alive(under_way=len(self._slots))
            await self._drain()
            for task in beside:
                task.cancel()

    async def _turn(self, group: asyncio.TaskGroup) -> None:
        """Poll when it is time, send the questions that there are slots for, wait for either."""
        self._room.clear()
        try:
            if self._clock.monotonic() >= self._look_at:
                self._look_at = self._clock.monotonic() + EVERY_SECONDS
                await self._look()
            await self._begin(group)
        except DatabaseError as error:
            log.warning("database_unavailable", error=repr(error))
        await self._pause()

    async def _look(self) -> None:
        if self._context.log_is_closed():
            return
        self._waiting = await self._store.due(rest_seconds=self._return_rest_seconds, limit=DUE_MAX)
        for kind, count in (await self._store.count_overdue()).items():
            OVERDUE.labels(kind).set(count)
        await self._store.forget_closed()

    async def _prune(self) -> None:
        """Beside the questions: after a long pause there may be minutes of it."""
        inbox_days = self._settings.idempotency_retention_days
        while True:
            try:
                oldest = await self._oldest_command()
                commands = await self._store.prune_commands(days=inbox_days, oldest=oldest)
                promises = await self._store.prune_promises(days=inbox_days, oldest=oldest)
                attempts = await self._store.prune_attempts(days=self._settings.webhook_attempt_retention_days)
                keys = 0
                if days := self._settings.personal_fields_days:
                    keys = await self._store.prune_order_keys(days=days, today=self._clock.now().date())
                log.info("pruned", commands=commands, promises=promises, webhook_attempts=attempts, order_keys=keys)
            except (DatabaseError, KafkaError, OSError) as error:
                log.warning("not_pruned", error=repr(error))
            await asyncio.sleep(PRUNE_EVERY_SECONDS)

    async def _begin(self, group: asyncio.TaskGroup) -> None:
        taken, self._waiting = self._slots.take(self._waiting)
        claimed: list[Question] = []
        try:
            claimed = await self._store.claim(taken)
        finally:
            ours = {question.key for question in claimed}
            for question in taken:
                if question.key not in ours:
                    self._slots.free(question)
        for question in claimed:
            task = group.create_task(self._query(question))
            self._querying.add(task)
            task.add_done_callback(self._querying.discard)

    async def _pause(self) -> None:
        """Wait until a slot is free, a poll is due, or the role stops."""
        seconds = max(0.0, self._look_at - self._clock.monotonic())
        waits = [asyncio.ensure_future(self._context.stopping.wait())]
        if self._waiting:
            waits.append(asyncio.ensure_future(self._room.wait()))
        _, pending = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()

    async def _query(self, question: Question) -> None:
        """One question, without retries: the next one is scheduled separately."""
        report = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(QUERY_SECONDS_MAX):
                report = await self._attempt(question)
        if report is None:
            SILENT.labels(question.kind).inc()
            log.error("bank_silent_past_deadline", attempt_id=question.subject.id, asked=question.asked)
        self._queried.put_nowait(Queried(question, report))

    async def _attempt(self, question: Question) -> Report | None:
        request = _request_of(question)
        try:
            return await attempt(self._bank, request, maybe_requested_before=True, look_up=self._state_of, tries=1)
        except NotSentError as error:
            # Settled while it was queried; too old; or its money is to be returned, and the bank has forgotten it.
            log.error("attempt_not_sent", attempt_id=request.attempt_id, kind=question.kind, error=str(error))
            return None

    async def _state_of(self, attempt_id: str) -> AttemptState | None:
        try:
            return await self._store.state_of_attempt(attempt_id)
        except DatabaseError as error:
            raise NoResponseError(f"whether it is decided is unknown: {error!r}") from error

    async def _settle(self) -> None:
        """Pass reports to the actor as they arrive, in bulk if many arrive at once."""
        while True:
            batch = [await self._queried.get()]
            while len(batch) < PUBLISHED_MAX and not self._queried.empty():
                batch.append(self._queried.get_nowait())
            await self._publish(batch)
            await self._record(batch)
            for one in batch:
                self._slots.free(one.question)
                self._queried.task_done()
            self._room.set()

    async def _publish(self, batch: list[Queried]) -> None:
        reports = [(one.question, one.report) for one in batch if one.report is not None]
        records = [
            settle_record(
                report,
                order_id=question.subject.order_id,
                caused_by=None,
                request_id=None,
                settings=self._settings,
                again=question.again,
                clock=self._clock,
            )
            for question, report in reports
        ]
        await self._producer.publish(records)
        for question, report in reports:
            SWEPT.labels(question.kind).inc()
            log.info("swept", attempt_id=report.attempt_id, outcome=name_of(report), again=question.again)

    async def _record(self, batch: list[Queried]) -> None:
        """If the database is unavailable, the time that the claim set remains, and the report keeps its number."""
        try:
            await self._store.record([(one.question, one.report is not None) for one in batch])
        except DatabaseError as error:
            log.warning("questions_not_recorded", questions=len(batch), error=repr(error))

    async def _drain(self) -> None:
        """Publish the reports. A question under way is dropped: the next one finds out whether the bank received it."""
        for task in self._querying:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._queried.join()


def _request_of(question: Question) -> Request:
    subject = question.subject
    if isinstance(subject, Refund):
        return Return(subject.id, subject.payment_id, subject.amount, subject.currency, subject.reason)
    charge = Charge(subject.id, subject.amount, subject.currency, subject.method, subject.token)
    # A charge may still be on its way to a bank that has not seen it, so it is made before it is cancelled.
    return Cancel(subject.id, charge) if subject.cancellation is Cancellation.REQUESTED else charge
