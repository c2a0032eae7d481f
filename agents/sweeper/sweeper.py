"""Every non-terminal state has a deadline; past it, the bank is asked, and its word settles the payment or refund.

Money of a success that came too late whose refund the bank refused is given back again, after 1, 2, 4, 8 minutes.

An attempt the bank never saw is made now (the processor died before it could ask). A bank that still does not answer
is asked again at the next round, and each such round is an error in the log and in the `gateway_overdue` metric.
"""

from __future__ import annotations

import asyncio

import asyncpg
from prometheus_client import Counter, Gauge

from agents.attempting import attempt
from agents.bank.port import Bank, Charge, Return
from agents.kafka import Kafka
from agents.role import Context
from agents.settling import settle_record
from domain.payment import Payment
from domain.refund import Refund
from runtime.logs import get_logger
from store.attempts import AttemptStore, Overdue
from topics.producer import Record

log = get_logger("sweeper")

EVERY_SECONDS = 2.0
ROUND_MAX = 500
CONCURRENT_MAX = 50
PRUNE_EVERY_SECONDS = 3_600.0
RETURN_AGAIN_SECONDS = 60.0
PUBLISH_TIMEOUT_SECONDS = 45

SWEPT = Counter("gateway_swept", "Overdue attempts settled by the sweeper", ["kind"])
OVERDUE = Gauge("gateway_overdue", "Payments and refunds past their deadline", ["kind"])


class Sweeper:
    """One worker. A round never overlaps the next."""

    def __init__(self, context: Context, bank: Bank, kafka: Kafka, store: AttemptStore) -> None:
        self._context = context
        self._settings = context.settings
        self._bank = bank
        self._store = store
        self._producer = kafka.producer()
        self._limit = asyncio.Semaphore(CONCURRENT_MAX)
        self._prune_in = 0.0

    async def run(self) -> None:
        await self._producer.start()
        while not self._context.stopping.is_set():
            try:
                await self._round()
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
                log.warning("database_unavailable", error=repr(error))
            self._context.alive()
            await self._pause()
        await self._producer.stop()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(EVERY_SECONDS):
                await self._context.stopping.wait()
        except TimeoutError:
            self._prune_in -= EVERY_SECONDS

    async def _round(self) -> None:
        found = await self._store.overdue(older_than_seconds=0, limit=ROUND_MAX)
        OVERDUE.labels("payment").set(len(found.payments))
        OVERDUE.labels("refund").set(len(found.refunds))
        returns = await self._store.unreturned(wait_seconds=RETURN_AGAIN_SECONDS, limit=ROUND_MAX)
        records = [record for record in await self._settle_all(found, returns) if record is not None]
        if records:
            await self._producer.publish(records, timeout=PUBLISH_TIMEOUT_SECONDS)
        if self._prune_in <= 0:
            self._prune_in = PRUNE_EVERY_SECONDS
            commands = await self._store.prune_commands(days=self._settings.idempotency_retention_days)
            promises = await self._store.prune_promises(days=self._settings.idempotency_retention_days)
            attempts = await self._store.prune_attempts(days=self._settings.webhook_attempt_retention_days)
            log.info("pruned", commands=commands, promises=promises, webhook_attempts=attempts)

    async def _settle_all(self, found: Overdue, returns: list[Payment]) -> list[Record | None]:
        subjects: list[Payment | Refund] = [*found.payments, *found.refunds]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._settle(subject, 0)) for subject in subjects]
            # Its version, not the number of tries: a try that led to nothing must not use up the next one's id.
            tasks += [group.create_task(self._settle(payment, payment.version)) for payment in returns]
        return [task.result() for task in tasks]

    async def _settle(self, subject: Payment | Refund, again: int) -> Record | None:
        async with self._limit:
            answer = await attempt(self._bank, _request_of(subject), maybe_asked_before=True)
        if answer is None:
            log.error("bank_silent_past_deadline", attempt_id=subject.id, deadline_at=subject.deadline_at.isoformat())
            return None
        SWEPT.labels("payment" if isinstance(subject, Payment) else "refund").inc()
        log.info("swept", attempt_id=subject.id, outcome=answer.outcome, again=again)
        return settle_record(
            answer,
            order_id=subject.order_id,
            caused_by=None,
            request_id=None,
            settings=self._settings,
            again=again,
            clock=self._context.clock,
        )


def _request_of(subject: Payment | Refund) -> Charge | Return:
    if isinstance(subject, Payment):
        return Charge(subject.id, subject.amount, subject.currency, subject.method, subject.token)
    return Return(subject.id, subject.payment_id, subject.amount, subject.currency, subject.reason)
