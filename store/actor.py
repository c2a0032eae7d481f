"""The payment actor's reads and its one write: inbox rows, events and state of a whole batch in one statement.

    load_orders(ids)       state of the orders, their payments and refunds
    load_inbox(requests)   earlier decisions about them, with their events
    load_events(ranges)    the events of orders in a range of sequences, as they were (or should have been) published
    write(batch)           everything or nothing; ConflictError if the inbox or a sequence is already taken

One dedicated connection, not a pool: a batch never waits for one. New and changed rows alike are written by
INSERT … ON CONFLICT DO UPDATE from unnest(), sorted by key: an UPDATE … FROM unnest() can get a cached plan that scans
the table (measured: 72 → 619 ms a batch at a million rows). The statement names only tables that the batch has rows of:
most batches are small and leave some out. Rows of `orders` are rewritten only when what they show changes; the version
of an order is the highest version among its rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

from domain.order import Order
from domain.payer import PAYER_FIELDS
from domain.payment import Payment
from domain.refund import Refund
from runtime.logs import get_logger
from runtime.settings import Settings
from store.driver import Connection, connect
from store.errors import DatabaseError, DatabaseUnavailableError, DuplicateError, RolledBackError, ValueRefusedError
from store.rows import (
    INSTRUMENT_COPIES,
    ORDER_COLUMNS,
    PAYMENT_COLUMNS,
    REFUND_COLUMNS,
    assembled,
    column_names,
    column_types,
    order_of,
    order_row,
    payment_of,
    payment_row,
    refund_of,
    refund_row,
)

log = get_logger("actor-store")
Result = TypeVar("Result")
Connect = Callable[..., Awaitable[Connection]]
"""That of store/driver.py, or that of a simulated database."""

UNAVAILABLE_SECONDS = 45
"""How long the database may be unavailable before the actor exits; nothing is acked until then."""
STATEMENT_TIMEOUT_SECONDS = 20
IDENTITY_CONSTRAINTS = frozenset({"commands_pkey", "commands_accepted", "events_pkey"})


class ConflictError(Exception):
    """A request, an acceptance or a sequence of this batch is recorded already: a redelivery, or another live owner."""


class BehindError(DatabaseError):
    """The database no longer has what it confirmed: another one, which did not receive it, has replaced it."""


class UnwritableError(Exception):
    """The database refuses a value or a rule of the schema is broken: a defect of one command, not an outage."""


@dataclass(frozen=True, slots=True)
class StoredCommand:
    """An inbox row. `events`: payloads in sequence, as they were (or should have been) published. `log_partition` and
    `log_offset`: of the record that was decided; None if an earlier release decided it, or it was restored."""

    id: str
    order_id: str
    nonce: str
    fingerprint: str | None
    rejected: bool
    reply: str
    events: tuple[str, ...]
    log_partition: int | None
    log_offset: int | None
    decided_at: datetime | None
    """None: in the batch that is being decided."""


@dataclass(frozen=True, slots=True)
class Inbox:
    """Earlier decisions: acceptances by command id, refusals by (command id, nonce)."""

    accepted: dict[str, StoredCommand] = field(default_factory=dict)
    refused: dict[tuple[str, str], StoredCommand] = field(default_factory=dict)

    def add(self, command: StoredCommand) -> None:
        if command.rejected:
            self.refused[command.id, command.nonce] = command
        else:
            self.accepted[command.id] = command

    def stored_for(self, command_id: str, nonce: str) -> StoredCommand | None:
        """The request's own refusal, which is final; else the acceptance of its command; else None."""
        return self.refused.get((command_id, nonce)) or self.accepted.get(command_id)


@dataclass(frozen=True, slots=True)
class CommandRow:
    """An inbox row to write."""

    id: str
    order_id: str
    type: str
    nonce: str
    fingerprint: str | None
    rejected: bool
    reply: str
    first_sequence: int
    event_count: int
    log_partition: int
    log_offset: int


@dataclass(frozen=True, slots=True)
class EventRow:
    order_id: str
    sequence: int
    merchant_id: str
    type: str
    at: datetime
    payload: str


@dataclass(slots=True)
class Batch:
    """The result of one batch of commands; state rows by id, the last state of each.

    `kept`: ids of acceptances that were used for a repeated request and must be remembered as long as that request.
    """

    commands: list[CommandRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    payments: dict[str, Payment] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.commands or self.kept)


_FIXED = frozenset(
    {"id", "order_id", "payment_id", "merchant_id", "currency", "created_at", "method", "instrument", "automatic"}
    | {"receipt", "notes", *PAYER_FIELDS, *INSTRUMENT_COPIES}
)
_COLUMNS: dict[str, Sequence[str]] = {
    "commands": column_names(CommandRow),
    "events": column_names(EventRow),
    "orders": ORDER_COLUMNS,
    "payments": PAYMENT_COLUMNS,
    "refunds": REFUND_COLUMNS,
}
_TYPES: dict[str, dict[str, str]] = {
    "commands": column_types(CommandRow),
    "events": column_types(EventRow),
    "orders": column_types(Order),
    "payments": column_types(Payment),
    "refunds": column_types(Refund),
}
_STATE = frozenset({"orders", "payments", "refunds"})
"""Tables whose rows are written again; commands and events are written once."""


