"""A text put on purpose into every place that `remains` searches, and taken out again: what proves the search.

with planted(stack, b"4111…"): everything(stack) must show it in each of `PLACES`
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator

import asyncpg
import redis.asyncio as redis
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.support.stack import Stack

COLUMNS = ("text", "bytea", "jsonb", "text[]")


@contextlib.asynccontextmanager
async def planted(stack: Stack, content: bytes) -> AsyncIterator[set[str]]:
    """Yields the names of the places."""
    name = f"planted_{secrets.token_hex(4)}"
    async with (
        in_database(stack, name, content) as tables,
        in_topics(stack, name, content) as topics,
        in_redis(stack, name, content) as keys,
    ):
        log = stack.plan.logs_dir / f"{name}.log"
        log.write_bytes(b'{"event": "' + content + b'"}\n')
        try:
            yield {*tables, *topics, *keys, f"log {log.name}"}
        finally:
            log.unlink()


@contextlib.asynccontextmanager
async def in_database(stack: Stack, name: str, content: bytes) -> AsyncIterator[list[str]]:
    """One table for each type of column that could hide it, in a schema of its own."""
    text = content.decode()
    values = {"text": text, "bytea": content, "jsonb": f'{{"a": ["{text}"]}}', "text[]": [text]}
    connection = await asyncpg.connect(stack.database_url)
    try:
        await connection.execute(f"CREATE SCHEMA {name}")
        for number, kind in enumerate(COLUMNS):
            await connection.execute(f"CREATE TABLE {name}.t{number} (kept {kind})")
            await connection.execute(f"INSERT INTO {name}.t{number} VALUES ($1)", values[kind])
        yield [f"table {name}.t{number}" for number in range(len(COLUMNS))]
    finally:
        await connection.execute(f"DROP SCHEMA {name} CASCADE")
        await connection.close()


@contextlib.asynccontextmanager
async def in_topics(stack: Stack, name: str, content: bytes) -> AsyncIterator[list[str]]:
    """Topics of their own, for a record that no role knows would be given up loudly: in a value, a key, a header."""
    records = {
        f"{name}_value": {"value": content},
        f"{name}_key": {"key": content},
        f"{name}_header": {"value": b"-", "headers": [("x", content)]},
    }
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1) for topic in records])
        await producer.start()
        for topic, record in records.items():
            await producer.send_and_wait(topic, **record)
        yield [f"topic {topic}" for topic in records]
    finally:
        await producer.stop()
        await admin.delete_topics(list(records))
        await admin.close()


@contextlib.asynccontextmanager
async def in_redis(stack: Stack, name: str, content: bytes) -> AsyncIterator[list[str]]:
    """As a key, and inside a value of every type."""
    client = redis.from_url(stack.redis_url)
    keys = [f"{number}{name}" for number in range(6)]
    try:
        await client.set(b"key:" + content, b"-")
        await client.set(keys[0], content)
        await client.hset(keys[1], mapping={"field": content})  # type: ignore[misc]  # as in remains.py
        await client.rpush(keys[2], content)  # type: ignore[misc]
        await client.sadd(keys[3], content)  # type: ignore[misc]
        await client.zadd(keys[4], {content: 1})
        await client.xadd(keys[5], {"field": content})
        yield ["redis key", *(f"redis value of {key.encode()!r}" for key in keys)]
    finally:
        await client.delete(b"key:" + content, *keys)
        await client.aclose()
