"""`python -m agents.webhooks.forwarder`: holds records of the retry tiers and puts those that are due on the deliveries
topic.

The first worker also does the upkeep (agents/webhooks/upkeep.py) and the bulk jobs (agents/webhooks/bulk.py).
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import TopicPartition
from prometheus_client import Counter, Gauge

from agents.consumer import LogConsumer
from agents.gathering import IDLE_WAIT_MS
from agents.kafka import Kafka
from agents.letters import letters_of
from agents.role import Context, run_role
from agents.webhooks.bulk import Bulk
from agents.webhooks.tiers import Tiers
from agents.webhooks.upkeep import Upkeep
from domain.delivery import Due
from runtime.progress import FACT
from store.driver import Pool
from store.webhooks.pool import make_webhook_pool
from topics.catalogue import RETRY_RETENTION_MS, retry_topic
from topics.delivery import delivery_record, due_at_ms, read_delivery

GROUP = "forwarder"
TURN_MS = 250
FORWARDED_MAX = 1_000
FORWARDED = Counter("gateway_webhooks_forwarded", "Retries that became due")
WAITING = Gauge("gateway_webhooks_waiting", "Retries read ahead and not yet due")


class Forwarder:
    """One worker."""

    def __init__(self, context: Context, kafka: Kafka, pool: Pool) -> None:
        self._context = context
        self._clock = context.clock
        self._pool = pool
        self._settings = context.settings
        self._producer = kafka.producer()
        tiers = sorted({retry_topic(delay) for delay in context.settings.retry_delays_seconds if delay > 0})
        self._consumer = (
            kafka.consumer(
                *tiers,
                group=GROUP,
                member=context.worker.name,
                on_change=self._on_change,
                idle_wait_ms=IDLE_WAIT_MS,
            )
            if tiers
            else None
        )
        self._tiers = Tiers()
        self._paused: set[TopicPartition] = set()

    async def run(self) -> None:
        async with self._producer, asyncio.TaskGroup() as group:
            if self._context.worker.index == 0:
                group.create_task(Upkeep(self._context, self._pool, self._producer).run())
                group.create_task(Bulk(self._context, self._pool, self._producer).run())
            group.create_task(self._idle() if self._consumer is None else self._forward(self._consumer))

    async def _idle(self) -> None:
        """A schedule without waits has no tiers; the upkeep is still needed."""
        while not self._context.stopping.is_set():
            self._context.alive(lag=0, waiting=0)
            await self._context.pause(TURN_MS / 1_000)

    def _on_change(self, assigned: set[TopicPartition]) -> None:
        self._tiers.forget(assigned)
        self._paused -= assigned

    async def _forward(self, consumer: LogConsumer) -> None:
        async with consumer:
            while not self._context.stopping.is_set():
                taken = await consumer.take(wait_ms=self._wait_ms(), stopping=self._context.stopping)
                for partition, messages in taken.items():
                    for message in messages:
                        mark = consumer.offsets.begin(partition, message.offset)
                        try:
                            due, due_ms = read_waiting(message, now_ms=self._clock.epoch_ms())
                        except Exception as error:
                            await self._producer.publish(letters_of(message, error, at=self._clock.now()))
                            consumer.offsets.done(mark)
                            continue
                        self._tiers.add(partition, due, due_ms=due_ms, mark=mark)
                self._hold_back(consumer)
                await self._forward_due(consumer)
                await consumer.commit_if_due()
                WAITING.set(len(self._tiers))
                facts = consumer.facts()
                if self._paused:
                    facts[FACT] = 0.0  # a full tier waits on purpose
                self._context.alive(**facts, waiting=len(self._tiers))

    def _wait_ms(self) -> int:
        """Time until the next is due, bounded so that a stop is noticed."""
        due_ms = self._tiers.next_due_ms()
        return TURN_MS if due_ms is None else max(1, min(TURN_MS, due_ms - self._clock.epoch_ms()))

    def _hold_back(self, consumer: LogConsumer) -> None:
        full = self._tiers.full() & consumer.raw.assignment()
        if full - self._paused:
            consumer.raw.pause(*(full - self._paused))
        if self._paused - full:
            consumer.raw.resume(*((self._paused - full) & consumer.raw.assignment()))
        self._paused = full

    async def _forward_due(self, consumer: LogConsumer) -> None:
        due = self._tiers.take_due(self._clock.epoch_ms(), limit=FORWARDED_MAX)
        if not due:
            return
        at, partitions = self._clock.now(), self._settings.topic_partitions
        records = [delivery_record(one.due, at=at, partitions=partitions) for one in due]
        await self._producer.publish(records)
        FORWARDED.inc(len(due))
        for one in due:
            consumer.offsets.done(one.mark)


def read_waiting(message: Any, *, now_ms: int) -> tuple[Due, int]:
    """The attempt that a record of a retry tier requests, and when it is due. Raises UndecodableError."""
    due = read_delivery(message.value)
    return due, due_at_ms(message.headers or (), latest_ms=now_ms + RETRY_RETENTION_MS)


async def _body(context: Context) -> None:
    pool = await make_webhook_pool(context.settings, size=4)
    await Forwarder(context, Kafka(context.settings, quarantine=context.quarantine), pool).run()


if __name__ == "__main__":
    run_role("forwarder", _body)