@cache
def write_statement(tables: tuple[str, ...]) -> str:
    """One statement that writes rows of all these tables, given as one array for each column, table after table."""
    parts, first = [], 1
    for table in tables:
        names = _COLUMNS[table]
        arrays = ", ".join(f"${first + place}::{_TYPES[table].get(name, 'text')}[]" for place, name in enumerate(names))
        part = f"INSERT INTO {table} ({', '.join(names)}) SELECT * FROM unnest({arrays})"
        if table in _STATE:
            changing = ", ".join(f"{name} = excluded.{name}" for name in names if name not in _FIXED)
            part += f" ON CONFLICT (id) DO UPDATE SET {changing}"
        parts.append(part)
        first += len(names)
    *beside, last = parts
    named = ", ".join(f"{table}_rows AS ({part})" for table, part in zip(tables[:-1], beside, strict=True))
    return f"WITH {named} {last}" if named else last


# commands_accepted
KEEP = "UPDATE commands SET decided_at = now() WHERE id = ANY($1::text[]) AND NOT rejected AND nonce <> ''"

# commands_pkey, commands_accepted, events_pkey. The row of each request, and the acceptance of each command: however
# often a key was refused, a batch reads two rows for each of its requests.
LOAD_COMMANDS = """
SELECT c.id, c.order_id, c.nonce, c.fingerprint, c.rejected, c.reply, c.log_partition, c.log_offset,
       c.decided_at,
       (SELECT array_agg(e.payload ORDER BY e.sequence)
          FROM events e
         WHERE e.order_id = c.order_id
           AND e.sequence >= c.first_sequence
           AND e.sequence < c.first_sequence + c.event_count) AS events
  FROM (SELECT own.*
          FROM unnest($1::text[], $2::text[]) AS asked (id, nonce)
          JOIN commands own
            ON own.id = asked.id
           AND own.nonce = asked.nonce
         UNION ALL
        SELECT accepted.*
          FROM commands accepted
         WHERE accepted.id = ANY($1::text[])
           AND NOT accepted.rejected
           AND accepted.nonce <> '') AS c
"""

# commands_pkey
STILL_THERE = "SELECT EXISTS (SELECT FROM commands WHERE id = $1 AND nonce = $2)"
# orders_pkey, payments_order_id, refunds_order_id
LOAD_ORDERS = "SELECT * FROM orders WHERE id = ANY($1::text[])"
LOAD_PAYMENTS = "SELECT * FROM payments WHERE order_id = ANY($1::text[]) ORDER BY created_at, id"
LOAD_REFUNDS = "SELECT * FROM refunds WHERE order_id = ANY($1::text[]) ORDER BY created_at, id"


# events_pkey
LOAD_EVENTS = """
SELECT e.order_id, e.payload
  FROM unnest($1::text[], $2::integer[], $3::integer[]) AS wanted (order_id, after, last)
  JOIN events e ON e.order_id = wanted.order_id AND e.sequence > wanted.after AND e.sequence <= wanted.last
 ORDER BY e.order_id, e.sequence
"""


