"""events, dead letters ─► job counters in Redis, exactly once.

A payment is a job: created = pending, processing, then completed, whether it succeeded or was declined. A dead letter
is a failed job. The place in the log is kept in Redis beside the counters, not in the consumer group: they are
changed together or not at all, and after a flush the counting starts again from the beginning of the log.
"""

from __future__ import annotations

from collections import Counter as Tally
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Counter
from redis.exceptions import RedisError

from agents.jobs.seen import Seen
from agents.kafka import Kafka
from agents.letters import letters_of
from agents.role import Context
from domain.event import EventType
from runtime.logs import get_logger
from store.redis.job_counters import APPLIED, JobCounters, Step
from topics.catalogue import EVENTS, PAYMENTS_DLQ
from topics.deadletter import DEAD_COMMAND
from topics.envelope import UndecodableError, read_json
from topics.producer import Record
from topics.records import JsonObject, instant_of

log = get_logger("jobs")

GROUP = "jobs"
GATHER_MS = 100
"""How stale a counter may be under load; records that arrive within that time are counted together."""
WINDOW_RECORDS = 20_000
"""How far before the stored offset a partition is read again after a start, to know what was counted."""

BOUNCED = "refund.failed, processed before"
"""A refund.failed that takes back a refund.processed moves other counters."""
AHEAD_MAX = timedelta(days=1)
"""How far an event's time may be ahead of the log's: clocks differ, and one event from the year 9999 would make every
later event of an order that is no longer remembered look old."""
CHECK_EVERY_SECONDS = 1.0
"""How often the places are compared with Redis. A flush shows by this alone where no next record comes."""

DELTAS: dict[str, dict[str, int]] = {
    EventType.PAYMENT_CREATED: {"pending": 1},
    EventType.PAYMENT_PROCESSING: {"pending": -1, "processing": 1},
    EventType.PAYMENT_SUCCESS: {"processing": -1, "completed": 1, "succeeded": 1},
    EventType.PAYMENT_FAILED: {"processing": -1, "completed": 1, "declined": 1},
    EventType.REFUND_CREATED: {"refund_pending": 1, "refund_total": 1},
    EventType.REFUND_PROCESSED: {"refund_pending": -1, "refund_processed": 1},
    EventType.REFUND_FAILED: {"refund_pending": -1, "refund_failed": 1},
    EventType.REFUND_LATE_SUCCESS: {"refund_failed": -1, "refund_processed": 1},
    BOUNCED: {"refund_processed": -1, "refund_failed": 1},
    DEAD_COMMAND: {"failed": 1},
}
AGAIN_SECONDS = 0.3
COUNTED = Counter("gateway_jobs_records", "Records read")


@dataclass(slots=True)
class Place:
    """The state of counting of one partition. `offset` None: Redis must be queried."""

    offset: int | None = None
    seen: Seen = field(default_factory=Seen)


