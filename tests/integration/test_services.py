"""The local services themselves: they are what they are configured to be, and what they hold survives restarts."""

from __future__ import annotations

import asyncpg
import redis.asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from tests.support.stack import Stack
from topics.catalogue import topics

SCRATCH = "payments.dlq.v1"


async def test_postgres_is_durable_and_the_role_is_not_a_superuser(services: Stack) -> None:
    connection = await asyncpg.connect(services.database_url)
    try:
        assert await connection.fetchval("SHOW fsync") == "on"
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        assert await connection.fetchval("SHOW lc_collate") == "C"
        assert not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    finally:
        await connection.close()


async def test_committed_rows_survive_an_immediate_shutdown(services: Stack) -> None:
    await _sql(services, "CREATE TABLE restart_proof (value text)")
    await _sql(services, "INSERT INTO restart_proof VALUES ('kept')")
    services.restart("postgres", mode="immediate")
    assert await _sql(services, "SELECT value FROM restart_proof") == "kept"
    await _sql(services, "DROP TABLE restart_proof")


async def test_redis_keeps_what_was_written_before_it_was_killed(services: Stack) -> None:
    async with redis.asyncio.from_url(services.redis_url) as client:
        await client.set("restart-proof", "kept")
    services.restart("redis", mode="kill")
    async with redis.asyncio.from_url(services.redis_url) as client:
        assert await client.get("restart-proof") == b"kept"
        await client.delete("restart-proof")


async def test_acknowledged_records_survive_a_killed_broker(services: Stack) -> None:
    offset = await _produce(services, b"kept")
    services.restart("kafka", mode="kill")
    assert await _record_at(services, offset) == b"kept"


async def test_the_catalogues_topics_exist_and_no_other_is_made_on_demand(services: Stack) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=services.kafka_bootstrap_servers)
    await client.start()
    try:
        described = await client.describe_topics(["never.created"])
        assert described[0]["error_code"] != 0
        there = set(await client.list_topics())
    finally:
        await client.close()
    assert {topic.name for topic in topics(services.settings.retry_delays_seconds)} <= there
    assert "never.created" not in there


async def _sql(services: Stack, statement: str) -> object:
    connection = await asyncpg.connect(services.database_url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def _produce(services: Stack, value: bytes) -> int:
    producer = AIOKafkaProducer(bootstrap_servers=services.kafka_bootstrap_servers, acks="all")
    await producer.start()
    try:
        return int((await producer.send_and_wait(SCRATCH, value, partition=0)).offset)
    finally:
        await producer.stop()


async def _record_at(services: Stack, offset: int) -> bytes | None:
    consumer = AIOKafkaConsumer(bootstrap_servers=services.kafka_bootstrap_servers)
    await consumer.start()
    try:
        partition = TopicPartition(SCRATCH, 0)
        consumer.assign([partition])
        consumer.seek(partition, offset)
        records = await consumer.getmany(partition, timeout_ms=10_000)
        return records[partition][0].value if records else None
    finally:
        await consumer.stop()
