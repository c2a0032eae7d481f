"""What a recovery reads and writes: the events that the log has and the table lacks, in the schema `recover`.

    recover.missing     one row for each such event; `place` is its offset, `cause` that of its command on the commands
                        topic, NULL where that topic no longer reaches back
    recover.unfinished  each order that --apply has begun to write and whose last steps are still to be done

Every run fills `missing` again, so an interrupted run is simply repeated: what it had written is no longer missing.
`unfinished` outlives it, because the steps after the writing concern those orders too. One run at a time: it holds an
advisory lock, which also keeps every fence closed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from store.actor import ActorStore, Batch
from store.driver import Connection
from store.log.feed import begin_epoch, lock_feed
from store.log.log_tail import RECOVERY_LOCK

ORDERS_AT_ONCE = 500
PREPARE = (
    "CREATE SCHEMA IF NOT EXISTS recover",
    'CREATE TABLE IF NOT EXISTS recover.unfinished (order_id text COLLATE "C" PRIMARY KEY)',
    "DROP TABLE IF EXISTS recover.missing",
    """
CREATE UNLOGGED TABLE recover.missing (
    order_id  text COLLATE "C",
    sequence  integer,
    partition integer NOT NULL,
    place     bigint NOT NULL,
    caused_by text COLLATE "C" NOT NULL,
    cause     bigint,
    payload   text NOT NULL,
    PRIMARY KEY (order_id, sequence)
)
""",
    "CREATE INDEX missing_caused_by ON recover.missing (caused_by)",
)
DROP_MISSING = "DROP TABLE IF EXISTS recover.missing"
DROP = "DROP SCHEMA IF EXISTS recover CASCADE"
BEGIN = """
INSERT INTO recover.unfinished (order_id)
SELECT DISTINCT order_id FROM recover.missing
    ON CONFLICT DO NOTHING
"""
LOCK = "SELECT pg_try_advisory_lock($1)"
ADD = """
INSERT INTO recover.missing (order_id, sequence, partition, place, caused_by, payload)
SELECT * FROM unnest($1::text[], $2::integer[], $3::integer[], $4::bigint[], $5::text[], $6::text[])
    ON CONFLICT DO NOTHING
"""
# missing_pkey. The log itself may have an event twice with different contents: two histories have run side by side.
CONTRADICTED = """
SELECT seen.order_id, seen.sequence
  FROM unnest($1::text[], $2::integer[], $3::text[]) AS seen (order_id, sequence, payload)
  JOIN recover.missing m USING (order_id, sequence)
 WHERE m.payload <> seen.payload
"""
# missing_caused_by
MARK_CAUSES = """
UPDATE recover.missing AS m
   SET cause = c.place
  FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS c (id, partition, place)
 WHERE m.caused_by = c.id
   AND m.partition = c.partition
   AND m.cause IS NULL
"""
LAST_CAUSES = "SELECT partition, max(cause) AS place FROM recover.missing WHERE cause IS NOT NULL GROUP BY partition"
# commands_pkey, commands_accepted
DECIDED = """
SELECT asked.id, asked.nonce
  FROM unnest($1::text[], $2::text[]) AS asked (id, nonce)
 WHERE EXISTS (SELECT FROM commands c WHERE c.id = asked.id AND (c.nonce = asked.nonce OR NOT c.rejected))
"""
# missing_pkey
IS_CAUSED = """
SELECT EXISTS (SELECT FROM recover.missing WHERE order_id = $1 AND sequence = $2 AND cause IS NOT NULL)
"""
COUNTS = """
SELECT count(*) AS events, count(DISTINCT order_id) AS orders, count(*) FILTER (WHERE cause IS NULL) AS gone,
       array_agg(DISTINCT partition ORDER BY partition) AS partitions
  FROM recover.missing
"""
# events_pkey
LEFT = """
SELECT order_id, array_agg(sequence ORDER BY sequence) AS sequences
  FROM recover.missing m
 WHERE NOT EXISTS (
       SELECT FROM events e WHERE e.order_id = m.order_id AND e.sequence = m.sequence AND e.payload = m.payload)
 GROUP BY order_id
 ORDER BY order_id
 LIMIT 10000
