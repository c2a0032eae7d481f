"""The bare ceiling: the same hops as a payment's lifecycle, on the same services, without the product.

    POST ─► api ─► commands ─► Faust actor: ONE insert a batch ─► events ─► bank echo ─► commands ─► actor
              ◄─────────────── Redis publish ◄──┘

No validation, no authentication, no decision, no state rows, no inbox lookup, no schema: 16 bytes of id and a body
that is passed on. The product's result is given as a share of this one's in the same run.

    python -m bench.ceiling api|actor|bank       (started by bench.lifecycles, told where all is by the environment)
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
import tempfile
from typing import Any

import asyncpg
import orjson
import uvicorn
import uvloop
from aiokafka import AIOKafkaConsumer

from agents.payments.app import make_app
from runtime.settings import Settings, load_settings
from runtime.worker import Worker
from store.redis.clients import make_redis, make_subscriber
from store.redis.replies import Flag, Reply, publish_replies, subscribe_replies
from topics.catalogue import partition_of
from topics.connection import client_options
from topics.producer import LogProducer, Record

COMMANDS, EVENTS = "bench.commands", "bench.events"
BATCH_MAX = 500
SCHEMA = "CREATE SCHEMA IF NOT EXISTS bench; CREATE TABLE IF NOT EXISTS bench.events (id text, kind text, body text)"
INSERT = "INSERT INTO bench.events SELECT * FROM unnest($1::text[], $2::text[], $3::text[])"
ORDER, PAYMENT, SETTLED = b"o", b"p", b"s"
REPLY_SECONDS = 10.0


def record(topic: str, key: bytes, kind: bytes, value: bytes, worker: bytes, partitions: int) -> Record:
    return Record(topic, partition_of(key, partitions), key, value, [("kind", kind), ("to", worker)])


class Api:
    """ASGI application: a body becomes a record, the reply a response."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._producer = LogProducer(settings)
        self._waiting: dict[str, asyncio.Future[str]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        body = (await receive()).get("body", b"")
        requested = orjson.loads(body)
        kind, key = (PAYMENT, requested["order_id"]) if "order_id" in requested else (ORDER, secrets.token_hex(8))
        reply = await self._decide(kind, key.encode(), body)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(reply))]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": reply})

    async def _decide(self, kind: bytes, key: bytes, body: bytes) -> bytes:
        command = f"{kind.decode()}{key.decode()}"
        decided = self._waiting[command] = asyncio.get_running_loop().create_future()
        command_record = record(COMMANDS, key, kind, body, self._name.encode(), self._settings.topic_partitions)
        async with asyncio.timeout(REPLY_SECONDS):
            await self._producer.send(command_record, timeout=5)
            await decided
        return b'{"id":"%s"}' % key

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        await self._producer.start()
        listening = asyncio.create_task(self._listen())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        listening.cancel()
        await self._producer.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _listen(self) -> None:
        async for replies in subscribe_replies(make_subscriber(self._settings), self._name):
            for reply in replies:
                waiting = self._waiting.pop(reply.command_id, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(reply.body)


class Actor:
    """A Faust agent with the settings and the batch of the payment actor; it only forwards."""

    def __init__(self, settings: Settings, datadir: str) -> None:
        self._settings = settings
        self._producer = LogProducer(settings)
        self._redis = make_redis(settings)
        self.app = make_app(settings, Worker("bench", 0, "bench-actor", 0), datadir)  # type: ignore[arg-type]
        topic = self.app.topic(COMMANDS, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
        self.app.agent(topic, concurrency=1, name="bench")(self._consume)

    async def _consume(self, stream: Any) -> None:
        connection = await asyncpg.connect(self._settings.database_url.get_secret_value())
        await self._producer.start()
        # the product's fence does this, once the former owner of a partition can no longer write
        self.app.consumer.open_partitions.update(range(self._settings.topic_partitions))  # type: ignore[attr-defined]
        stream = stream.noack()
        queue, batch = stream.channel.queue, []
        async for event in stream.events():
            batch.append(event)
            if len(batch) < BATCH_MAX and not queue.empty():
                continue
            await self._pass_on(connection, [event.message for event in batch])
            for done in batch:
                await stream.ack(done)
            batch = []

    async def _pass_on(self, connection: asyncpg.Connection, messages: list[Any]) -> None:
        kinds = [dict(message.headers)["kind"] for message in messages]
        rows = [
            (message.key.decode(), kind.decode(), message.value.decode())
            for message, kind in zip(messages, kinds, strict=True)
        ]
        await connection.execute(INSERT, *(list(column) for column in zip(*rows, strict=True)))
        partitions = self._settings.topic_partitions
        await self._producer.publish(
            [
                record(EVENTS, message.key, kind, message.value, b"", partitions)
                for message, kind in zip(messages, kinds, strict=True)
            ],
            timeout=30,
        )
        replies: dict[str, list[Reply]] = {}
        for message, kind in zip(messages, kinds, strict=True):
            worker = dict(message.headers)["to"].decode()
            if worker:
                reply = Reply(f"{kind.decode()}{message.key.decode()}", "", Flag.ACCEPTED, message.key.decode())
                replies.setdefault(worker, []).append(reply)
        if replies:
            await publish_replies(self._redis, replies, {}, timeout=5)


async def bank(settings: Settings) -> None:
    """For each payment on the events topic one settlement on the commands topic."""
    consumer = AIOKafkaConsumer(
        EVENTS,
        **client_options(settings),
        group_id="bench-bank",
        auto_offset_reset="earliest",
        fetch_max_wait_ms=500,
    )
    producer = LogProducer(settings)
    await producer.start()
    await consumer.start()
    while True:
        taken = await consumer.getmany(timeout_ms=500, max_records=2_000)
        await producer.publish(
            [
                record(COMMANDS, message.key, SETTLED, message.value, b"", settings.topic_partitions)
                for messages in taken.values()
                for message in messages
                if ("kind", PAYMENT) in message.headers
            ],
            timeout=30,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("api", "actor", "bank"))
    parser.add_argument("--fd", type=int, default=0)
    chosen = parser.parse_args()
    settings = load_settings()
    if chosen.role == "api":
        api = Api(settings, f"bench-{os.getpid()}")
        uvicorn.run(api, fd=chosen.fd, loop="uvloop", http="httptools", log_level="warning", access_log=False)
    elif chosen.role == "bank":
        uvloop.run(bank(settings))
    else:
        sys.setswitchinterval(0.0002)
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        with tempfile.TemporaryDirectory() as datadir:
            actor = Actor(settings, datadir)
            sys.argv = ["bench-actor", "worker", "--without-web", "-l", "warn"]
            actor.app.main()


if __name__ == "__main__":
    main()
