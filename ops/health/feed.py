"""How far the feed is behind the log, and which transactions have been open for long: read from outside."""

from __future__ import annotations

from runtime.settings import Settings
from store.driver import connect
from store.log.feed import read_positions
from store.operations.transactions import idle_transactions, oldest_seconds
from topics.catalogue import EVENTS
from topics.reader import Start, log_reader

DATABASE_SECONDS = 5.0
IDLE_SECONDS = 30.0
"""None of our programs leaves a transaction idle for that long."""


async def feed_behind(settings: Settings) -> int:
    """Records of the events topic that have no position in the feed yet."""
    dsn = settings.database_url.get_secret_value()
    connection = await connect(dsn, timeout=DATABASE_SECONDS, command_timeout=DATABASE_SECONDS)
    try:
        positions = await read_positions(connection)
    finally:
        connection.terminate()
    async with log_reader(settings) as reader:
        spans = await reader.spans(await reader.partitions([EVENTS]), Start())
    return sum(max(0, end - max(first, positions.get(place.partition, 0))) for place, (first, end) in spans.items())


async def oldest_transaction_seconds(settings: Settings) -> float:
    """Age of the oldest open transaction; 0.0 if none is open. An audit's own snapshots are excluded."""
    dsn = settings.database_url.get_secret_value()
    connection = await connect(dsn, timeout=DATABASE_SECONDS, command_timeout=DATABASE_SECONDS)
    try:
        return await oldest_seconds(connection)
    finally:
        connection.terminate()


async def forgotten_transactions(settings: Settings) -> list[str]:
    """A sentence for each transaction that has been idle for IDLE_SECONDS: nothing is cleaned up while it is open."""
    dsn = settings.database_url.get_secret_value()
    connection = await connect(dsn, timeout=DATABASE_SECONDS, command_timeout=DATABASE_SECONDS)
    try:
        found = await idle_transactions(connection, IDLE_SECONDS)
    finally:
        connection.terminate()
    return [
        f"PostgreSQL: {one.name} (pid {one.pid}) has had an open transaction for {one.seconds:.0f} s" for one in found
    ]