"""
# missing_pkey
OF_ORDERS = "SELECT order_id, sequence, payload FROM recover.missing WHERE order_id = ANY($1::text[])"
GONE_ORDERS = "SELECT DISTINCT order_id FROM recover.missing WHERE cause IS NULL ORDER BY order_id"
# missing_pkey, events_pkey
GONE = """
SELECT m.order_id,
       (SELECT array_agg(e.payload ORDER BY e.sequence) FROM events e WHERE e.order_id = m.order_id) AS stored,
       array_agg(m.payload ORDER BY m.sequence) AS missing
  FROM recover.missing m
 WHERE m.cause IS NULL
   AND m.order_id = ANY($1::text[])
 GROUP BY m.order_id
 ORDER BY m.order_id
"""
INSERT_EVENTS = """
INSERT INTO events (order_id, sequence, merchant_id, type, at, payload)
SELECT * FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::timestamptz[], $6::text[])
    ON CONFLICT DO NOTHING
"""
# commands_pkey. Where the inbox still has the command, its row stays as it is.
INSERT_COMMANDS = """
INSERT INTO commands (id, order_id, type, nonce, rejected, reply, first_sequence, event_count, decided_at)
SELECT r.id, r.order_id, r.type, r.nonce, false, r.reply, r.first, r.count, r.at
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::smallint[],
              $8::timestamptz[]) AS r (id, order_id, type, nonce, reply, first, count, at)
 WHERE NOT EXISTS (SELECT FROM commands c WHERE c.id = r.id AND NOT c.rejected)
"""
# payments_order_id, refunds_order_id, ledger_pkey. As `gateway verify` derives what the bank must have booked.
REBOOK = """
WITH attempts AS (
    SELECT id, 'charge' AS kind, NULL AS of_attempt, amount, currency, bank_reference, bank_turn, error_code,
           CASE WHEN status NOT IN ('SUCCESS', 'FAILED') THEN NULL
                WHEN reversed THEN 'failed'
                WHEN status = 'SUCCESS' THEN 'success'
                WHEN EXISTS (SELECT FROM refunds r WHERE r.payment_id = p.id AND r.automatic) THEN 'success'
                ELSE 'failed' END AS outcome
      FROM payments p
     WHERE order_id = ANY($1::text[])
     UNION ALL
    SELECT id, 'refund', payment_id, amount, currency, bank_reference, bank_turn, error_code,
           CASE status WHEN 'PROCESSED' THEN 'success' WHEN 'FAILED' THEN 'failed' END
      FROM refunds
     WHERE order_id = ANY($1::text[])
)
INSERT INTO bank.ledger AS book (attempt_id, kind, of_attempt, amount, currency, outcome, error_code, reference, turn,
                                 times_moved, notified)
SELECT id, kind, of_attempt, amount, currency, outcome, CASE outcome WHEN 'failed' THEN error_code END, bank_reference,
       bank_turn, bank_turn + CASE outcome WHEN 'success' THEN 1 - bank_turn % 2 ELSE bank_turn % 2 END, true
  FROM attempts
 WHERE outcome IS NOT NULL
   AND bank_reference IS NOT NULL
    ON CONFLICT (attempt_id) DO UPDATE
   SET outcome = excluded.outcome, error_code = excluded.error_code, turn = excluded.turn,
       times_moved = excluded.times_moved, notified = true
 WHERE book.turn < excluded.turn
    OR (book.turn = excluded.turn AND book.outcome = 'waiting')
RETURNING attempt_id
"""
# payments_pkey, refunds_pkey, ledger_pkey. What the bank said in commands that no actor has decided yet. A changed word
# counts as given now: the audit waits for its decision, and the bank repeats it.
REBOOK_WORDS = """
WITH words AS (
    SELECT *
      FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[])
           AS w (attempt_id, outcome, error_code, reference, turn)
), attempts AS (
    SELECT id, 'charge' AS kind, NULL AS of_attempt, amount, currency
      FROM payments
     WHERE id IN (SELECT attempt_id FROM words)
     UNION ALL
    SELECT id, 'refund', payment_id, amount, currency
      FROM refunds
     WHERE id IN (SELECT attempt_id FROM words)
)
INSERT INTO bank.ledger AS book (attempt_id, kind, of_attempt, amount, currency, outcome, error_code, reference, turn,
                                 times_moved, late_at, notified)
