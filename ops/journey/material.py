"""Gathers the material of one order's story: the database by its keys, the log by partition and time.

The database is required; without the log, the output lacks positions and refused commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from ops.journey.story import Material
from runtime.settings import Settings
from store.driver import Pool
from store.operations.inspection import EventSeen, bank_attempts, deliveries_of, events_of, refusals_of
from topics.catalogue import COMMANDS, EVENTS, PAYMENTS_DLQ, SMALL_PARTITIONS, WEBHOOKS_DLQ, partition_of
from topics.location import SLACK, locate
from topics.reader import LOOK_UP_HOLD_MS, LogReader, Start, log_reader
from topics.records import JsonObject, LogRecord

DEAD_READ_MAX = 5_000


@dataclass(frozen=True, slots=True)
class Collected:
    """The material, and why the log's part is missing, if it is."""

    material: Material
    log_missing: str | None


async def collect(pool: Pool, settings: Settings, order_id: str) -> Collected:
    """Raises DatabaseError. A log that does not respond is reported, not raised."""
    events = await events_of(pool, order_id)
    payments, attempts = _attempt_ids(events)
    bank = await bank_attempts(pool, attempts)
    deliveries = await deliveries_of(pool, payments)
    try:
        async with log_reader(settings, hold_ms=LOOK_UP_HOLD_MS) as reader:
            commands = await _commands(reader, order_id, events, settings)
            event_records = await _event_records(reader, order_id, events, settings)
            dead = await _dead(reader, order_id, events, deliveries)
    except (KafkaError, OSError) as error:
        return Collected(Material(events, bank=bank, deliveries=deliveries), type(error).__name__)
    requests = [(one.envelope.id, one.envelope.nonce) for one in commands if one.envelope is not None]
    refusals = await refusals_of(pool, requests)
    return Collected(Material(events, commands, event_records, bank, deliveries, dead, refusals), None)


def _attempt_ids(events: Sequence[EventSeen]) -> tuple[list[str], list[str]]:
    """(payment ids, payment and refund ids)."""
    payments: dict[str, None] = {}
    refunds: dict[str, None] = {}
    for event in events:
        body = event.record["body"]
        if "payment" in body:
            payments[body["payment"]["id"]] = None
        if "refund" in body:
            refunds[body["refund"]["id"]] = None
    return list(payments), [*payments, *refunds]


async def _commands(
    reader: LogReader, order_id: str, events: Sequence[EventSeen], settings: Settings
) -> list[LogRecord]:
    """A command's record is about as old as its events: their time is its time."""
    due = sorted({(event.at, str(event.record["caused_by"])) for event in events})
    return await locate(reader, COMMANDS, order_id, due, counts=settings.partition_counts)


async def _event_records(
    reader: LogReader, order_id: str, events: Sequence[EventSeen], settings: Settings
) -> list[LogRecord]:
    due = [(event.written_at, str(event.record["id"])) for event in events]
    return await locate(reader, EVENTS, order_id, due, counts=settings.partition_counts)


async def _dead(
    reader: LogReader, order_id: str, events: Sequence[EventSeen], deliveries: Sequence[JsonObject]
) -> list[LogRecord]:
    """Dead letters whose original key is the order's or one of its deliveries'."""
    keys = {PAYMENTS_DLQ: {order_id.encode()}, WEBHOOKS_DLQ: set[bytes]()}
    for delivery in deliveries:
        if delivery["status"] == "failed":
            keys[WEBHOOKS_DLQ].add(f"{delivery['endpoint_id']}:{order_id}".encode())
    places = {
        TopicPartition(topic, partition_of(key, SMALL_PARTITIONS)): keys[topic] for topic in keys for key in keys[topic]
    }
    there = [partition for partition in await reader.partitions(keys) if partition in places]
    if not events or not there:
        return []
    spans = await reader.spans(there, Start(since=events[0].at - SLACK))
    found: list[LogRecord] = []
    read = 0
    async for record in reader.merged(spans):
        read += 1
        if record.key in keys[record.topic]:
            found.append(record)
        if read >= DEAD_READ_MAX:
            break
    return found
