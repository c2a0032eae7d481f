"""What the auditor reads: one snapshot of everything, in streams of constant memory.

    Snapshot.open()      REPEATABLE READ; other sessions join it by its name (`joined`)
    open_stream()        one table in the order of orders, a window at a time
    Beside               our attempts, for the bank's books; deadlines and promises, which SQL itself compares

Webhooks and analytics: audit_derived.py. The topics' side: audit_topic.py. Nothing here writes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from store import driver
from store.driver import Connection, Cursor, Row
from store.stream import Stream

Which = list[str] | tuple[str, str | None]
"""Orders to compare: these, or from the first id to before the second (None: to the last)."""

# Each in the order of order ids. events_pkey, orders_pkey, payments_order_id, refunds_order_id; the inbox is sorted.
_THESE = "{column} = ANY($1)"
_BETWEEN = "{column} >= $1 AND ($2::text IS NULL OR {column} < $2)"
STREAMS = {
    "events": """
SELECT e.order_id, e.sequence, e.merchant_id, e.type, e.at, convert_to(e.payload, 'UTF8') AS payload,
       CASE WHEN f.merchant_id = e.merchant_id THEN f.place END AS place
  FROM events e
  LEFT JOIN feed f ON f.order_id = e.order_id AND f.sequence = e.sequence
 WHERE {condition} ORDER BY e.order_id, e.sequence""",
    "orders": "SELECT {columns} FROM orders WHERE {condition} ORDER BY id",
    "payments": "SELECT {columns} FROM payments WHERE {condition} ORDER BY order_id",
    "refunds": "SELECT {columns} FROM refunds WHERE {condition} ORDER BY order_id",
    "commands": """
SELECT order_id, id, first_sequence, event_count, rejected, type,
       CASE WHEN NOT rejected THEN decode(md5(reply), 'hex') END AS reply_digest
  FROM commands
 WHERE {condition} ORDER BY order_id""",
}
# A sample is enough for slices of about the requested size. orders_pkey for the count.
ORDER_COUNT = "SELECT count(*) FROM orders"
SLICE_ENDS = """
SELECT percentile_disc($1::float8[]) WITHIN GROUP (ORDER BY id)
  FROM orders TABLESAMPLE SYSTEM (least(100, 100 * 10000.0 / $2))
"""
SNAPSHOT = """
SELECT now() AS taken_at, pg_current_snapshot()::text AS shown, last_place FROM feed_state
"""
# events_at (BRIN)
ORDERS_SINCE = "SELECT array_agg(DISTINCT order_id) FROM events WHERE at >= $1"

# commands_decided_at (BRIN)
ORDERS_DECIDED = "SELECT array_agg(DISTINCT order_id) FROM commands WHERE decided_at >= $1 AND decided_at < $2"

# events_pkey, feed_event
CHAINED = """
SELECT e.order_id, e.sequence, f.place, convert_to(e.payload, 'UTF8') AS payload
  FROM events e
  JOIN feed f ON f.order_id = e.order_id AND f.sequence = e.sequence
 WHERE f.place <= $1
 ORDER BY e.order_id, e.sequence
"""

# The result of each of our attempts, for the bank's books, in the order of attempt ids: every charge's sorts before any
# refund's. payments_pkey, refunds_pkey, refunds_payment_id; of some orders: payments_order_id, refunds_order_id.
CHARGES = """
SELECT p.id, 'charge' AS kind, NULL AS of_attempt, p.amount, p.currency, p.bank_reference,
       CASE WHEN p.status NOT IN ('SUCCESS', 'FAILED') THEN NULL
            WHEN p.reversed THEN 'reversed'
            WHEN p.status = 'SUCCESS' THEN 'success'
            WHEN EXISTS (SELECT FROM refunds r WHERE r.payment_id = p.id AND r.automatic) THEN 'returned'
            ELSE 'failed' END AS outcome
  FROM payments p
 WHERE $1::text[] IS NULL OR p.order_id = ANY($1)
 ORDER BY p.id
"""
REFUNDS = """
SELECT id, 'refund' AS kind, payment_id AS of_attempt, amount, currency, bank_reference,
       CASE status WHEN 'PROCESSED' THEN 'success' WHEN 'FAILED' THEN 'failed' END AS outcome
  FROM refunds
 WHERE $1::text[] IS NULL OR order_id = ANY($1)
 ORDER BY id
"""
# payments_pkey, refunds_pkey
KNOWN_ATTEMPTS = """
SELECT id FROM payments WHERE id = ANY($1::text[])
 UNION ALL
SELECT id FROM refunds WHERE id = ANY($1::text[])
"""
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


# promises_promised_at (BRIN), commands_pkey. What the inbox may have forgotten, the promises have forgotten too.
PROMISES = """
SELECT resource_id, command_id, promised_at
  FROM promises p
 WHERE promised_at < now() - make_interval(secs => $1)
   AND promised_at > now() - make_interval(days => $2)
   AND NOT EXISTS (
       SELECT FROM commands c WHERE c.id = p.command_id AND (c.nonce = p.nonce OR NOT c.rejected))
 ORDER BY promised_at
 LIMIT 10000
"""
PROMISES_COUNT = "SELECT count(*) FROM promises"
# events_pkey, feed_event. An event that is deleted by now is not an error of the feed.
UNPLACED = """
SELECT e.order_id, e.sequence
  FROM unnest($1::text[], $2::integer[]) AS seen (order_id, sequence)
  JOIN events e USING (order_id, sequence)
 WHERE NOT EXISTS (
       SELECT FROM feed f
        WHERE f.order_id = e.order_id AND f.sequence = e.sequence AND f.merchant_id = e.merchant_id)