SELECT a.id, a.kind, a.of_attempt, a.amount, a.currency, w.outcome, w.error_code, w.reference, w.turn,
       w.turn + CASE w.outcome WHEN 'success' THEN 1 - w.turn % 2 ELSE w.turn % 2 END,
       CASE WHEN w.turn > 0 THEN clock_timestamp() END, w.turn = 0
  FROM attempts a
  JOIN words w ON w.attempt_id = a.id
    ON CONFLICT (attempt_id) DO UPDATE
   SET outcome = excluded.outcome, error_code = excluded.error_code, turn = excluded.turn,
       times_moved = excluded.times_moved, late_at = coalesce(excluded.late_at, book.late_at),
       notified = excluded.notified
 WHERE book.turn < excluded.turn
    OR (book.turn = excluded.turn AND book.outcome = 'waiting')
RETURNING attempt_id
"""
# The feeder has passed what was missing: it reads it again. What the table lacked is never before `known_offset`, which
# stops at the first such event, whichever run restored it.
REWIND_FEED = (
    "UPDATE feed_positions SET next_offset = known_offset WHERE known_offset < next_offset RETURNING partition"
)
ORDERS = "SELECT order_id FROM recover.unfinished ORDER BY order_id"


@dataclass(frozen=True, slots=True)
class MissingEvent:
    """An event that the log has and the table has not."""

    order_id: str
    sequence: int
    partition: int
    place: int
    caused_by: str
    payload: str


@dataclass(frozen=True, slots=True)
class Counts:
    """What is missing. `gone`: events whose commands are no longer on the log."""

    events: int
    orders: int
    gone: int
    partitions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RestoredCommand:
    """An inbox row that the events prove."""

    id: str
    order_id: str
    type: str
    nonce: str
    reply: str
    first: int
    count: int
    at: datetime


@dataclass(frozen=True, slots=True)
class RestoredEvent:
    order_id: str
    sequence: int
    merchant_id: str
    type: str
    at: datetime
    payload: str


@dataclass(frozen=True, slots=True)
class BankWord:
    """The outcome of an attempt, as a settle command has it: 'success' or 'failed'."""

    attempt_id: str
    outcome: str
    error_code: str | None
    reference: str | None
    turn: int


class Recovery:
    """The schema `recover` over one connection, which holds the lock for as long as it lives."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def lock(self) -> bool:
        """False if another recovery is running."""
        return bool(await self.connection.fetchval(LOCK, RECOVERY_LOCK))

    async def prepare(self) -> None:
        for statement in PREPARE:
            await self.connection.execute(statement)

    async def begin(self) -> None:
        """Before anything is written: remember whose last steps are to be done, and begin another epoch of the feed, so
        that no place that is given from now on belongs to the lost one."""
        async with self.connection.transaction():
            await self.connection.execute(BEGIN)
            await lock_feed(self.connection)
            await begin_epoch(self.connection)

    async def drop(self) -> None:
        """Drop what this run has compared. What a run has begun and not finished stays."""
        if await self.orders():
            await self.connection.execute(DROP_MISSING)
        else:
            await self.connection.execute(DROP)

    async def finish(self) -> None:
        """Every step has been done."""
        await self.connection.execute(DROP)

    async def add(self, events: Sequence[MissingEvent]) -> None:
        await self.connection.execute(ADD, *_columns(events, MissingEvent))

    async def contradicted(self, events: Sequence[MissingEvent]) -> list[tuple[str, int]]:
        """(order id, sequence) of those that the log has a second time with other contents."""
        names = ("order_id", "sequence", "payload")
        rows = await self.connection.fetch(CONTRADICTED, *([getattr(one, name) for one in events] for name in names))
        return [(row["order_id"], row["sequence"]) for row in rows]

    async def analyze(self) -> None:
        await self.connection.execute("ANALYZE recover.missing")

    async def mark_causes(self, commands: Sequence[tuple[str, int, int]]) -> None:
        """(command id, partition, offset) of each."""
        if commands:
            await self.connection.execute(MARK_CAUSES, *map(list, zip(*commands, strict=True)))

    async def last_causes(self) -> dict[int, int]:
        """Partition -> offset of the last command that caused a missing event."""
        return {row["partition"]: row["place"] for row in await self.connection.fetch(LAST_CAUSES)}

    async def decided(self, requests: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the requests (command id, nonce) that the inbox has decided."""
        if not requests:
            return set()
        ids, nonces = zip(*requests, strict=True)
        return {tuple(row) for row in await self.connection.fetch(DECIDED, list(ids), list(nonces))}

    async def counts(self) -> Counts:
        row = await self.connection.fetchrow(COUNTS)
        assert row is not None
        return Counts(row["events"], row["orders"], row["gone"], tuple(row["partitions"] or ()))

    async def left(self) -> dict[str, list[int]]:
        """Order -> sequences that the table still has not as the log has them."""
        return {row["order_id"]: row["sequences"] for row in await self.connection.fetch(LEFT, timeout=3_600)}

    async def is_caused(self, identity: tuple[str, int]) -> bool:
        """Whether the table lacks this event and its command is on the log."""
        return bool(await self.connection.fetchval(IS_CAUSED, *identity))

    async def orders(self) -> list[str]:
        """Every order that lacked an event, in this run or in an interrupted one."""
        return [row["order_id"] for row in await self.connection.fetch(ORDERS)]

    async def gone(self) -> AsyncIterator[tuple[str, list[str], list[str]]]:
        """(order, its stored payloads, the missing ones whose commands are gone), each in sequence."""
        order_ids = [row["order_id"] for row in await self.connection.fetch(GONE_ORDERS)]
        for first in range(0, len(order_ids), ORDERS_AT_ONCE):
            for row in await self.connection.fetch(GONE, order_ids[first : first + ORDERS_AT_ONCE]):
                yield row["order_id"], row["stored"] or [], row["missing"]

    async def restore(
        self,
        order_id: str,
        events: Sequence[RestoredEvent],
        commands: Sequence[RestoredCommand],
        state: dict[str, tuple[tuple[str, ...], list[tuple[Any, ...]]]],
    ) -> None:
        """Write an order's events and inbox rows, and its state in the place of the old one, all or nothing.

        `state`: table -> (columns, rows).
        """
        async with self.connection.transaction():
            await self.connection.execute(INSERT_EVENTS, *_columns(events, RestoredEvent))
            await self.connection.execute(INSERT_COMMANDS, *_columns(commands, RestoredCommand))
            for table, (columns, rows) in state.items():
                key = "id" if table == "orders" else "order_id"
                await self.connection.execute(f"DELETE FROM {table} WHERE {key} = $1", order_id)
                if rows:
                    await self.connection.copy_records_to_table(table, columns=list(columns), records=rows)

    async def rewind_feed(self) -> None:
        """The feeder takes up again what it has passed, in an epoch that none of its former places belong to."""
        async with self.connection.transaction():
            await lock_feed(self.connection)
            if await self.connection.fetch(REWIND_FEED):
                await begin_epoch(self.connection)

    async def rebook(self, order_ids: Sequence[str]) -> int:
        """Bring the simulated bank's books to what its answers on the log prove; how many entries that were."""
        return len(await self.connection.fetch(REBOOK, list(order_ids)))

    async def rebook_words(self, words: Sequence[BankWord]) -> int:
        """The same for what the bank said last of each attempt, where no actor has decided it."""
        return len(await self.connection.fetch(REBOOK_WORDS, *_columns(words, BankWord))) if words else 0


def _columns(rows: Sequence[Any], shape: type[Any]) -> list[list[Any]]:
    """One array for each field of these rows, in the order of the fields."""
    return [[getattr(row, one.name) for row in rows] for one in fields(shape)]


class InventedError(Exception):
    """A decision that is made again would write something else than the log has."""


class ComparingStore(ActorStore):
    """An actor's store that writes only what the log has already, byte for byte.

    `refused`: order -> why nothing more is written for it.
    """

    refused: dict[str, str]

    def compare_with(self, connection: Connection) -> None:
        """Where `recover.missing` is read. Before the first write."""
        self.refused = {}
        self._log = connection

    async def write(self, batch: Batch) -> None:
        """Raises InventedError, and nothing is written, where an event of the batch is not on the log like this."""
        orders = sorted({row.order_id for row in batch.commands})
        rows = await self._log.fetch(OF_ORDERS, orders)
        on_log = {(row["order_id"], row["sequence"]): row["payload"] for row in rows}
        for event in batch.events:
            found = on_log.get((event.order_id, event.sequence))
            if found != event.payload:
                problem = "has no such event" if found is None else "has it with other contents"
                self.refused[event.order_id] = f"event {event.sequence} would be {event.type}, but the log {problem}"
        if wrong := [self.refused[order_id] for order_id in orders if order_id in self.refused]:
            raise InventedError(wrong[0])
        await super().write(batch)
