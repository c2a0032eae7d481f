"""events (payment.processing, payment.cancel_requested, refund.created) ─► bank ─► settle commands.

Waiting at the bank never blocks a partition: each attempt is a task of its own, at most UNDER_WAY_MAX of them, and an
offset is committed once the settle commands of everything before it are on the log. A record that was already on the
topic when this worker got the partition may have been sent to the bank before a crash, and so may one whose event was
published again. Such an attempt ends here if the database has its outcome; otherwise it begins with `query`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Counter, Gauge

from agents.bank.attempt import NotSentError, attempt
from agents.bank.listener import confirm, words_of
from agents.bank.port import Bank, Cancel, Charge, Report, Request, Return
from agents.bank.settlement import name_of, settle_record
from agents.consumer import Mark
from agents.kafka import Kafka
from agents.letters import has_type, letters_of
from agents.role import Context
from domain.event import EventType
from domain.instrument import Method
from domain.money import AMOUNT_MAX_MINOR
from runtime.logs import get_logger
from store.attempts import AttemptState, AttemptStore
from store.errors import DatabaseError, ValueRefusedError
from topics.catalogue import EVENTS
from topics.envelope import UndecodableError
from topics.events import PaymentRecord, RefundRecord, Resource, read_event
from topics.producer import Record
from topics.records import instant_of

log = get_logger("processor")
Found = TypeVar("Found")

GROUP = "processor"
UNDER_WAY_MAX = 10_000
FIRST_SIGHT_MAX = timedelta(seconds=10)
"""Between an event and its record on the log. What is older was published again, or late: then a query costs little."""
ATTEMPT_SECONDS_MAX = 60.0
"""After this, an attempt without a response is left to the sweeper, which bounds what it sends over each route. One
silent acquirer would otherwise fill all of UNDER_WAY_MAX for minutes."""
RECENT_MAX = 20_000
"""Attempts in FIRST_SIGHT_MAX at the highest rate that was measured, and more."""
PUBLISHED_MAX = 2_000
DATABASE_PAUSE_SECONDS = 0.5
ANY_OFFSET = 2**63 - 1
"""Above every offset that a partition can have."""
TYPES = frozenset(
    {
        EventType.PAYMENT_PROCESSING.encode(),
        EventType.PAYMENT_CANCEL_REQUESTED.encode(),
        EventType.REFUND_CREATED.encode(),
    }
)

RESPONSES = Counter("gateway_bank_answers", "Responses of the bank", ["kind", "outcome"])
UNDER_WAY = Gauge("gateway_bank_attempts_under_way", "Attempts that wait for the bank")


class Processor:
    """One worker. `run` returns after a drain, raises if the log stays unavailable."""

    def __init__(self, context: Context, bank: Bank, kafka: Kafka, store: AttemptStore) -> None:
        self._context = context
        self._settings = context.settings
        self._bank = bank
        self._store = store
        self._producer = kafka.producer()
        self._consumer = kafka.consumer(EVENTS, group=GROUP, member=context.worker.name, on_change=self._on_change)
        self._seen_before: dict[TopicPartition, int] = {}
        self._group: asyncio.TaskGroup
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled: asyncio.Queue[tuple[Record, Mark | None]] = asyncio.Queue()
        self._recent: OrderedDict[str, None] = OrderedDict()
        """The attempts that this worker took on most recently."""
        self._published_count = 0

    async def run(self) -> None:
        async with self._producer, self._consumer, asyncio.TaskGroup() as self._group:
            publishing = self._group.create_task(self._publish())
            listening = self._group.create_task(self._listen())
            await self._consume()
            for task in (publishing, listening, *self._tasks):
                task.cancel()

    async def _consume(self) -> None:
        paused = False
        while not self._context.stopping.is_set():
            taken = await self._consumer.take(wait_ms=250, stopping=self._context.stopping)
            for partition, messages in taken.items():
                await self._begin_all(partition, messages)
            full = len(self._tasks) >= UNDER_WAY_MAX
            if full and not paused:
                self._consumer.pause()
            if paused and not full:
                self._consumer.resume()
            paused = full
            await self._consumer.commit_if_due()
            UNDER_WAY.set(len(self._tasks))
            self._context.alive(**self._consumer.facts(), under_way=len(self._tasks), answered=self._published_count)

    async def _begin_all(self, partition: TopicPartition, messages: list[Any]) -> None:
        known_until = await self._known_until(partition)
        for message in messages:
            mark = self._consumer.offsets.begin(partition, message.offset)
            if not has_type(message, TYPES):
                self._consumer.offsets.done(mark)
                continue
            try:
                event, request = read_request(message)
            except Exception as error:
                await self._producer.publish(letters_of(message, error, at=self._context.clock.now()))
                self._consumer.offsets.done(mark)
                continue
            # Part of the group: a task that dies of a defect ends the process; otherwise its offset would stop
            # unnoticed.
            requested_before = message.offset < known_until or self._is_repeat(message, event, request.attempt_id)
            task = self._group.create_task(self._attempt(event, request, mark, requested_before))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _is_repeat(self, message: Any, event: PaymentRecord, attempt_id: str) -> bool:
        """Whether the event may have been on the log before. An actor that reads old commands again publishes their
        events again, days later perhaps: by then a bank may have forgotten the attempt, and would charge twice."""
        known = attempt_id in self._recent
        self._recent[attempt_id] = None
        if len(self._recent) > RECENT_MAX:
            self._recent.popitem(last=False)
        return known or instant_of(message.timestamp) - event.at > FIRST_SIGHT_MAX

    async def _known_until(self, partition: TopicPartition) -> int:
        """End of the partition when this worker got it; records before it may have been sent to the bank already. If
        the broker does not return it, that is every record."""
        if partition not in self._seen_before:
            try:
                ends = await self._consumer.raw.end_offsets([partition])
            except KafkaError as error:
                log.warning("partition_end_unknown", partition=partition.partition, error=repr(error))
                return ANY_OFFSET
            self._seen_before[partition] = ends[partition]
        return self._seen_before[partition]

    def _on_change(self, _assigned: set[TopicPartition]) -> None:
        self._seen_before.clear()

    async def _attempt(self, event: PaymentRecord, request: Request, mark: Mark, maybe_requested_before: bool) -> None:
        if maybe_requested_before:
            # However long ago it was decided: the bank need not remember it.
            state = await self._state_of(request.attempt_id)
            if state is not None and state.decided:
                self._consumer.offsets.done(mark)
                return
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS_MAX):
                report = await attempt(
                    self._bank, request, maybe_requested_before=maybe_requested_before, look_up=self._state_of
                )
        except TimeoutError:
            report = None
        except NotSentError as error:
            log.error("attempt_not_sent", attempt_id=request.attempt_id, error=str(error))
            self._consumer.offsets.done(mark)
            return
        if report is None:
            log.warning("attempt_left_to_sweeper", attempt_id=request.attempt_id)
            self._consumer.offsets.done(mark)
            return
        self._settle(report, event.order_id, caused_by=event.id, request_id=event.request_id, mark=mark)

    def _settle(
        self, report: Report, order_id: str, *, caused_by: str | None, request_id: str | None, mark: Mark | None
    ) -> None:
        kind = "refund" if report.attempt_id.startswith("rfnd_") else "charge"
        RESPONSES.labels(kind, name_of(report)).inc()
        record = self._settle_record(report, order_id, caused_by, request_id)
        self._settled.put_nowait((record, mark))

    async def _publish(self) -> None:
        """Settle commands in bulk; the records they came from are done once the broker has acked them."""
        while True:
            ready = [await self._settled.get()]
            while len(ready) < PUBLISHED_MAX and not self._settled.empty():
                ready.append(self._settled.get_nowait())
            await self._producer.publish([record for record, _ in ready])
            self._published_count += len(ready)
            for _, mark in ready:
                if mark is not None:
                    self._consumer.offsets.done(mark)

    async def _listen(self) -> None:
        """The bank's unsolicited reports: late charges and repeated responses."""
        async for report in words_of(self._bank):
            order_id = await self._order_of(report)
            if order_id is None:
                log.error("report_about_unknown_attempt", attempt_id=report.attempt_id)
                continue
            record = self._settle_record(report, order_id, None, None)
            await self._producer.publish([record])
            await confirm(self._bank, report)

    async def _order_of(self, report: Report) -> str | None:
        """None if the attempt is not ours."""
        return await self._looked_up(self._store.order_of_attempt, report.attempt_id)

    async def _state_of(self, attempt_id: str) -> AttemptState | None:
        return await self._looked_up(self._store.state_of_attempt, attempt_id)

    async def _looked_up(self, look_up: Callable[[str], Awaitable[Found | None]], attempt_id: str) -> Found | None:
        """None if the database cannot have such an id. This waits while the database is unavailable; attempts that are
        new on the log continue without it."""
        while True:
            try:
                return await look_up(attempt_id)
            except ValueRefusedError as error:
                log.error("attempt_id_unreadable", attempt_id=attempt_id, error=repr(error))
                return None
            except DatabaseError as error:
                log.warning("attempt_not_looked_up", attempt_id=attempt_id, error=repr(error))
            await asyncio.sleep(DATABASE_PAUSE_SECONDS)

    def _settle_record(self, report: Report, order_id: str, caused_by: str | None, request_id: str | None) -> Record:
        return settle_record(
            report,
            order_id=order_id,
            caused_by=caused_by,
            request_id=request_id,
            settings=self._settings,
            clock=self._context.clock,
        )


