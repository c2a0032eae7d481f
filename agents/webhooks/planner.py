"""`python -m agents.webhooks.planner`: events ─► one delivery row for each matching endpoint ─► deliveries topic.

An event of a merchant without endpoints is not decoded. The body is built here, once, and stored as the exact bytes
that every attempt signs and sends. An event that is read again makes no second row; only first attempts that may not
have reached the topic are written again.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prometheus_client import Counter

from agents.kafka import Kafka
from agents.letters import has_type, letters_of
from agents.role import Context, run_role
from domain.delivery import Due
from domain.event_kind import MERCHANT_EVENTS
from domain.turns import in_turn
from runtime.logs import get_logger
from store.driver import Pool
from store.errors import SchemaError, StatementRefusedError, ValueRefusedError
from store.webhooks.plan import Draft, Target, drafts_of, plan_deliveries, targets_of
from store.webhooks.pool import make_webhook_pool, persistently
from store.webhooks.razorpay_drafts import razorpay_drafts
from topics.catalogue import EVENTS
from topics.deadletter import REASON_UNWRITABLE
from topics.delivery import delivery_record, event_webhook_body
from topics.envelope import UndecodableError
from topics.events import EventRecord, read_any_event
from topics.identity import event_merchant
from topics.producer import Record

log = get_logger("planner")

GROUP = "planner"
EVENTS_MAX = 500
GATHER_MS = 30
"""How long an event may wait for others while many arrive, to be planned with them in one transaction."""
TYPES = frozenset(event.encode() for event in MERCHANT_EVENTS)
PLANNED = Counter("gateway_webhooks_planned", "Deliveries put on the deliveries topic for the first time")


Targets = dict[str, list[Target]]
"""Merchant id -> its endpoints. A merchant without any is missing."""


@dataclass(frozen=True, slots=True)
class Read:
    """An event, the body that its webhooks carry, and the record it came in."""

    event: EventRecord
    body: bytes
    message: Any


class Planner:
    """One worker. A turn is a batch: read, plan in one transaction, publish, and only then commit the offsets."""

    def __init__(self, context: Context, kafka: Kafka, pool: Pool) -> None:
        self._context = context
        self._clock = context.clock
        self._pool = pool
        self._settings = context.settings
        self._producer = kafka.producer()
        self._consumer = kafka.consumer(EVENTS, group=GROUP, member=context.worker.name, gather_ms=GATHER_MS)
        self._planned = 0

    async def run(self) -> None:
        async with self._producer, self._consumer:
            while not self._context.stopping.is_set():
                await self._turn()
                self._context.alive(**self._consumer.facts(), planned=self._planned)

    async def _turn(self) -> None:
        taken = await self._consumer.take(wait_ms=250, records_max=EVENTS_MAX, stopping=self._context.stopping)
        offsets = self._consumer.offsets
        messages = [message for portion in taken.values() for message in portion]
        marks = [
            offsets.begin(partition, message.offset) for partition, portion in taken.items() for message in portion
        ]
        planned, letters = await self._dues_of(messages)
        await self._publish(planned, letters)
        for mark in marks:
            offsets.done(mark)
        await self._consumer.commit_if_due()

    async def _dues_of(self, messages: list[Any]) -> tuple[list[Due], list[Record]]:
        """Deliveries that are due at once, and the dead letters of events that cannot be read or planned."""
        candidates = [(event_merchant(message.value), message) for message in messages if has_type(message, TYPES)]
        known = {merchant for merchant, _ in candidates if merchant is not None}
        targets = await self._targets(known)
        events, letters = read_events(concerning(candidates, targets), self._clock.now())
        targets |= await self._targets({one.event.merchant_id for one in events} - known)
        return await self._planned_all(events, letters, targets) if events else ([], letters)

    async def _targets(self, merchants: AbstractSet[str]) -> Targets:
        if not merchants:
            return {}
        return await persistently(lambda: targets_of(self._pool, merchants), what="read endpoints")

    async def _planned_all(
        self, events: list[Read], letters: list[Record], targets: Targets
    ) -> tuple[list[Due], list[Record]]:
        try:
            return await persistently(lambda: self._plan(events, targets), what="plan"), letters
        except (StatementRefusedError, UndecodableError) as error:
            log.error("batch_unplannable", events=len(events), error=repr(error))
        dues: list[Due] = []
        for one in events:
            planned, given_up = await self._planned_apart(one, targets)
            dues += planned
            letters += given_up
        return dues, letters

    async def _planned_apart(self, one: Read, targets: Targets) -> tuple[list[Due], list[Record]]:
        """If the endpoints of one format cannot be served, the others are. A letter then names the event, once."""
        dues: list[Due] = []
        letters: list[Record] = []
        for plan in (self._plan_own, self._plan_razorpay):
            try:
                dues += await persistently(lambda plan=plan: plan([one], targets), what="plan")  # type: ignore[misc]
            except SchemaError:
                raise
            except (ValueRefusedError, UndecodableError) as error:
                letters = letters or letters_of(one.message, error, at=self._clock.now(), reason=REASON_UNWRITABLE)
        return dues, letters

    async def _plan(self, events: list[Read], targets: Targets) -> list[Due]:
        drafts = drafts_in_turn(events, targets)
        drafts += await self._razorpay_drafts(events, targets)
        return await plan_deliveries(self._pool, drafts, self._clock.now())

    async def _plan_own(self, events: list[Read], targets: Targets) -> list[Due]:
        return await plan_deliveries(self._pool, drafts_in_turn(events, targets), self._clock.now())

    async def _plan_razorpay(self, events: list[Read], targets: Targets) -> list[Due]:
        drafts = await self._razorpay_drafts(events, targets)
        return await plan_deliveries(self._pool, drafts, self._clock.now())

    async def _razorpay_drafts(self, events: list[Read], targets: Targets) -> list[Draft]:
        return await razorpay_drafts(
            self._pool, [(one.event, targets.get(one.event.merchant_id, [])) for one in events]
        )

    async def _publish(self, dues: list[Due], letters: list[Record]) -> None:
        at, partitions = self._clock.now(), self._settings.topic_partitions
        records = [delivery_record(due, at=at, partitions=partitions) for due in dues]
        await self._producer.publish([*records, *letters])
        self._planned += len(records)
        PLANNED.inc(len(records))


def concerning(candidates: Iterable[tuple[str | None, Any]], targets: Container[str]) -> list[Any]:
    """The records of merchants with an endpoint, and those whose merchant only decoding reveals; given as (merchant,
    record)."""
    return [message for merchant, message in candidates if merchant is None or merchant in targets]


def drafts_in_turn(events: Iterable[Read], targets: Mapping[str, Sequence[Target]]) -> list[Draft]:
    """The deliveries to plan, merchants in turn: many events or endpoints of one merchant do not hold up another's
    first attempt."""
    drafts = [
        draft for one in events for draft in drafts_of(one.event, targets.get(one.event.merchant_id, ()), body=one.body)
    ]
    return in_turn(drafts, owner=lambda draft: draft.merchant_id)


def read_events(messages: Iterable[Any], at: datetime) -> tuple[list[Read], list[Record]]:
    """The events that merchants are notified of, and the dead letters of those that cannot be read."""
    events: list[Read] = []
    letters: list[Record] = []
    for message in messages:
        if not has_type(message, TYPES):
            continue
        try:
            event = read_any_event(message.value)
            events.append(Read(event, event_webhook_body(event), message))
        except Exception as error:
            letters += letters_of(message, error, at=at)
    return events, letters


async def _body(context: Context) -> None:
    pool = await make_webhook_pool(context.settings, size=2)
    await Planner(context, Kafka(context.settings, quarantine=context.quarantine), pool).run()


if __name__ == "__main__":
    run_role("planner", _body)