class Jobs:
    """One worker."""

    def __init__(self, context: Context, kafka: Kafka, counters: JobCounters) -> None:
        self._context = context
        self._counters = counters
        self._producer = kafka.producer()
        self._places: dict[TopicPartition, Place] = {}
        self._checked_at = context.clock.monotonic()
        self._consumer = kafka.consumer(
            EVENTS,
            PAYMENTS_DLQ,
            group=GROUP,
            member=context.worker.name,
            on_change=self._on_change,
            gather_ms=GATHER_MS,
        )

    async def run(self) -> None:
        async with self._producer, self._consumer:
            while not self._context.stopping.is_set():
                try:
                    await self._turn()
                except (RedisError, KafkaError, OSError) as error:
                    log.warning("position_not_found", error=repr(error))
                    self._places.clear()
                    await self._context.pause(AGAIN_SECONDS)
                self._context.alive(**self._consumer.facts())

    def _on_change(self, _assigned: set[TopicPartition]) -> None:
        self._places.clear()

    async def _turn(self) -> None:
        if unknown := [one for one in self._consumer.raw.assignment() if one not in self._places]:
            await self._find_places(unknown)
        taken = await self._consumer.take(wait_ms=250, stopping=self._context.stopping)
        letters: list[Record] = []
        steps = {
            partition: step
            for partition, messages in taken.items()
            if (step := self._step(partition, messages, letters)) is not None
        }
        await self._producer.publish(letters)
        if steps:
            await self._apply(steps)
        await self._check_places()
        await self._consumer.commit_if_due()

    async def _check_places(self) -> None:
        """Count again where Redis is behind: it was flushed."""
        if self._context.clock.monotonic() - self._checked_at < CHECK_EVERY_SECONDS:
            return
        self._checked_at = self._context.clock.monotonic()
        partitions = list(self._places)
        stored = await self._counters.offsets([_name(partition) for partition in partitions])
        for partition, offset in zip(partitions, stored, strict=True):
            if offset < (self._places[partition].offset or 0):
                log.warning("counters_behind", partition=_name(partition), stored=offset)
                del self._places[partition]

    async def _find_places(self, partitions: list[TopicPartition]) -> None:
        """Go to where Redis stands, and a window before it, to meet again what was counted last."""
        consumer = self._consumer.raw
        offsets = await self._counters.offsets([_name(partition) for partition in partitions])
        firsts = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition, offset in zip(partitions, offsets, strict=True):
            end = ends[partition]
            if offset > end:
                # The log is another one than Redis counted (it was emptied): what stands there is new.
                log.error("log_shorter_than_counted", partition=_name(partition), counted=offset, end=end)
            counted = min(offset, end)
            consumer.seek(partition, max(firsts[partition], counted - WINDOW_RECORDS))
            self._places[partition] = Place(offset=counted)

    def _step(self, partition: TopicPartition, messages: list[Any], letters: list[Record]) -> Step | None:
        """What these records come to; None if all of them were counted before. `letters` get the unreadable ones."""
        place = self._places.get(partition)
        if place is None or place.offset is None:
            return None
        deltas: Tally[str] = Tally()
        expected = place.offset
        for message in messages:
            try:
                event_type = type_if_new(message, place.seen)
            except Exception as error:
                if message.offset >= expected:
                    letters += letters_of(message, error, at=self._context.clock.now())
                continue
            if message.offset < expected or event_type is None:
                continue
            deltas.update(DELTAS.get(event_type, {}))
        COUNTED.inc(len(messages))
        next_offset = messages[-1].offset + 1
        if next_offset <= expected:
            return None
        changed = {name: delta for name, delta in deltas.items() if delta}
        return Step(_name(partition), expected, next_offset, changed)

    async def _apply(self, steps: dict[TopicPartition, Step]) -> None:
        results = await self._counters.apply(list(steps.values()))
        for (partition, step), result in zip(steps.items(), results, strict=True):
            if result != APPLIED:
                log.warning("counters_moved", partition=step.place, expected=step.expected, stored=result)
                self._places.pop(partition, None)
            elif (place := self._places.get(partition)) is not None:
                place.offset = step.next_offset
                self._consumer.offsets.done(self._consumer.offsets.begin(partition, step.next_offset - 1))


def type_if_new(message: Any, seen: Seen) -> str | None:
    """The record's type; None if it was met before. Raises whatever the record causes, and leaves `seen` alone then.

    Lengths and everything that is not counted are no concern here: this reads every record there is.
    """
    record = read_json(message.value or b"")
    event_type = _text(record["type"])
    identity = record["id"] if message.topic == PAYMENTS_DLQ else record["key"]
    sequence = 1 if message.topic == PAYMENTS_DLQ else record["body"]["sequence"]
    if type(sequence) is not int:
        raise TypeError("sequence must be an integer")
    if event_type == EventType.REFUND_FAILED and _was_processed(record["body"]):
        event_type = BOUNCED
    at = _text(record["at"])
    if datetime.fromisoformat(at) > instant_of(message.timestamp) + AHEAD_MAX:
        raise UndecodableError("at is later than the log's own time of the record")
    return event_type if seen.is_new(_text(identity), sequence, at) else None


def _was_processed(body: JsonObject) -> bool:
    refund = body.get("refund")
    return isinstance(refund, dict) and refund.get("processed_at") is not None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:100]!r} is not a string")
    return value


def _name(partition: TopicPartition) -> str:
    return f"{partition.topic}/{partition.partition}"
