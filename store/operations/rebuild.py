"""State tables built a second time, in the schema `rebuild`, and compared with the live ones.

    rebuild.history            the topic's events, in order of arrival
    rebuild.orders … refunds   what follows from them, same columns as the live tables
    rebuild.commands           the acceptances that they prove

The live tables are only written by `swap`, in one transaction. It also adds events and acceptances that the live tables
lack; what they have is never changed.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from store.driver import Connection, Cursor, Row

TABLES = ("orders", "payments", "refunds")
FETCH_ROWS = 5_000

PREPARE = (
    "DROP SCHEMA IF EXISTS rebuild CASCADE",
    "CREATE SCHEMA rebuild",
    'CREATE UNLOGGED TABLE rebuild.history (order_id text COLLATE "C", sequence integer, payload text)',
    *(
        f"CREATE UNLOGGED TABLE rebuild.{table} (LIKE public.{table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
        for table in TABLES
    ),
)
PREPARE_COMMANDS = """
CREATE UNLOGGED TABLE rebuild.commands (
    id text, order_id text, type text, nonce text, reply text, first_sequence integer, event_count integer,
    decided_at timestamptz
)
"""
COMMAND_COLUMNS = ("id", "order_id", "type", "nonce", "reply", "first_sequence", "event_count", "decided_at")
HISTORY_INDEX = "CREATE INDEX history_order_id_sequence ON rebuild.history (order_id, sequence)"
# history_order_id_sequence
HISTORY = """
SELECT DISTINCT ON (order_id, sequence) order_id, payload
  FROM rebuild.history
 ORDER BY order_id, sequence
"""
# A live row that is newer than the rebuilt one is no difference where the events table has its event and the log,
# when it was read, had not.
DIFFERENCES = """
SELECT id, live, rebuilt, moved_on
  FROM (
    SELECT coalesce(l.id, s.id) AS id, l.id IS NOT NULL AS live, s.id IS NOT NULL AS rebuilt,
           l.version > coalesce(s.version, 0)
           AND EXISTS (SELECT FROM events e WHERE e.order_id = l.{order_id} AND e.sequence = l.version)
           AND NOT EXISTS (SELECT FROM rebuild.history h WHERE h.order_id = l.{order_id} AND h.sequence = l.version)
           AS moved_on
      FROM public.{table} l FULL JOIN rebuild.{table} s ON s.id = l.id
     WHERE md5(l::text) IS DISTINCT FROM md5(s::text)
  ) AS differing
 ORDER BY id
 LIMIT 10000
"""
# events_pkey, history_order_id_sequence
MISSING_EVENTS = """
SELECT count(DISTINCT (order_id, sequence))
  FROM rebuild.history h
 WHERE order_id <> ALL($1::text[])
   AND NOT EXISTS (SELECT FROM events e WHERE e.order_id = h.order_id AND e.sequence = h.sequence)
"""
ADD_EVENTS = """
INSERT INTO events (order_id, sequence, merchant_id, type, at, payload)
SELECT DISTINCT ON (h.order_id, h.sequence) h.order_id, h.sequence, record -> 'body' ->> 'merchant_id',
       record ->> 'type', (record ->> 'at')::timestamptz, h.payload
  FROM rebuild.history h
 CROSS JOIN LATERAL (SELECT h.payload::jsonb AS record) AS decoded
 WHERE h.order_id <> ALL($1::text[])
   AND NOT EXISTS (SELECT FROM events e WHERE e.order_id = h.order_id AND e.sequence = h.sequence)
 ORDER BY h.order_id, h.sequence
"""
# The feeder had passed these events: they were not in the table.
READ_FEED_AGAIN = "UPDATE feed_positions SET next_offset = 0, known_offset = 0"
# commands_pkey. Only what the inbox would still remember ($2 days).
_MISSING_COMMANDS = """
  FROM rebuild.commands r
 WHERE r.order_id <> ALL($1::text[])
   AND r.decided_at > now() - make_interval(days => $2)
   AND NOT EXISTS (SELECT FROM commands c WHERE c.id = r.id AND NOT c.rejected)
"""
MISSING_COMMANDS = f"SELECT count(*) {_MISSING_COMMANDS}"
ADD_COMMANDS = f"""
INSERT INTO commands (id, order_id, type, nonce, rejected, reply, first_sequence, event_count, decided_at)
SELECT id, order_id, type, nonce, false, reply, first_sequence, event_count, decided_at {_MISSING_COMMANDS}
"""
ACTORS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'payment-actor'
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that is not the same on both sides. `moved_on`: changed while the log was being read."""

    table: str
    id: str
    live: bool
    rebuilt: bool
    moved_on: bool