"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One frozen view of the database. `taken_at`: the database's clock when it was taken."""

    name: str
    taken_at: datetime
    last_place: int
    """Position in the feed: nothing is ever added at or before it."""
    shown: str
    """PostgreSQL's own spelling of which transactions it shows."""

    @staticmethod
    async def open(connection: Connection) -> Snapshot:
        """Inside a REPEATABLE READ transaction of `connection`, which lasts as long as the snapshot."""
        name = await connection.fetchval("SELECT pg_export_snapshot()")
        row = await connection.fetchrow(SNAPSHOT)
        assert row is not None
        return Snapshot(name, **row)

    async def orders_decided(self, connection: Connection, since: datetime, until: datetime) -> list[str]:
        found: list[str] | None = await connection.fetchval(ORDERS_DECIDED, since, until)
        return found or []

    async def orders_since(self, connection: Connection, since: datetime) -> list[str]:
        found: list[str] | None = await connection.fetchval(ORDERS_SINCE, since)
        return found or []

    async def slice_ends(self, connection: Connection, shares: tuple[float, ...], from_orders: int) -> tuple[str, ...]:
        """Ids below which about these shares of the orders are; none for fewer than `from_orders`."""
        orders = await connection.fetchval(ORDER_COUNT)
        if orders < from_orders:
            return ()
        found: list[str] | None = await connection.fetchval(SLICE_ENDS, shares, orders)
        return tuple(sorted(set(found or ())))


async def open_stream(
    connection: Connection, table: str, which: Which, *, columns: tuple[str, ...] = (), ahead: bool = False
) -> Stream:
    """Rows of one table, inside a session that joined the snapshot; alone in it if `ahead`."""
    key = {"orders": "id", "events": "e.order_id"}.get(table, "order_id")
    condition, arguments = (_BETWEEN, which) if isinstance(which, tuple) else (_THESE, (which,))
    query = STREAMS[table].format(condition=condition.format(column=key), columns=", ".join(columns))
    if table == "events":  # whole payloads are not to be sorted: the index has them in order
        await connection.execute("SET LOCAL enable_sort = off")
    return Stream(await Cursor.open(connection, query, *arguments), ahead=ahead)


async def connect(dsn: str) -> Connection:
    """A session of the auditor: no statement timeout, because a big audit is one or two long statements."""
    return await driver.connect(dsn, timeout=10, server_settings={"application_name": "verify", "jit": "off"})


@asynccontextmanager
async def joined(dsn: str, snapshot: str) -> AsyncIterator[Connection]:
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
    """What is compared beside the events, in a session that joined the snapshot. `orders`: only theirs; None: all.

    Deadlines are compared for every order: partial indexes hold the few open attempts.
    """

    def __init__(self, connection: Connection, orders: list[str] | None = None) -> None:
        self._connection = connection
        self._orders = orders

    async def attempts(self) -> AsyncGenerator[list[Row], None]:
        """Our attempts as (id, kind, of attempt, amount, currency, bank reference, outcome), in the order of ids.

        The outcome of a refunded charge is `returned`, of one that the bank reversed `reversed`, of an open attempt
        None.
        """
        await self._connection.execute("SET LOCAL cursor_tuple_fraction = 1")  # all of them will be read
        for query in (CHARGES, REFUNDS):
            stream = Stream(await Cursor.open(self._connection, query, self._orders), ahead=True)
            try:
                while rows := await stream.next_rows():
                    yield rows
            finally:
                await stream.close()

    async def broken_promises(self, seconds: float, days: int) -> tuple[int, list[tuple[str, str, datetime]]]:
        """(promises, those older than `seconds` without a decision as (resource id, command id, promised at)).

        `days`: how long the inbox surely remembers.
        """
        rows = await self._connection.fetch(PROMISES, seconds, days, timeout=600)
        compared = int(await self._connection.fetchval(PROMISES_COUNT))
        return compared, [(row["resource_id"], row["command_id"], row["promised_at"]) for row in rows]

    async def overdue(self, grace_seconds: float) -> tuple[int, list[tuple[str, str, datetime]]]:
        """(open attempts, those past their deadline as (id, status, deadline))."""
        rows = await self._connection.fetch(OVERDUE, grace_seconds)
        return int(await self._connection.fetchval(OPEN_COUNT)), [
            (row["id"], row["status"], row["deadline_at"]) for row in rows
        ]


async def known_attempts(connection: Connection, attempt_ids: list[str]) -> set[str]:
    """Those of the attempts that are payments or refunds of ours by now."""
    return {row["id"] for row in await connection.fetch(KNOWN_ATTEMPTS, attempt_ids)}


async def chained_events(connection: Connection, up_to_place: int) -> AsyncIterator[list[Row]]:
    """(order id, sequence, place, payload) of the feed's events, by order id and sequence, inside a snapshot."""
    await connection.execute("SET LOCAL enable_sort = off")
    stream = Stream(await Cursor.open(connection, CHAINED, up_to_place), ahead=True)
    while rows := await stream.next_rows():
        yield rows


async def deployment_id(connection: Connection) -> str:
    """The name of this deployment's history."""
    return str(await connection.fetchval("SELECT id FROM deployment"))


async def unplaced_events(connection: Connection, events: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Those of the events (order id, sequence) that have no place in their merchant's feed by now."""
    order_ids, sequences = [one for one, _ in events], [two for _, two in events]
    return [tuple(row) for row in await connection.fetch(UNPLACED, order_ids, sequences)]