def read_request(message: Any) -> tuple[PaymentRecord, Request]:
    """The event of a record, and the request that the bank gets for it. Raises whatever the record causes."""
    event = read_event(message.value)
    if event.type == EventType.REFUND_CREATED:
        if not isinstance(event, RefundRecord):
            raise UndecodableError(f"{event.type} without a refund")
        return event, _return_of(event.refund)
    if event.type == EventType.PAYMENT_CANCEL_REQUESTED:
        return event, Cancel(event.payment.id)
    return event, _charge_of(event)


def _return_of(refund: Resource) -> Return:
    reason = refund.field("reason")
    return Return(
        attempt_id=refund.id,
        of_attempt=refund.text("payment_id"),
        amount=_amount(refund.field("amount")),
        currency=refund.text("currency"),
        reason=None if reason is None else refund.words("reason"),
    )


def _charge_of(event: PaymentRecord) -> Charge:
    payment = event.payment
    return Charge(
        attempt_id=payment.id,
        amount=_amount(payment.field("amount")),
        currency=payment.text("currency"),
        method=Method(payment.field("method")),
        token=event.token(),
    )


def _amount(value: object) -> int:
    if type(value) is not int or not 0 < value <= AMOUNT_MAX_MINOR:
        raise UndecodableError(f"amount must be an integer from 1 to {AMOUNT_MAX_MINOR}")
    return value