class Shadow:
    """The schema `rebuild` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def prepare(self) -> None:
        """Empty shadow tables; an earlier rebuild is dropped."""
        for statement in (*PREPARE, PREPARE_COMMANDS):
            await self._connection.execute(statement)

    @asynccontextmanager
    async def with_memory(self) -> AsyncIterator[None]:
        """A transaction that may sort in memory."""
        async with self._connection.transaction():
            await self._connection.execute("SET LOCAL work_mem = '128MB'")
            yield

    async def fill_history(self, lines: AsyncIterable[bytes]) -> None:
        """Lines of PostgreSQL's text format: order id, sequence, payload."""
        await self._connection.copy_to_table("history", schema_name="rebuild", source=lines)
        await self._connection.execute(HISTORY_INDEX)
        await self._connection.execute("ANALYZE rebuild.history")

    async def history(self) -> AsyncIterator[list[Row]]:
        """(order id, payload) of every event once, in order, FETCH_ROWS at a time. Inside a transaction.

        Whole payloads are not to be sorted: the index has them in order.
        """
        await self._connection.execute("SET LOCAL enable_sort = off")
        cursor = await Cursor.open(self._connection, HISTORY)
        while rows := await cursor.fetch(FETCH_ROWS):
            yield rows

    async def add(self, table: str, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
        if rows:
            await self._connection.copy_records_to_table(
                table, schema_name="rebuild", columns=list(columns), records=rows
            )

    async def finish(self) -> None:
        """Keys, and statistics for the planner."""
        for table in TABLES:
            await self._connection.execute(f"ALTER TABLE rebuild.{table} ADD PRIMARY KEY (id)")
            await self._connection.execute(f"ANALYZE rebuild.{table}")

    async def count(self, table: str) -> int:
        return int(await self._connection.fetchval(f"SELECT count(*) FROM rebuild.{table}"))

    async def differences(self, table: str) -> list[Difference]:
        """At most 10,000."""
        query = DIFFERENCES.format(table=table, order_id="id" if table == "orders" else "order_id")
        rows = await self._connection.fetch(query, timeout=3_600)
        return [Difference(table, row["id"], row["live"], row["rebuilt"], bool(row["moved_on"])) for row in rows]

    async def actors(self) -> int:
        """Payment actors that are connected now."""
        return int(await self._connection.fetchval(ACTORS))

    async def missing(self, broken: list[str], inbox_days: int) -> tuple[int, int]:
        """(events, acceptances) that the live tables lack, without those of broken orders."""
        events = await self._connection.fetchval(MISSING_EVENTS, broken, timeout=3_600)
        return int(events), int(await self._connection.fetchval(MISSING_COMMANDS, broken, inbox_days, timeout=3_600))

    async def swap(self, broken: list[str], inbox_days: int) -> None:
        """The rebuilt rows replace the live ones, all or nothing; readers wait until then.

        The rows of broken orders are unchanged: their records on the log are not a possible history.
        """
        async with self._connection.transaction():
            await self._connection.execute(f"LOCK TABLE {', '.join(TABLES)} IN ACCESS EXCLUSIVE MODE")
            for table in TABLES:
                order_id = "id" if table == "orders" else "order_id"
                await self._connection.execute(
                    f"CREATE TEMPORARY TABLE kept_{table} ON COMMIT DROP AS SELECT * FROM public.{table} LIMIT 0"
                )
                await self._connection.execute(
                    f"INSERT INTO kept_{table} SELECT * FROM public.{table} WHERE {order_id} = ANY($1)", broken
                )
                await self._connection.execute(f"TRUNCATE public.{table}")
                await self._connection.execute(
                    f"INSERT INTO public.{table} SELECT * FROM rebuild.{table} WHERE {order_id} <> ALL($1) ORDER BY id",
                    broken,
                )
                await self._connection.execute(f"INSERT INTO public.{table} SELECT * FROM kept_{table}")
            if await self._connection.execute(ADD_EVENTS, broken) != "INSERT 0 0":
                await self._connection.execute(READ_FEED_AGAIN)
            await self._connection.execute(ADD_COMMANDS, broken, inbox_days)
