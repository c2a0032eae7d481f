"""The simulated bank's books (`bank.ledger`): one row for each attempt, however often it is repeated.

    booked ── late_at has come ─► turned: the other outcome, `turn` 1, the money moved once more (there, or back)
    waiting ─┬ the payer decides ─► success, or failed
             └ late_at has come ──► failed: the payer has abandoned it

Only the bank adapter works here, over connections of its own: these are another party's books, and `gateway verify`
compares what the bank's port returns of them with ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from runtime.settings import Settings
from store.driver import Connection, Cursor, Row, connect
from store.stream import Stream


@dataclass(frozen=True, slots=True)
class Entry:
    """One attempt as the bank booked it. `late_at`: when the bank reverses the outcome; `turn`: how often it has.

    `step`: what the payer had to do, or SILENCE; then `late_at` is the end of the wait.
    """

    attempt_id: str
    kind: str
    of_attempt: str | None
    amount: int
    currency: str
    outcome: str
    error_code: str | None
    reference: str
    late_at: datetime | None
    turn: int = 0
    step: str | None = None
    app_link: str | None = None
    """What the payer's UPI app opens, if the step is in the app."""
    refuses_cancel: bool = False

    @property
    def waits(self) -> bool:
        """The payer has yet to decide."""
        return self.outcome == WAITING


WORD = "bank_word"
"""Channel of PostgreSQL on which a payer's decision is notified."""
WAITING = "waiting"
SILENCE = "silence"
COLUMNS = (
    "attempt_id, kind, of_attempt, amount, currency, outcome, error_code, reference, late_at, turn, step, "
    "app_link, refuses_cancel"
)
# ledger_pkey. A repeated attempt moves nothing: it is only counted, and the first booking is returned. A failed attempt
# moves nothing either.
BOOK = f"""
INSERT INTO bank.ledger AS book ({COLUMNS}, times_moved)
SELECT asked.*, CASE asked.outcome WHEN 'success' THEN 1 ELSE 0 END
  FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[],
              $9::timestamptz[], $10::integer[], $11::text[], $12::text[], $13::boolean[]) AS asked ({COLUMNS})
ON CONFLICT (attempt_id) DO UPDATE SET times_asked = book.times_asked + 1
RETURNING {COLUMNS}
"""
# An entry whose time has come is turned before it is read, so that a query and a notification never disagree about the
# turn. Its money moves once more: there for what had failed, back for what had succeeded. An attempt that its payer has
# abandoned fails for the first time: no money has moved.
_TURN = """
UPDATE bank.ledger
   SET outcome = CASE outcome WHEN 'failed' THEN 'success' ELSE 'failed' END,
       error_code = CASE WHEN outcome = 'failed' THEN NULL
                         WHEN outcome = 'waiting' THEN 'PAYMENT_ABANDONED'
                         WHEN kind = 'charge' THEN 'PAYMENT_REVERSED'
                         ELSE 'REFUND_RETURNED' END,
       turn = turn + (step IS NULL)::integer,
       times_moved = times_moved + (step IS NULL)::integer
 WHERE (outcome = 'waiting' OR (step IS NULL AND turn = 0)) AND late_at <= clock_timestamp()
"""
# ledger_pkey
TURN_THESE = f"{_TURN} AND attempt_id = ANY($1::text[])"
READ = f"SELECT {COLUMNS} FROM bank.ledger WHERE attempt_id = ANY($1::text[])"
# ledger_late
TURN_DUE = f"{_TURN} AND NOT notified"
# A reversed outcome, or the payer's decision. Read and marked by one condition: a row that is read and never marked
# would be notified again without end.
_REPEATED = "(turn > 0 OR step IN ('redirect', 'otp', 'app'))"
# The soonest instant at which there is something to turn or to take.
SECONDS_TO_WORD = f"""
SELECT extract(epoch FROM min(late_at) - clock_timestamp())::float8
  FROM bank.ledger
 WHERE late_at IS NOT NULL
   AND NOT notified
   AND (outcome = 'waiting' OR (step IS NULL AND turn = 0) OR {_REPEATED})
"""
TAKE_TURNED = f"""
SELECT {COLUMNS}
  FROM bank.ledger
 WHERE late_at <= clock_timestamp()
   AND NOT notified
   AND {_REPEATED}
"""
# ledger_pkey. The payer's decision counts once, and only in time.
DECIDE = f"""
  WITH decided AS (
UPDATE bank.ledger
   SET outcome = $2,
       error_code = $3,
       late_at = clock_timestamp(),
       times_moved = CASE $2 WHEN 'success' THEN 1 ELSE 0 END
 WHERE attempt_id = $1
   AND outcome = 'waiting'
   AND late_at > clock_timestamp()
RETURNING {COLUMNS})
SELECT decided.*
  FROM decided
 CROSS JOIN LATERAL pg_notify('{WORD}', '')
"""
# ledger_pkey
# Only the report that was received: neither a first response, which was late or repeated, nor the payer's step may hide
# the bank's later reports.
MARK_NOTIFIED = f"""
UPDATE bank.ledger
   SET notified = true
 WHERE attempt_id = $1
   AND turn = $2
   AND outcome = $3
   AND {_REPEATED}
"""

