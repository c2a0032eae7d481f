"""What the auditor reads: one snapshot of everything, in streams of constant memory; and the topic's records beside it.

    Snapshot.open()      REPEATABLE READ; other sessions join it by its name (`joined`)
    open_stream()        one table in the order of orders, a window at a time
    Runs                 what the topic's reader could not keep in memory, in a temporary table
    Sights               suspicious orders' records as (order, sequence, place, digest) in another, joined in SQL

Nothing here writes but to temporary tables.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

FETCH_ROWS = 5_000
RECHECK_MAX = 10_000
"""Differences that are looked at a second time because the system was running; more than that is no coincidence."""

Which = list[str] | tuple[str, str | None]
"""Orders to look at: these, or from the first id to before the second (None: to the last)."""

# Each in the order of order ids. events_pkey, orders_pkey, payments_order_id, refunds_order_id; the inbox is sorted.
_THESE = "{column} = ANY($1)"
_BETWEEN = "{column} >= $1 AND ($2::text IS NULL OR {column} < $2)"
STREAMS = {
    "events": """
SELECT order_id, sequence, merchant_id, type, at, convert_to(payload, 'UTF8') AS payload FROM events
 WHERE {wanted} ORDER BY order_id, sequence""",
    "orders": "SELECT {columns} FROM orders WHERE {wanted} ORDER BY id",
    "payments": "SELECT {columns} FROM payments WHERE {wanted} ORDER BY order_id",
    "refunds": "SELECT {columns} FROM refunds WHERE {wanted} ORDER BY order_id",
    "commands": """
SELECT order_id, id, first_sequence, event_count, rejected FROM commands
 WHERE {wanted} ORDER BY order_id""",
}
# A sample is enough for slices of about the wanted size. orders_pkey for the count.
ORDER_COUNT = "SELECT count(*) FROM orders"
SLICE_ENDS = """
SELECT percentile_disc($1::float8[]) WITHIN GROUP (ORDER BY id)
  FROM orders TABLESAMPLE SYSTEM (least(100, 100 * 10000.0 / $2))
"""
# events_at (BRIN)
ORDERS_SINCE = "SELECT array_agg(DISTINCT order_id) FROM events WHERE at >= $1"

# The bank's books against ours. A late charge counts once its time has come; until its notice has been worked off
# ($1 seconds), the payment may still say that it failed.
BANK = """
WITH attempts AS (
    SELECT p.id, 'charge' AS kind, NULL AS of_attempt, p.amount, p.currency, p.bank_reference,
           CASE p.status WHEN 'SUCCESS' THEN 'success' WHEN 'FAILED' THEN 'failed' END AS outcome,
           EXISTS (SELECT FROM refunds r WHERE r.payment_id = p.id AND r.automatic) AS returned
      FROM payments p
     UNION ALL
    SELECT id, 'refund', payment_id, amount, currency, bank_reference,
           CASE status WHEN 'PROCESSED' THEN 'success' WHEN 'FAILED' THEN 'failed' END, false
      FROM refunds
), books AS (
    SELECT *, CASE WHEN late_at <= now() THEN 'success' ELSE outcome END AS word FROM bank.ledger
), compared AS (
    SELECT coalesce(a.id, b.attempt_id) AS id,
           CASE
           WHEN a.id IS NULL THEN 'the bank moved ' || b.amount || ' for an attempt that is nobody''s'
           WHEN b.attempt_id IS NULL AND a.outcome IS NULL THEN NULL
           WHEN b.attempt_id IS NULL THEN 'is ' || a.outcome || ', but the bank never saw it'
           WHEN b.kind <> a.kind OR b.of_attempt IS DISTINCT FROM a.of_attempt
                THEN 'the bank booked a ' || b.kind || ' of ' || coalesce(b.of_attempt, 'nothing')
           WHEN b.amount <> a.amount OR b.currency <> a.currency
                THEN 'the bank moved ' || b.amount || ' ' || b.currency || ', not ' || a.amount || ' ' || a.currency
           WHEN b.times_moved <> 1 THEN 'the bank moved the money ' || b.times_moved || ' times'
           WHEN a.outcome IS NULL THEN NULL
           WHEN b.reference IS DISTINCT FROM a.bank_reference
                THEN 'bank reference is ' || b.reference || ', not ' || coalesce(a.bank_reference, 'null')
           WHEN a.returned AND b.word <> 'success' THEN 'was given back, but never charged'
           WHEN a.returned OR b.word = a.outcome THEN NULL
           WHEN b.late_at > now() - make_interval(secs => $1) THEN NULL
           ELSE 'is ' || a.outcome || ', the bank says ' || b.word
           END AS says
      FROM attempts a FULL JOIN books b ON b.attempt_id = a.id
)
SELECT id, says FROM compared WHERE says IS NOT NULL ORDER BY id LIMIT 10000
"""
BANK_COUNT = "SELECT count(*) FROM bank.ledger"
# payments_undecided, refunds_pending
OVERDUE = """
SELECT id, status, deadline_at FROM payments
 WHERE status IN ('CREATED', 'PROCESSING') AND deadline_at < now() - make_interval(secs => $1)
 UNION ALL
