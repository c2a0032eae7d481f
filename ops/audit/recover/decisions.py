"""Commands that the database has forgotten, decided again by the actor's code, from the position where the inbox ends.

    commands topic, partition by partition ─► without what is decided or passed on ─► PaymentActor ─► ComparingStore

Time and identity of an event follow from the record of its command, so the same commands make the same bytes; what
differs from the log by a byte is not written. Partitions come in ascending order: after a growth of the log, an order's
older commands are on the lower one. Nothing is published and no reply is sent: both happened already.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import redis.asyncio as redis
from aiokafka import TopicPartition

from agents.payments.actor import PaymentActor
from agents.payments.batches import BATCH_MAX
from agents.payments.intake import Incoming
from ops.audit.recover.survey import Survey, portions, request_of
from runtime.settings import Settings
from store.operations.recover import ComparingStore, Recovery
from topics.catalogue import COMMANDS
from topics.deadletter import Origin
from topics.envelope import HEADER_REPLY_TO
from topics.producer import LogProducer
from topics.proof import proofs_of
from topics.reader import log_reader
from topics.records import LogRecord

NO_LIMIT_DAYS = 3_650
"""The actor refuses a command that may be older than the inbox, because it could act twice. Here it cannot: only what
is on the log is written."""


@dataclass(slots=True)
class Decided:
    """The result. `refused`: order -> why nothing more was written for it."""

    commands: int = 0
    refused: dict[str, str] = field(default_factory=dict)


async def decide_again(
    settings: Settings, recovery: Recovery, found: Survey, client: redis.Redis, refused: dict[str, str]
) -> Decided:
    """`refused`: orders that are skipped. Raises KafkaError, TimeoutError, DatabaseError."""
    decided = Decided(refused=dict(refused))
    store = ComparingStore(settings)
    store.compare_with(recovery.connection)
    producer = LogProducer(settings)  # never started: nothing is published
    actor = PaymentActor(store, producer, client, proofs=proofs_of(settings), inbox_days=NO_LIMIT_DAYS)
    try:
        async with log_reader(settings) as reader:
            for partition, begin in found.begins.items():
                spans = {TopicPartition(COMMANDS, partition): (begin, found.stops[partition])}
                async for records in portions(reader, spans, f"commands decided, partition {partition}"):
                    await _portion(recovery, actor, store, records, found, decided)
    finally:
        await store.stop()
    return decided


async def _portion(
    recovery: Recovery,
    actor: PaymentActor,
    store: ComparingStore,
    records: list[LogRecord],
    found: Survey,
    decided: Decided,
) -> None:
    requests = {record.offset: request for record in records if (request := request_of(record.value)) is not None}
    known = await recovery.decided(list(requests.values()))
    left = [
        record
        for record in records
        if record.offset in requests and requests[record.offset] not in known and record.place not in found.passed_on
    ]
    for first in range(0, len(left), BATCH_MAX):
        batch = [one for one in left[first : first + BATCH_MAX] if one.key.decode() not in decided.refused]
        if not batch:
            continue
        prepared = await actor.prepare([_incoming(one) for one in batch])
        await prepared.replying
        decided.commands += len(batch)
        decided.refused |= store.refused


def _incoming(record: LogRecord) -> Incoming:
    headers = [(name, content) for name, content in record.headers if name != HEADER_REPLY_TO]
    origin = Origin(record.topic, record.partition, record.offset)
    return Incoming(record.key, record.value, headers, origin, record.at)
