"""What the double's orders ask for beyond ours, once their payments move.

    payment.success    ─► payment.capture, where the order captures by itself
    payment.processing ─► webhook payment.failed, where the order authorizes late: the bank's success comes after it

    take events ─► the orders' terms (razorpay_orders) ─► publish ─► commit the offsets

The command's id is made from the payment's, so an event that is read again asks for the same capture. The actor
decides: what is captured already, or refunded meanwhile, is refused without effect.
"""

from __future__ import annotations

from typing import Any

from agents.kafka import Kafka
from agents.letters import has_type, letters_of
from agents.role import Context
from domain.event import EventType
from domain.payment import CapturePayment
from store.driver import Pool
from store.razorpay.deliveries import late_drafts
from store.razorpay.orders import capturing_orders, late_orders
from store.webhooks.plan import plan_deliveries, targets_of
from store.webhooks.pool import persistently
from topics.catalogue import EVENTS
from topics.commands import command_record
from topics.delivery import delivery_record
from topics.events import PaymentRecord, read_event
from topics.producer import Record

GROUP = "razorpay"
EVENTS_MAX = 500
GATHER_MS = 100
"""Nobody waits for this role within a request, and each turn reads the terms of its events from PostgreSQL."""
WANTED = frozenset({EventType.PAYMENT_SUCCESS.encode(), EventType.PAYMENT_PROCESSING.encode()})


class Following:
    """One worker."""

    def __init__(self, context: Context, kafka: Kafka, pool: Pool) -> None:
        self._context = context
        self._partitions = context.settings.topic_partitions
        self._pool = pool
        self._producer = kafka.producer()
        self._consumer = kafka.consumer(EVENTS, group=GROUP, member=context.worker.name, gather_ms=GATHER_MS)
        self._published = 0

    async def run(self) -> None:
        async with self._producer, self._consumer:
            while not self._context.stopping.is_set():
                await self._turn()
                self._context.alive(**self._consumer.facts(), published=self._published)

    async def _turn(self) -> None:
        taken = await self._consumer.take(wait_ms=250, records_max=EVENTS_MAX)
        offsets = self._consumer.offsets
        marks = [offsets.begin(partition, one.offset) for partition, portion in taken.items() for one in portion]
        events, letters = self._read([one for portion in taken.values() for one in portion])
        records = await self._captures([one for one in events if one.type == EventType.PAYMENT_SUCCESS])
        records += await self._late([one for one in events if one.type == EventType.PAYMENT_PROCESSING])
        await self._producer.publish([*records, *letters])
        self._published += len(records)
        for mark in marks:
            offsets.done(mark)
        await self._consumer.commit_if_due()

    def _read(self, messages: list[Any]) -> tuple[list[PaymentRecord], list[Record]]:
        """The events that matter here, and the dead letters of what cannot be read."""
        events: list[PaymentRecord] = []
        letters: list[Record] = []
        for message in messages:
            if not has_type(message, WANTED):
                continue
            try:
                events.append(read_event(message.value))
            except Exception as error:
                letters += letters_of(message, error, at=self._context.clock.now())
        return events, letters

    async def _captures(self, events: list[PaymentRecord]) -> list[Record]:
        if not events:
            return []
        paid = [(event.order_id, event.at) for event in events]
        capturing = await persistently(lambda: capturing_orders(self._pool, paid), what="read the orders' terms")
        return [self._capture(event) for event in events if event.order_id in capturing]

    def _capture(self, event: PaymentRecord) -> Record:
        order_id, payment_id = event.order_id, event.payment.id
        command = CapturePayment(order_id=order_id, payment_id=payment_id, merchant_id=event.merchant_id, amount=None)
        return command_record(
            command,
            command_id=f"rzp_{payment_id}",
            at=self._context.clock.now(),
            partitions=self._partitions,
            request_id=event.request_id,
            caused_by=event.id,
        )

    async def _late(self, events: list[PaymentRecord]) -> list[Record]:
        """Deliveries to make now, because the payments of these events are to be authorized late."""
        if not events:
            return []
        order_ids = [event.order_id for event in events]
        late = await persistently(lambda: late_orders(self._pool, order_ids), what="read the orders' terms")
        wanted = [event for event in events if event.order_id in late]
        if not wanted:
            return []
        at = self._context.clock.now()
        targets = await persistently(
            lambda: targets_of(self._pool, [event.merchant_id for event in wanted]), what="read endpoints"
        )
        drafts = await late_drafts(self._pool, [(one, targets.get(one.merchant_id, [])) for one in wanted])
        dues = await persistently(lambda: plan_deliveries(self._pool, drafts, at), what="plan")
        return [delivery_record(due, at=at, partitions=self._partitions) for due in dues]
