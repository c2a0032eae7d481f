"""Every place in which a running gateway keeps anything, searched for a text.

    await traces_of(stack, b"marker") ─► ["table webhook_attempts", "topic payments.commands.v1", …]

Tables of all schemas, all topics, Redis, the roles' and services' log files, and a backup. PostgreSQL prints bytea in
hexadecimal, so the text is looked for in that form too.
"""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import redis.asyncio as redis

from tests.support.command import gateway
from tests.support.stack import Stack
from topics.admin import catalogue_of
from topics.reader import Start, log_reader

TABLES = """
SELECT table_schema, table_name
  FROM information_schema.tables
 WHERE table_type = 'BASE TABLE'
   AND table_schema NOT IN ('pg_catalog', 'information_schema')
"""


async def traces_of(stack: Stack, *markers: bytes) -> list[str]:
    """Names of the places that hold one of the markers."""
    found = [place async for place, content in _places(stack) if _holds(content, markers)]
    return sorted(set(found))


async def _places(stack: Stack) -> AsyncIterator[tuple[str, bytes]]:
    async for place in _tables(stack):
        yield place
    async for place in _topics(stack):
        yield place
    async for place in _redis(stack):
        yield place
    for path in stack.plan.logs_dir.iterdir():
        yield f"log {path.name}", path.read_bytes()
    with TemporaryDirectory() as folder:
        ended = await gateway(stack, "backup", folder)
        assert ended.code == 0, ended.err
        for place in _backup(Path(folder)):
            yield place


async def _tables(stack: Stack) -> AsyncIterator[tuple[str, bytes]]:
    connection = await asyncpg.connect(stack.database_url)
    try:
        for schema, table in await connection.fetch(TABLES):
            rows = await connection.fetch(f'SELECT t::text FROM "{schema}"."{table}" t')
            yield f"table {table}", "\n".join(row[0] for row in rows).encode()
    finally:
        await connection.close()


async def _topics(stack: Stack) -> AsyncIterator[tuple[str, bytes]]:
    async with log_reader(stack.settings) as reader:
        spans = await reader.spans(await reader.partitions(catalogue_of(stack.settings)), Start())
        async for record in reader.merged(spans):
            headers = b"".join(content or b"" for _, content in record.headers)
            yield f"topic {record.topic}", (record.key or b"") + (record.value or b"") + headers


async def _redis(stack: Stack) -> AsyncIterator[tuple[str, bytes]]:
    client = redis.Redis.from_url(stack.redis_url)
    try:
        async for key in client.scan_iter():
            yield f"redis {key!r}", key + (await client.dump(key) or b"")
    finally:
        await client.aclose()


def _backup(folder: Path) -> Iterable[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield (
                f"backup {path.name}",
                gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes(),
            )


def _holds(content: bytes, markers: Iterable[bytes]) -> bool:
    return any(marker in content or marker.hex().encode() in content for marker in markers)
