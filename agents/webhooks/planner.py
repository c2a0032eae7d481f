"""`python -m agents.webhooks.planner`: events ─► one delivery row for each matching endpoint ─► deliveries topic.

The body is built here, once, and stored as the exact bytes that every attempt signs and sends. An event that is read
again makes no second row; only first attempts that may not have reached the topic are put there again.
"""

from __future__ import annotations

from typing import Any

import asyncpg
from prometheus_client import Counter

from agents.kafka import Kafka
from agents.role import Context, run_role
from domain.delivery import MERCHANT_EVENTS, Due
from runtime.logs import get_logger
from store.webhook_planning import Draft, drafts_of, plan_deliveries, targets_of
from store.webhook_pool import make_webhook_pool, persistently
from topics.catalogue import EVENTS
from topics.delivery import delivery_record, event_webhook_body
from topics.envelope import HEADER_TYPE, Envelope, UndecodableError, decode

log = get_logger("planner")

GROUP = "planner"
EVENTS_MAX = 500
GATHER_MS = 30
"""How long an event may wait for others, to be planned with them in one transaction."""
PUBLISH_TIMEOUT_SECONDS = 45
WANTED = frozenset(event.encode() for event in MERCHANT_EVENTS)
PLANNED = Counter("gateway_webhooks_planned", "Deliveries put on the deliveries topic for the first time")


class Planner:
    """One worker. A turn is a batch: read, plan in one transaction, publish, and only then commit the offsets."""

    def __init__(self, context: Context, kafka: Kafka, pool: asyncpg.Pool) -> None:
        self._context = context
        self._clock = context.clock
        self._pool = pool
        self._settings = context.settings
        self._producer = kafka.producer()
        self._consumer = kafka.consumer(EVENTS, group=GROUP, member=context.worker.name, gather_ms=GATHER_MS)
        self._planned = 0

    async def run(self) -> None:
        await self._producer.start()
        await self._consumer.start()
        while not self._context.stopping.is_set():
            await self._turn()
            self._context.alive(lag=self._consumer.lag(), planned=self._planned)
        await self._consumer.stop()
        await self._producer.stop()

    async def _turn(self) -> None:
        taken = await self._consumer.take(wait_ms=250, records_max=EVENTS_MAX)
        offsets = self._consumer.offsets
        marks = [
            offsets.begin(partition, message.offset) for partition, messages in taken.items() for message in messages
        ]
        events = [event for messages in taken.values() for event in map(_event_of, messages) if event is not None]
        if events:
            await self._publish(await persistently(lambda: self._plan(events), what="plan"))
        for mark in marks:
            offsets.done(mark)
        await self._consumer.commit_if_due()

    async def _plan(self, events: list[Envelope]) -> list[Due]:
        targets = await targets_of(self._pool, [event.body["merchant_id"] for event in events])
        drafts: list[Draft] = []
        for event in events:
            found = targets.get(event.body["merchant_id"])
            if found:
                drafts += drafts_of(event, found, body=event_webhook_body(event))
        return await plan_deliveries(self._pool, drafts, self._clock.now())

    async def _publish(self, dues: list[Due]) -> None:
        at, partitions = self._clock.now(), self._settings.topic_partitions
        records = [delivery_record(due, at=at, partitions=partitions) for due in dues]
        await self._producer.publish(records, timeout=PUBLISH_TIMEOUT_SECONDS)
        self._planned += len(records)
        PLANNED.inc(len(records))


def _event_of(message: Any) -> Envelope | None:
    """The event of a record, None where merchants are not told about it or it cannot be read."""
    if not any(name == HEADER_TYPE and content in WANTED for name, content in message.headers):
        return None
    try:
        event = decode(message.value)
        for part in ("merchant_id", "order_id", "sequence", "payment"):
            event.body[part]
        event.body["payment"]["id"]
    except (UndecodableError, KeyError, TypeError) as error:
        # The actor wrote this record itself; the partition goes on, and verification will name the event.
        log.error("event_undecodable", partition=message.partition, offset=message.offset, error=repr(error))
        return None
    return event


async def _body(context: Context) -> None:
    pool = await make_webhook_pool(context.settings, size=2)
    await Planner(context, Kafka(context.settings), pool).run()


if __name__ == "__main__":
    run_role("planner", _body)