SELECT id, status, deadline_at FROM refunds
 WHERE status = 'PENDING' AND deadline_at < now() - make_interval(secs => $1)
 LIMIT 10000
"""
OPEN_COUNT = """
SELECT (SELECT count(*) FROM payments WHERE status IN ('CREATED', 'PROCESSING'))
     + (SELECT count(*) FROM refunds WHERE status = 'PENDING')
"""

# An order's records on the topic as far as they were kept in memory together: sequences `first` to `last`, in turn.
# Each run must go on from what the runs before it have reached.
RUNS_TABLE = """
CREATE TEMPORARY TABLE topic_runs (
    order_id  text COLLATE "C",
    number    bigint,
    first     integer,
    last      integer
) ON COMMIT DROP
"""
RUNS_BROKEN = """
SELECT DISTINCT right(order_id, 2)
  FROM (
    SELECT order_id, first,
           max(last) OVER (PARTITION BY order_id ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
           AS reached
      FROM topic_runs
  ) AS run
 WHERE first > coalesce(reached, 0) + 1
"""

SIGHTS_TABLE = """
CREATE TEMPORARY TABLE topic_sights (
    order_id  text COLLATE "C",
    sequence  integer,
    place     bigint,
    digest    text COLLATE "C"
) ON COMMIT DROP
"""
# Sorted merges on both sides: sizes beyond memory spill to disk instead of growing.
SIGHTS_SETTINGS = (
    "SET LOCAL enable_hashagg = off",
    "SET LOCAL enable_hashjoin = off",
    "SET LOCAL work_mem = '64MB'",
    "SET LOCAL jit = off",
)
# events_pkey. A record may be of an event from before $1: it is looked for without regard to time.
SIGHTS_COMPARED = """
WITH sights AS (
    SELECT order_id, sequence, min(place) AS place, min(digest) AS lowest, max(digest) AS highest,
           min(place) < lag(min(place)) OVER (PARTITION BY order_id ORDER BY sequence) AS too_early
      FROM topic_sights
     GROUP BY order_id, sequence
), compared AS (
    SELECT s.order_id, s.sequence, s.place, s.highest,
           CASE WHEN e.order_id IS NULL THEN 'unknown'
                WHEN md5(e.payload) NOT IN (s.lowest, s.highest) OR s.lowest <> s.highest THEN 'altered'
                WHEN s.too_early THEN 'too_early' END AS kind
      FROM sights s
      LEFT JOIN events e ON e.order_id = s.order_id AND e.sequence = s.sequence
     UNION ALL
    SELECT e.order_id, e.sequence, NULL, NULL, 'unpublished'
      FROM events e
     WHERE ($1::timestamptz IS NULL OR e.at >= $1)
       AND ($2::text[] IS NULL OR right(e.order_id, 2) = ANY ($2))
       AND NOT EXISTS (SELECT FROM topic_sights s WHERE s.order_id = e.order_id AND s.sequence = e.sequence)
)
SELECT * FROM compared WHERE kind IS NOT NULL LIMIT 10000
"""
# events_pkey
DIGESTS_NOW = """
SELECT e.order_id, e.sequence, md5(e.payload) AS digest
  FROM events e JOIN unnest($1::text[], $2::integer[]) AS wanted (order_id, sequence) USING (order_id, sequence)
"""
# Each event that an endpoint wanted, after the endpoint last changed and longer ago than $1 seconds, must have its
# delivery row; a row that waits must not have been due for $2 seconds; a row must be about an event that happened.
_WANTED_DELIVERIES = """
SELECT w.id AS endpoint_id, 'evt_' || right(e.order_id, 16) || '_' || e.sequence AS event_id, e.type
  FROM webhooks w
  JOIN events e ON e.merchant_id = w.merchant_id
   AND e.type = ANY (CASE WHEN w.events = '{}' THEN
       ARRAY['payment.success', 'payment.failed', 'refund.processed', 'refund.failed'] ELSE w.events END)
   AND e.at > greatest(w.created_at, w.updated_at) + make_interval(secs => $1)
   AND e.at < now() - make_interval(secs => $1)
 WHERE w.deleted_at IS NULL
"""
# webhook_logs_once_per_endpoint
WEBHOOKS = f"""
SELECT endpoint_id AS id, 'was never given ' || type || ' (' || event_id || ')' AS says
  FROM ({_WANTED_DELIVERIES}) AS wanted
 WHERE NOT EXISTS (
       SELECT FROM webhook_logs l WHERE l.event_id = wanted.event_id AND l.endpoint_id = wanted.endpoint_id)
 UNION ALL
SELECT id::text, 'has waited for an attempt since ' || next_retry_at
  FROM webhook_logs
 WHERE status = 'pending' AND next_retry_at < now() - make_interval(secs => $2)
 UNION ALL
SELECT l.id::text, 'delivers ' || l.event_id || ', which never happened'
  FROM webhook_logs l
 WHERE l.event <> 'webhook.test'
   AND NOT EXISTS (SELECT FROM events e WHERE e.order_id = l.order_id AND e.sequence = l.sequence AND e.type = l.event)
 LIMIT 10000
"""
WEBHOOKS_COUNT = "SELECT count(*) FROM webhook_logs"


@dataclass(frozen=True, slots=True)
class SightDifference:
    """One event where topic and table disagree. `kind`: unknown, unpublished, altered, too_early."""

    order_id: str
    sequence: int
    place: int | None
    digest: str | None
    kind: str


class Stream:
    """Rows of one query, a window at a time, as records. `ahead`: ask for the next window while one is worked on."""

    def __init__(self, cursor: Any, *, ahead: bool) -> None:
        self._cursor = cursor
        self._ahead = ahead
        self._coming: asyncio.Task[list[asyncpg.Record]] | None = None
        self.ended = False

    async def next_rows(self) -> list[asyncpg.Record]:
        """At most FETCH_ROWS rows; empty at the end."""
        if self.ended:
            return []
        rows: list[asyncpg.Record] = await (self._coming or self._cursor.fetch(FETCH_ROWS))
        self._coming = None
        self.ended = len(rows) < FETCH_ROWS
        if self._ahead and not self.ended:
            self._coming = asyncio.create_task(self._cursor.fetch(FETCH_ROWS))
            await asyncio.sleep(0)  # the request leaves before the caller keeps the loop busy
        return rows

    async def close(self) -> None:
        """Give up the window that is under way."""
        if self._coming is not None:
            self._coming.cancel()
            with suppress(asyncio.CancelledError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await self._coming


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One frozen view of the database. `taken_at`: the database's clock when it was taken."""

    name: str
    taken_at: datetime

    @staticmethod
    async def open(connection: asyncpg.Connection) -> Snapshot:
        """Inside a REPEATABLE READ transaction of `connection`, which lasts as long as the snapshot."""
        name = await connection.fetchval("SELECT pg_export_snapshot()")
        return Snapshot(name, await connection.fetchval("SELECT now()"))

    async def orders_since(self, connection: asyncpg.Connection, since: datetime) -> list[str]:
        found: list[str] | None = await connection.fetchval(ORDERS_SINCE, since)
        return found or []

    async def slice_ends(
        self, connection: asyncpg.Connection, shares: tuple[float, ...], from_orders: int
    ) -> tuple[str, ...]:
        """Ids below which about these shares of the orders are; none for fewer than `from_orders`."""
        orders = await connection.fetchval(ORDER_COUNT)
        if orders < from_orders:
            return ()
        found: list[str] | None = await connection.fetchval(SLICE_ENDS, shares, orders)
        return tuple(sorted(set(found or ())))


async def open_stream(
    connection: asyncpg.Connection, table: str, which: Which, *, columns: tuple[str, ...] = (), ahead: bool = False
) -> Stream:
    """Rows of one table, inside a session that joined the snapshot; alone in it where it is to be `ahead`."""
    key = "id" if table == "orders" else "order_id"
    wanted, arguments = (_BETWEEN, which) if isinstance(which, tuple) else (_THESE, (which,))
    query = STREAMS[table].format(wanted=wanted.format(column=key), columns=", ".join(columns))
    if table == "events":  # whole payloads are not to be sorted: the index has them in order
        await connection.execute("SET LOCAL enable_sort = off")
    return Stream(await connection.cursor(query, *arguments), ahead=ahead)


async def connect(dsn: str) -> asyncpg.Connection:
    """A session of the auditor's: no statement time-out, for a big audit is one long statement or two."""
    return await asyncpg.connect(dsn, timeout=10, server_settings={"application_name": "verify", "jit": "off"})


@asynccontextmanager
async def joined(dsn: str, snapshot: str) -> AsyncIterator[asyncpg.Connection]:
    """Another session that sees the snapshot of this name."""
    connection = await connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            await connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
            await connection.execute("SET LOCAL work_mem = '64MB'")
            yield connection
    finally:
        await connection.close()


class Beside:
    """What SQL itself compares, inside a session that joined the snapshot."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def bank_differences(self, grace_seconds: float) -> tuple[int, list[tuple[str, str]]]:
        """(bookings compared, (attempt id, what is wrong) of each difference)."""
        rows = await self._connection.fetch(BANK, grace_seconds, timeout=600)
        return int(await self._connection.fetchval(BANK_COUNT)), [(row["id"], row["says"]) for row in rows]

    async def webhook_differences(
        self, grace_seconds: float, waiting_seconds: float
    ) -> tuple[int, list[tuple[str, str]]]:
        """(delivery rows compared, (endpoint or row, what is wrong) of each difference)."""
        rows = await self._connection.fetch(WEBHOOKS, grace_seconds, waiting_seconds, timeout=600)
        return int(await self._connection.fetchval(WEBHOOKS_COUNT)), [(row["id"], row["says"]) for row in rows]

    async def overdue(self, grace_seconds: float) -> tuple[int, list[tuple[str, str, datetime]]]:
        """(open attempts, those past their deadline as (id, status, deadline))."""
        rows = await self._connection.fetch(OVERDUE, grace_seconds)
        return int(await self._connection.fetchval(OPEN_COUNT)), [
            (row["id"], row["status"], row["deadline_at"]) for row in rows
        ]


class Runs:
    """Runs of records in a temporary table, inside a transaction."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._made = False

    async def add(self, runs: list[tuple[str, int, int, int]]) -> None:
        """(order id, number of the run, first, last) of each."""
        if not self._made:
            await self._connection.execute(RUNS_TABLE)
            self._made = True
        await self._connection.copy_records_to_table("topic_runs", records=runs)

    async def broken(self) -> list[str]:
        """The last two characters of orders with a run that does not go on from those before it."""
        if not self._made:
            return []
        return [row[0] for row in await self._connection.fetch(RUNS_BROKEN, timeout=3_600)]


class Sights:
    """The topic's records in a temporary table, inside a session that joined the snapshot."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    @staticmethod
    async def open(connection: asyncpg.Connection) -> Sights:
        """Inside a transaction of `connection`."""
        for statement in (*SIGHTS_SETTINGS, SIGHTS_TABLE):
            await connection.execute(statement)
        return Sights(connection)

    async def fill(self, lines: AsyncIterable[bytes]) -> None:
        """Lines of PostgreSQL's text format: order id, sequence, place, digest, tab-separated."""
        await self._connection.copy_to_table("topic_sights", source=lines)
        await self._connection.execute("ANALYZE topic_sights")

    async def differences(self, since: datetime | None, endings: list[str] | None) -> list[SightDifference]:
        """`endings`: of the orders to look at, None for all."""
        rows = await self._connection.fetch(SIGHTS_COMPARED, since, endings, timeout=3_600)
        return [SightDifference(*row) for row in rows]


async def digests_now(connection: asyncpg.Connection, events: list[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Digest of each event that the table holds by now, outside any snapshot."""
    rows = await connection.fetch(DIGESTS_NOW, [order_id for order_id, _ in events], [number for _, number in events])
    return {(row["order_id"], row["sequence"]): row["digest"] for row in rows}
