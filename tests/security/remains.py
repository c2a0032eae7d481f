"""Everything that a gateway leaves behind, as bytes to search: what a thief of disks and backups would have.

    PostgreSQL: every row of every table      Kafka: every record of every topic (value, key, headers)
    Redis: every key and value, the slow log  every log file of the roles and services      every /metrics page

`forms_of(text)` are the spellings in which something can be hidden there; `hits` says where any of them is.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass

import asyncpg
import httpx
import redis.asyncio as redis
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from runtime.roles import ROLES
from tests.support.stack import Stack

WITHOUT_METRICS = ("pages",)
RECORDS_AT_ONCE = 2_000
READ_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Remain:
    """One thing that was kept, and where."""

    place: str
    content: bytes


async def everything(stack: Stack) -> list[Remain]:
    """All of it. What runs may go on running; what was written before the call is there."""
    return [
        *[remain async for remain in of_database(stack)],
        *[remain async for remain in of_topics(stack)],
        *[remain async for remain in of_redis(stack)],
        *of_logs(stack),
        *[remain async for remain in of_metrics(stack)],
    ]


async def of_database(stack: Stack) -> AsyncIterator[Remain]:
    """Each row as text, in which bytea is hexadecimal, and each bytea as it is."""
    connection = await asyncpg.connect(stack.database_url)
    try:
        for table in await connection.fetch(
            "SELECT format('%I.%I', table_schema, table_name) AS name, table_schema, table_name"
            "  FROM information_schema.tables"
            " WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        ):
            binary = await connection.fetch(
                "SELECT quote_ident(column_name) AS name FROM information_schema.columns"
                " WHERE table_schema = $1 AND table_name = $2 AND data_type = 'bytea'",
                table["table_schema"],
                table["table_name"],
            )
            columns = ", ".join(["whole::text", *(f"whole.{column['name']}" for column in binary)])
            for row in await connection.fetch(f"SELECT {columns} FROM {table['name']} AS whole"):
                for value in filter(None, row):
                    yield Remain(f"table {table['name']}", value if isinstance(value, bytes) else value.encode())
    finally:
        await connection.close()


async def of_topics(stack: Stack) -> AsyncIterator[Remain]:
    """Every record of every topic, from the first that is still kept to the last at the time of the call."""
    partitions = await _partitions(stack)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=stack.kafka_bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        async with asyncio.timeout(READ_SECONDS):
            while [at for at in partitions if await consumer.position(at) < ends[at]]:
                batches = await consumer.getmany(timeout_ms=500, max_records=RECORDS_AT_ONCE)
                for at, records in batches.items():
                    for record in records:
                        for part in (record.value, record.key, *(value for _, value in record.headers)):
                            if part:
                                yield Remain(f"topic {at.topic}", part)
    finally:
        await consumer.stop()


async def _partitions(stack: Stack) -> list[TopicPartition]:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    try:
        described = await admin.describe_topics()
    finally:
        await admin.close()
    return [TopicPartition(topic["topic"], part["partition"]) for topic in described for part in topic["partitions"]]


async def of_redis(stack: Stack) -> AsyncIterator[Remain]:
    """Keys, values of every type, and the commands that the slow log has kept."""
    client = redis.from_url(stack.redis_url)
    try:
        async for key in client.scan_iter(count=1_000):
            yield Remain("redis key", key)
            for part in _flat(await _value(client, key)):
                yield Remain(f"redis value of {key[:20]!r}", part)
        for slow in await client.slowlog_get(1_000):
            yield Remain("redis slow log", slow["command"])
    finally:
        await client.aclose()


async def _value(client: redis.Redis, key: bytes) -> object:
    match await client.type(key):
        case b"string":
            return await client.get(key)
        case b"hash":
            return await client.hgetall(key)  # type: ignore[misc]  # redis-py types sync and async alike
        case b"list":
            return await client.lrange(key, 0, -1)  # type: ignore[misc]
        case b"set":
            return list(await client.smembers(key))  # type: ignore[misc]
        case b"zset":
            return await client.zrange(key, 0, -1)
        case b"stream":
            return [fields for _, fields in await client.xrange(key)]
        case b"none":
            return None  # it expired since it was listed
    raise AssertionError(f"a type of Redis value that is not searched: {key!r}")


def _flat(value: object) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from (*_flat(name), *_flat(part))
    elif isinstance(value, list):
        for part in value:
            yield from _flat(part)


def of_logs(stack: Stack) -> Iterator[Remain]:
    """Every file of the folder of logs: those of the roles' workers, PostgreSQL, Redis, Kafka and the runner."""
    for path in sorted(stack.plan.logs_dir.rglob("*")):
        if path.is_file():
            yield Remain(f"log {path.name}", path.read_bytes())


async def of_metrics(stack: Stack) -> AsyncIterator[Remain]:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        for role in ROLES:
            if role in WITHOUT_METRICS:
                continue
            for index in range(stack.plan.worker_count(role)):
                response = await http.get(f"{stack.metrics_url(role, index)}/metrics")
                assert response.status_code == 200
                yield Remain(f"metrics {role}-{index}", response.content)


def forms_of(text: str) -> dict[str, bytes]:
    """Name of a spelling -> how it looks in what was kept."""
    plain = text.encode()
    forms = {"plain": plain, "hex": plain.hex().encode(), "HEX": plain.hex().upper().encode()}
    return forms | {f"base64 at {offset}": _base64_inside(plain, offset) for offset in range(3)}


def card_forms(number: str) -> dict[str, bytes]:
    """The spellings of a card number: as any text's, in groups, and its digests: numbers are few enough to guess."""
    groups = (4, 6, 5) if len(number) == 15 else (4,) * (len(number) // 4)
    starts = [sum(groups[:index]) for index in range(len(groups))]
    parts = [number[start : start + size] for start, size in zip(starts, groups, strict=True)]
    grouped = {f"with {joint!r}": joint.join(parts).encode() for joint in (" ", "-", "%20", "+")}
    digests = {name: hashlib.new(name, number.encode()).hexdigest().encode() for name in ("md5", "sha1", "sha256")}
    return forms_of(number) | grouped | digests


def _base64_inside(data: bytes, offset: int) -> bytes:
    """What the base64 of any text that has `data` at a place of this remainder by 3 contains for certain."""
    encoded = base64.b64encode(b"\0" * offset + data)
    certain_to = (offset + len(data)) * 8 // 6
    return encoded[-(-offset * 8 // 6) : certain_to]


def hits(remains: Iterable[Remain], expected: Mapping[str, Mapping[str, bytes]]) -> set[str]:
    """`place: what, how it was spelt` for each that is there. `expected`: name -> its forms."""
    needles = [(f"{name}, {form}", needle) for name, forms in expected.items() for form, needle in forms.items()]
    by_place: dict[str, list[bytes]] = {}
    for remain in remains:
        by_place.setdefault(remain.place, []).append(remain.content)
    found = set()
    for place, contents in by_place.items():
        joined = b"\xff\n\xff".join(contents)
        found |= {f"{place}: {name}" for name, needle in needles if needle in joined}
    return found