class ActorStore:
    """The actor's connection. Every call retries while the database is unavailable, up to UNAVAILABLE_SECONDS."""

    def __init__(
        self,
        settings: Settings,
        connect: Connect = connect,
        *,
        guard: Callable[[], Awaitable[None]] | None = None,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        """`guard` is awaited before a new connection is used, and raises BehindError if it must not be. `on_lost` is
        called whenever a connection has ended."""
        self._dsn = settings.database_url.get_secret_value()
        self._connect = connect
        self._guard = guard
        self._on_lost = on_lost
        self._connection: Connection | None = None
        self._confirmed: tuple[str, str] | None = None
        """Request (command id, nonce) of the last batch that is known to be committed."""

    async def start(self) -> None:
        await self._retried(lambda connection: connection.execute("SELECT 1"))

    async def stop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def load_orders(self, order_ids: Sequence[str]) -> dict[str, Order]:
        """Orders with everything below them; unknown ids are omitted."""

        async def load(connection: Connection) -> tuple[list[Any], list[Any], list[Any]]:
            orders = await connection.fetch(LOAD_ORDERS, order_ids)
            if not orders:
                return orders, [], []
            payments = await connection.fetch(LOAD_PAYMENTS, order_ids)
            refunds = await connection.fetch(LOAD_REFUNDS, order_ids) if payments else []
            return orders, payments, refunds

        order_rows, payment_rows, refund_rows = await self._retried(load)
        payments: dict[str, list[Payment]] = {}
        for row in payment_rows:
            payments.setdefault(row["order_id"], []).append(payment_of(row))
        refunds: dict[str, list[Refund]] = {}
        for row in refund_rows:
            refunds.setdefault(row["order_id"], []).append(refund_of(row))
        return {
            row["id"]: assembled(order_of(row), payments.get(row["id"], []), refunds.get(row["id"], []))
            for row in order_rows
        }

    async def load_inbox(self, requests: Iterable[tuple[str, str]]) -> Inbox:
        """Earlier decisions about these requests, given as (command id, nonce)."""
        inbox = Inbox()
        requested = sorted(set(requests))
        if not requested:
            return inbox
        ids, nonces = [command_id for command_id, _ in requested], [nonce for _, nonce in requested]
        rows = await self._retried(lambda connection: connection.fetch(LOAD_COMMANDS, ids, nonces))
        for row in rows:
            values = dict(row)
            inbox.add(StoredCommand(**values | {"events": tuple(values["events"] or ())}))
        return inbox

    async def load_events(self, ranges: Mapping[str, tuple[int, int]]) -> dict[str, list[str]]:
        """Order -> the payloads of its events in sequence. `ranges`: order -> (the sequence before the first one to
        load, that of the last one)."""
        order_ids = sorted(ranges)
        after, last = ([ranges[order_id][end] for order_id in order_ids] for end in (0, 1))
        rows = await self._retried(lambda connection: connection.fetch(LOAD_EVENTS, order_ids, after, last))
        payloads: dict[str, list[str]] = {}
        for row in rows:
            payloads.setdefault(row["order_id"], []).append(row["payload"])
        return payloads

    async def write(self, batch: Batch) -> None:
        """Record the batch in one transaction.

        Raises ConflictError, UnwritableError, SchemaError, BehindError; after UNAVAILABLE_SECONDS
        DatabaseUnavailableError.
        """
        rows = _rows_of(batch)
        statement = write_statement(tuple(rows)) if rows else ""
        arguments = [list(column) for found in rows.values() for column in zip(*found, strict=True)]
        kept = sorted(batch.kept)

        async def write(connection: Connection) -> None:
            if not kept:
                await connection.execute(statement, *arguments)
                return
            async with connection.transaction():
                if await connection.execute(KEEP, kept) != f"UPDATE {len(kept)}":
                    raise ConflictError("an acceptance was pruned while it answered a request again")
                if statement:
                    await connection.execute(statement, *arguments)

        await self._retried(write)
        if batch.commands:
            self._confirmed = (batch.commands[-1].id, batch.commands[-1].nonce)

    async def _retried(self, call: Callable[[Connection], Awaitable[Result]]) -> Result:
        clock = asyncio.get_running_loop()
        ends_at = clock.time() + UNAVAILABLE_SECONDS
        while True:
            try:
                return await call(await self._connected())
            except BehindError:
                await self.stop()
                raise
            except ValueRefusedError as error:
                if isinstance(error, DuplicateError) and error.constraint in IDENTITY_CONSTRAINTS:
                    raise ConflictError(str(error)) from error
                raise UnwritableError(str(error)) from error
            except RolledBackError as error:
                raise ConflictError(str(error)) from error
            except DatabaseUnavailableError as error:
                # Whether a write took place is unknown; the next try will conflict then.
                log.warning("database_unavailable", error=repr(error))
                await self.stop()
                if clock.time() >= ends_at:
                    raise
                await asyncio.sleep(0.1)

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect(
                self._dsn,
                timeout=5,
                command_timeout=STATEMENT_TIMEOUT_SECONDS,
                server_settings={"application_name": "payment-actor", "jit": "off", "enable_seqscan": "off"},
            )
            if self._on_lost is not None:
                on_lost = self._on_lost
                self._connection.add_termination_listener(lambda _: on_lost())
            await self._check_confirmed(self._connection)
            if self._guard is not None:
                await self._guard()
        return self._connection

    async def _check_confirmed(self, connection: Connection) -> None:
        """A promoted replica may lack the last commits, and so may the log that the guard compares it with."""
        if self._confirmed is not None and not await connection.fetchval(STILL_THERE, *self._confirmed):
            raise BehindError(f"command {self._confirmed[0]} was committed, and is not there any more")


_command_values = attrgetter(*_COLUMNS["commands"])
_event_values = attrgetter(*_COLUMNS["events"])


def _rows_of(batch: Batch) -> dict[str, list[tuple[Any, ...]]]:
    """Table -> its rows, sorted by key; only tables that have any."""
    rows = {
        "commands": [_command_values(row) for row in sorted(batch.commands, key=lambda row: (row.id, row.nonce))],
        "events": [_event_values(row) for row in sorted(batch.events, key=lambda row: (row.order_id, row.sequence))],
        "orders": [order_row(batch.orders[key]) for key in sorted(batch.orders)],
        "payments": [payment_row(batch.payments[key]) for key in sorted(batch.payments)],
        "refunds": [refund_row(batch.refunds[key]) for key in sorted(batch.refunds)],
    }
    return {table: found for table, found in rows.items() if found}
