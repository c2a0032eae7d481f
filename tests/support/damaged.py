"""Batches that no client of ours writes: with a header whose name is not UTF-8, and damaged on the broker's disk."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.record.util import calc_crc32c

from runtime.clock import random_token
from tests.support.stack import Stack

NAME, BAD_NAME = "qqqq", b"q\xff\xfeq"
LENGTH_AT, LOG_OVERHEAD, CRC_AT, ATTRIBUTES_AT = 8, 12, 17, 21


@asynccontextmanager
async def producing(servers: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def own_topic(stack: Stack) -> str:
    """A topic of one partition for this test alone: a damaged batch stays on the broker's disk."""
    name = f"damaged.{random_token()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1)])
    await admin.close()
    return name


async def write_badly_named(producer: AIOKafkaProducer, topic: str, partition: int, *values: bytes) -> None:
    """Records of one batch, each with the header BAD_NAME."""
    batch = producer.create_batch()
    for value in values:
        batch.append(timestamp=None, key=b"k", value=value, headers=[(NAME, b"x"), ("type", b"order.create")])
    built = bytearray(bytes(batch._build()).replace(NAME.encode(), BAD_NAME))
    struct.pack_into(">I", built, CRC_AT, calc_crc32c(bytes(built[ATTRIBUTES_AT:])))
    batch._buffer = built
    await (await producer.send_batch(batch, topic, partition=partition))


def damage_on_disk(stack: Stack, topic: str, offset: int) -> None:
    """Flip a bit at the end of the batch that begins with this offset."""
    segment = stack.plan.run_dir / "kafka" / "data" / f"{topic}-0" / f"{0:020}.log"
    data, at = segment.read_bytes(), 0
    while struct.unpack_from(">q", data, at)[0] != offset:
        at += LOG_OVERHEAD + struct.unpack_from(">i", data, at + LENGTH_AT)[0]
    last = at + LOG_OVERHEAD + struct.unpack_from(">i", data, at + LENGTH_AT)[0] - 1
    with segment.open("r+b") as file:
        file.seek(last)
        file.write(bytes([data[last] ^ 1]))
