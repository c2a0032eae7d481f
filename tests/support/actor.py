"""The payment actor's loop driven by hand, so that a test can cut it off at exactly the wrong moment.

bench = Bench(command_client); actor = await bench.actor()
await work(actor, bench.submitted(order_command(order_id)))
"""

from __future__ import annotations

import asyncio
import itertools
from datetime import datetime
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.payments.actor import PaymentActor, Prepared
from agents.payments.intake import Incoming
from domain.decision import Command
from runtime.clock import now
from store.actor import ActorStore, Inbox
from store.redis.clients import make_redis
from tests.support.command_client import CommandClient
from topics.catalogue import COMMANDS, EVENTS, PAYMENTS_DLQ, SMALL_PARTITIONS
from topics.deadletter import Origin
from topics.envelope import HEADER_REPLY_TO
from topics.producer import LogProducer, Record
from topics.proof import Proofs, proofs_of

OFFSETS = itertools.count(1 << 40)
"""Of records that are on no log: far beyond those of a real one, so that their dead letters have ids of their own."""


class Bench:
    """Actors over one stack's services; each `actor()` is a process that has just started."""

    def __init__(self, command_client: CommandClient) -> None:
        self.command_client = command_client
        self._stores: list[ActorStore] = []
        self._producers: list[LogProducer] = []
        self.redis = make_redis(command_client.settings)

    async def actor(self, proofs: Proofs | None = None) -> PaymentActor:
        """`proofs`: another ring or rule than that of the settings."""
        store, producer = ActorStore(self.command_client.settings), LogProducer(self.command_client.settings)
        await store.start()
        await producer.start()
        self._stores.append(store)
        self._producers.append(producer)
        return PaymentActor(
            store,
            producer,
            self.redis,
            proofs=proofs or proofs_of(self.command_client.settings),
            inbox_days=self.command_client.settings.idempotency_retention_days,
        )

    async def close(self) -> None:
        for store in self._stores:
            await store.stop()
        for producer in self._producers:
            await producer.stop()
        await self.redis.aclose()

    def incoming(self, record: Record, reply_to: str | None = None, *, logged_at: datetime | None = None) -> Incoming:
        headers = [*record.headers, *([(HEADER_REPLY_TO, reply_to.encode())] if reply_to else [])]
        origin = Origin(COMMANDS, record.partition, next(OFFSETS))
        return Incoming(record.key, record.value, headers, origin, logged_at or now())

    def submitted(self, command: Command, command_id: str = "", **more: str) -> Incoming:
        return self.incoming(self.command_client.record(command, command_id, **more))

    async def events(self, order_id: str) -> list[str]:
        rows = await self.command_client.pool.fetch(
            "SELECT type FROM events WHERE order_id = $1 ORDER BY sequence", order_id
        )
        return [row["type"] for row in rows]

    async def on_topic(self, topic: str, key: str, partitions: int) -> list[bytes]:
        """Values of the key's records that are on the topic by now."""
        places = [TopicPartition(topic, number) for number in range(partitions)]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.command_client.settings.kafka_bootstrap_servers, enable_auto_commit=False
        )
        await consumer.start()
        try:
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            ends, found = await consumer.end_offsets(places), []
            async with asyncio.timeout(20):
                while any([await consumer.position(place) < ends[place] for place in places]):
                    for messages in (await consumer.getmany(timeout_ms=200)).values():
                        found += [message.value for message in messages if message.key == key.encode()]
            return found
        finally:
            await consumer.stop()

    async def event_records(self, order_id: str) -> list[bytes]:
        return await self.on_topic(EVENTS, order_id, self.command_client.settings.topic_partitions)

    async def inbox(self, requests: list[tuple[str, str]]) -> Inbox:
        """What an actor's store loads about these requests (command id, nonce)."""
        store = ActorStore(self.command_client.settings)
        try:
            return await store.load_inbox(requests)
        finally:
            await store.stop()

    async def age_inbox(self, command_id: str, *, days: int) -> None:
        """The rows of this command as if they had been decided so many days earlier."""
        await self.command_client.pool.execute(
            "UPDATE commands SET decided_at = decided_at - make_interval(days => $2) WHERE id = $1", command_id, days
        )

    async def letters(self, key: str) -> list[dict[str, Any]]:
        """Bodies of the dead letters of this order."""
        values = await self.on_topic(PAYMENTS_DLQ, key, SMALL_PARTITIONS)
        return [orjson.loads(value)["body"] for value in values]

    async def reasons(self, key: str) -> list[str]:
        return [letter["reason"] for letter in await self.letters(key)]


async def work(actor: PaymentActor, *messages: Incoming) -> Prepared:
    prepared = await actor.prepare(messages)
    await actor.finish(prepared)
    return prepared
