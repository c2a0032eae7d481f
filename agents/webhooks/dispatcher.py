"""`python -m agents.webhooks.dispatcher`: makes the attempts requested on the deliveries topic.

    record ─prepare─► lane ─send─► classify ─► record (batched, one transaction) ─route─► retry tier | DLQ | next one

An offset is committed once the attempt is in the database and its consequences are on the log. A record that is read
again finds its attempt recorded and only repeats the routing.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from aiokafka import TopicPartition
from prometheus_client import Counter, Gauge, Histogram

from agents.consumer import Mark
from agents.gathering import IDLE_WAIT_MS
from agents.kafka import Kafka
from agents.letters import letters_of
from agents.role import Context, run_role
from agents.webhooks.lanes import Lanes, Ticket
from agents.webhooks.preparation import Repeat, Unsealable, prepare
from agents.webhooks.router import (
    Attempted,
    NotSent,
    Outcome,
    Repeated,
    Router,
    Task,
    dead_record,
    made_of,
)
from agents.webhooks.sender import Sender
from domain.delivery import (
    Dead,
    Delivered,
    DeliveryStatus,
    Due,
    Prepared,
    RetryLater,
    Sent,
    SwitchedOff,
    classify,
)
from runtime.logs import get_logger
from runtime.order_keys import MARK
from store.driver import Pool
from store.order_keys import OrderKeys
from store.webhooks.attempt_batch import Loaded, Skipped, load_deliveries, record, release_after
from store.webhooks.endpoint_events import announce
from store.webhooks.pool import make_webhook_pool, persistently
from topics.catalogue import DELIVERIES
from topics.delivery import delivery_record, read_delivery
from topics.producer import Record

log = get_logger("dispatcher")

GROUP = "dispatcher"
UNDER_WAY_MAX = 2_000
RECORDED_MAX = 500
BUSY_REQUESTS = 32
GATHER_SECONDS = 0.02
"""With this many requests under way, outcomes are gathered for a moment: in one transaction each costs far less."""
TICK_SECONDS = 0.25

ATTEMPTS = Counter("gateway_webhook_attempts", "Webhook attempts", ["outcome"])
PARKED = Counter("gateway_webhook_parked", "Deliveries sent to the retry tier because their endpoint is slow")
SECONDS = Histogram("gateway_webhook_seconds", "Duration of webhook attempts")
UNDER_WAY = Gauge("gateway_webhooks_under_way", "Deliveries taken from the topic and not yet done")
OUTCOMES = {Delivered: "delivered", RetryLater: "retry", Dead: "dead", SwitchedOff: "gone"}
UNSEALABLE = "the endpoint's secret or headers cannot be decrypted with the keys that this process has"
DRAIN_SECONDS = 6.0


class Dispatcher:
    """One worker. `run` returns after a drain, raises if the log or the database stays unavailable."""

    def __init__(self, context: Context, kafka: Kafka, pool: Pool, sender: Sender) -> None:
        self._context = context
        self._clock = context.clock
        self._pool = pool
        self._settings = context.settings
        self._producer = kafka.producer()
        self._consumer = kafka.consumer(DELIVERIES, group=GROUP, member=context.worker.name, idle_wait_ms=IDLE_WAIT_MS)
        self._sender = sender
        self._keys = OrderKeys.of(pool, context.settings)
        self._router = Router(context.settings)
        self._lanes: Lanes[tuple[Task, Prepared]] = Lanes(
            self._start, self._park, may_park=self._router.parking_seconds > 0, clock=self._clock
        )
        self._under_way: dict[uuid.UUID, Task] = {}
        self._requests: set[asyncio.Task[None]] = set()
        self._outcomes: asyncio.Queue[Outcome] = asyncio.Queue()
        self._room = asyncio.Event()
        self._busy = asyncio.Event()
        """Set where requests are under way; without any, no work waits in the lanes."""
        self._attempts = 0

    async def run(self) -> None:
        async with contextlib.AsyncExitStack() as opened:
            await self._open(opened)
            async with asyncio.TaskGroup() as self._group:
                recording = self._group.create_task(self._record())
                ticking = self._group.create_task(self._tick())
                await self._consume()
                await self._drain()
                for unfinished in (recording, ticking, *self._requests):
                    unfinished.cancel()

    async def _open(self, opened: contextlib.AsyncExitStack) -> None:
        """What is opened first is closed last: offsets are committed while everything else is still open."""
        opened.callback(self._pool.terminate)
        await opened.enter_async_context(self._producer)
        await self._sender.open()
        opened.push_async_callback(self._sender.close)
        await opened.enter_async_context(self._consumer)

    # Taking

    async def _consume(self) -> None:
        began_at = self._clock.monotonic()
        while not self._context.stopping.is_set():
            await self._wait_for_room()
            taken = await self._consumer.take(wait_ms=250, records_max=RECORDED_MAX, stopping=self._context.stopping)
            if taken:
                await self._begin_all(taken)
            await self._consumer.commit_if_due()
            under_way = self._consumer.offsets.open_count()
            UNDER_WAY.set(under_way)
            self._context.alive(
                **self._consumer.facts(),
                under_way=under_way,
                attempts=self._attempts,
                up_seconds=round(self._clock.monotonic() - began_at),
            )

    async def _wait_for_room(self) -> None:
        if self._consumer.offsets.open_count() < UNDER_WAY_MAX:
            return
        self._room.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TICK_SECONDS):
                await self._room.wait()

    async def _begin_all(self, taken: dict[TopicPartition, list[Any]]) -> None:
        tasks: list[Task] = []
        for partition, messages in taken.items():
            for message in messages:
                mark = self._consumer.offsets.begin(partition, message.offset)
                try:
                    due = read_delivery(message.value)
                except Exception as error:
                    await self._give_up(letters_of(message, error, at=self._clock.now()), mark)
                    continue
                known = self._under_way.get(due.log_id)
                if known is not None and known.due.attempt >= due.attempt:
                    known.marks.append(mark)
                    continue
                task = self._under_way[due.log_id] = Task(due, message, [mark])
                tasks.append(task)
        if tasks:
            ids = [task.due.log_id for task in tasks]
            rows = await persistently(lambda: load_deliveries(self._pool, ids), what="load")
            for task in tasks:
                await self._begin(task, rows.get(task.due.log_id))

    async def _begin(self, task: Task, row: Loaded | None) -> None:
        if row is None:
            self._forget(task)
            log.error("delivery_unknown", partition=task.message.partition, offset=task.message.offset)
            await self._give_up([_unknown_record(task, self._clock.now())], *task.marks)
            return
        match prepare(task.due, row, ring=self._settings.keys, at=self._clock.now()):
            case Prepared() as prepared:
                self._lanes.offer(prepared.merchant_id, task.due.endpoint_id, (task, prepared))
            case Unsealable(prepared):
                log.error("secret_unsealable", endpoint_id=row.endpoint_id)
                self._judge(task, Sent(prepared, self._clock.now(), 0, {}, None, UNSEALABLE))
            case Skipped() as skipped:
                self._outcomes.put_nowait(NotSent(task, skipped))
            case Repeat(repeated):
                self._outcomes.put_nowait(Repeated(task, repeated))
            case None:
                self._forget(task)
                self._done(task)

    async def _give_up(self, letters: list[Record], *marks: Mark) -> None:
        await self._producer.publish(letters)
        for mark in marks:
            self._consumer.offsets.done(mark)

    # Sending

    def _start(self, work: tuple[Task, Prepared], ticket: Ticket) -> None:
        request = self._group.create_task(self._attempt(*work, ticket))
        self._requests.add(request)
        self._busy.set()
        request.add_done_callback(self._requests.discard)

    async def _attempt(self, task: Task, prepared: Prepared, ticket: Ticket) -> None:
        """The sender raises nothing; a defect of our own ends the role, and the next process reads the record again."""
        try:
            sent = await self._sender.send(await self._opened(prepared))
        finally:
            self._lanes.ended(ticket)
        SECONDS.observe(sent.duration_ms / 1_000)
        self._judge(task, sent)

    async def _opened(self, prepared: Prepared) -> Prepared:
        """With its sealed fields opened, now that it is sent: it may have waited in its lane, and been erased there."""
        if MARK not in prepared.body:
            return prepared
        return replace(prepared, body=await persistently(lambda: self._keys.opened(prepared.body), what="open"))

    def _judge(self, task: Task, sent: Sent) -> None:
        verdict = classify(sent, self._settings.retry_delays_seconds, draw=self._context.ids.fraction())
        ATTEMPTS.labels(OUTCOMES[type(verdict)]).inc()
        self._attempts += 1
        self._outcomes.put_nowait(Attempted(task, sent, verdict))

    def _park(self, work: tuple[Task, Prepared]) -> None:
        task, prepared = work
        due_at = self._clock.now() + timedelta(seconds=self._router.parking_seconds)
        skipped = Skipped(
            task.due.log_id, prepared.payment_id, task.due.endpoint_id, DeliveryStatus.PENDING, next_retry_at=due_at
        )
        PARKED.inc()
        self._outcomes.put_nowait(NotSent(task, skipped))

    async def _tick(self) -> None:
        while True:
            await self._busy.wait()
            await asyncio.sleep(TICK_SECONDS)
            self._lanes.park_slow()
            if not self._requests:
                self._busy.clear()

    # Recording

    async def _record(self) -> None:
        while True:
            batch = [await self._outcomes.get()]
            if len(self._requests) >= BUSY_REQUESTS:
                await asyncio.sleep(GATHER_SECONDS)
            while len(batch) < RECORDED_MAX and not self._outcomes.empty():
                batch.append(self._outcomes.get_nowait())
            await self._write(batch)
            for _ in batch:
                self._outcomes.task_done()
            if self._consumer.offsets.open_count() < UNDER_WAY_MAX:
                self._room.set()

    async def _write(self, batch: list[Outcome]) -> None:
        at = self._clock.now()
        released, repeated = await self._write_rows(batch)
        for outcome in batch:
            self._forget(outcome.task)
        partitions = self._settings.topic_partitions
        records = self._router.records(await self._as_recorded(batch, repeated), at)
        records += [delivery_record(due, at=at, partitions=partitions) for due in released]
        await self._producer.publish(records)
        for outcome in batch:
            self._done(outcome.task)

    async def _as_recorded(self, batch: list[Outcome], repeated: Collection[uuid.UUID]) -> list[Outcome]:
        """The outcomes that hold: of an attempt that another dispatcher has recorded, that one's. It may have died
        before what follows was on the log, and this one commits the offset."""
        if not repeated:
            return batch
        rows = await persistently(lambda: load_deliveries(self._pool, sorted(repeated)), what="load")
        return [
            Repeated(outcome.task, row)
            if isinstance(outcome, Attempted) and (row := rows.get(outcome.task.due.log_id)) is not None
            else outcome
            for outcome in batch
        ]

    async def _write_rows(self, batch: list[Outcome]) -> tuple[list[Due], Collection[uuid.UUID]]:
        """What may be sent now, and the deliveries whose attempt was recorded before."""
        made = [made_of(outcome) for outcome in batch if isinstance(outcome, Attempted)]
        skipped = [outcome.skipped for outcome in batch if isinstance(outcome, NotSent)]
        ended = [outcome.row for outcome in batch if isinstance(outcome, Repeated)]
        released: list[Due] = []
        repeated: Collection[uuid.UUID] = ()
        if made or skipped:
            recorded = await persistently(lambda: record(self._pool, made, skipped, self._clock.now()), what="record")
            released += recorded.released
            repeated = recorded.repeated
            await announce(self._context.redis, recorded.switches)
        if ended:
            released += await persistently(lambda: release_after(self._pool, ended, self._clock.now()), what="release")
        return released, repeated

    def _forget(self, task: Task) -> None:
        """From here on the row decides; a later attempt's record may have replaced this one already."""
        if self._under_way.get(task.due.log_id) is task:
            del self._under_way[task.due.log_id]

    def _done(self, task: Task) -> None:
        for mark in task.marks:
            self._consumer.offsets.done(mark)

    async def _drain(self) -> None:
        """Let requests under way end and be recorded; waiting records are read again by the next owner."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                self._lanes.close()
                while self._requests:
                    await asyncio.wait(self._requests)
                await self._outcomes.join()


def _unknown_record(task: Task, at: datetime) -> Record:
    return dead_record(task.message, reason="unknown_delivery", error="there is no such delivery", at=at)


async def _body(context: Context) -> None:
    pool = await make_webhook_pool(context.settings, size=4)
    await Dispatcher(
        context, Kafka(context.settings, quarantine=context.quarantine), pool, Sender(context.settings)
    ).run()


if __name__ == "__main__":
    run_role("dispatcher", _body)