# ledger_pkey. Pending changes and their results: a first outcome that will be reversed, a payer who may still decide.
BOOKS = """
SELECT attempt_id, kind, of_attempt, amount, currency, reference, outcome, turn, times_moved, late_at,
       CASE WHEN turn > 0 OR late_at IS NULL THEN NULL
            WHEN outcome = 'waiting' THEN 'failed'
            WHEN step IS NOT NULL THEN NULL
            WHEN outcome = 'success' THEN 'failed'
            ELSE 'success' END AS becomes
  FROM bank.ledger
 WHERE {condition}
 ORDER BY attempt_id
"""
BOOKS_WHOLE = BOOKS.format(condition="true")
BOOKS_OF = BOOKS.format(condition="attempt_id = ANY($1::text[])")
READ_BOOKS_SECONDS = 600
"""For one window. The first may have to wait until all entries are sorted."""


async def read_books(settings: Settings, attempt_ids: Sequence[str] | None) -> AsyncGenerator[list[Row], None]:
    """Rows of BOOKS in the order of attempt ids, a window at a time; None: of every attempt. Raises DatabaseError."""
    connection = await connect(
        settings.database_url.get_secret_value(),
        timeout=10,
        command_timeout=READ_BOOKS_SECONDS,
        server_settings={"application_name": "simulated-bank", "jit": "off"},
    )
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL cursor_tuple_fraction = 1")  # all of it will be read
            query, which = (BOOKS_WHOLE, ()) if attempt_ids is None else (BOOKS_OF, (attempt_ids,))
            stream = Stream(await Cursor.open(connection, query, *which), ahead=True)
            try:
                while rows := await stream.next_rows():
                    yield rows
            finally:
                await stream.close()
    finally:
        await connection.close()


class Ledger:
    """A connection to the books, one statement at a time. Raises DatabaseError, which the adapter turns into
    silence. `on_word` is called when a payer has decided, once `take_turned` has connected."""

    def __init__(self, settings: Settings, *, on_word: Callable[[], None] | None = None) -> None:
        self._dsn = settings.database_url.get_secret_value()
        self._on_word = on_word
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    async def book(self, entries: Sequence[Entry]) -> dict[str, Entry]:
        """Book attempts (ids distinct); returns the booking of each."""
        ordered = sorted(entries, key=lambda entry: entry.attempt_id)
        columns = zip(*(tuple(getattr(entry, name) for name in Entry.__slots__) for entry in ordered), strict=True)
        rows = await self._fetch(BOOK, *[list(column) for column in columns])
        return {row["attempt_id"]: Entry(**row) for row in rows}

    async def read(self, attempt_ids: Sequence[str]) -> dict[str, Entry]:
        """The current bookings; attempts that were never booked are omitted."""
        await self._fetch(TURN_THESE, attempt_ids)
        rows = await self._fetch(READ, attempt_ids)
        return {row["attempt_id"]: Entry(**row) for row in rows}

    async def take_turned(self) -> tuple[list[Entry], float | None]:
        """Attempts whose outcome the bank reversed without a confirmed notification, and the seconds until
        the next is due as far as the books show; None: there is none."""
        ((seconds,),) = await self._fetch(SECONDS_TO_WORD)
        if seconds is None or seconds > 0:
            return [], seconds
        await self._fetch(TURN_DUE)
        return [Entry(**row) for row in await self._fetch(TAKE_TURNED)], 0.0

    async def decide(self, attempt_id: str, outcome: str, error_code: str | None) -> Entry | None:
        """The payer's decision; None if the attempt does not wait for one, or no longer does."""
        rows = await self._fetch(DECIDE, attempt_id, outcome, error_code)
        return Entry(**rows[0]) if rows else None

    async def mark_notified(self, attempt_id: str, turn: int, outcome: str) -> None:
        """This outcome of this turn was received; a later one is still to be notified."""
        await self._fetch(MARK_NOTIFIED, attempt_id, turn, outcome)

    def drop(self) -> None:
        """After an error: the next call reconnects."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _fetch(self, query: str, *arguments: object) -> list[Row]:
        async with self._turn:
            rows: list[Row] = await (await self._connected()).fetch(query, *arguments)
            return rows

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(
                self._dsn,
                timeout=5,
                command_timeout=10,
                server_settings={"application_name": "simulated-bank", "jit": "off", "enable_seqscan": "off"},
            )
            if (on_word := self._on_word) is not None:
                await self._connection.add_listener(WORD, lambda *_notification: on_word())
        return self._connection
