"""Compressed records: whichever codec a producer or a broker chooses, every reader of ours reads them."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from agents.consumer import LogConsumer
from runtime.clock import random_token
from tests.support.eventually import eventually
from tests.support.stack import Stack
from topics.catalogue import DELIVERIES
from topics.reader import Start, log_reader


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_records_of_every_codec_are_read(services: Stack, codec: str) -> None:
    # Given a batch that a producer has compressed,
    key, value = random_token().encode(), b"compress me " * 100
    producer = AIOKafkaProducer(bootstrap_servers=services.kafka_bootstrap_servers, compression_type=codec)
    await producer.start()
    place = await producer.send_and_wait(DELIVERIES, value, key=key, partition=0)
    await producer.stop()
    # Then the inspection reads it,
    async with log_reader(services.settings) as reader:
        partition = TopicPartition(DELIVERIES, 0)
        spans = await reader.spans([partition], Start(offset=place.offset))
        assert [record.value async for record in reader.merged(spans) if record.key == key] == [value]
    # and so does a role.
    consumer = LogConsumer(services.settings, DELIVERIES, group=f"test_{random_token()}", member="test")
    await consumer.start()
    seen: list[bytes] = []

    async def is_there() -> bool:
        for messages in (await consumer.take(wait_ms=200)).values():
            seen.extend(message.value for message in messages if message.key == key)
        return bool(seen)

    try:
        await eventually(is_there, timeout=20, what="the compressed record")
    finally:
        await consumer.stop()
    assert seen == [value]
