"""The simulated bank's books (`bank.ledger`): one row an attempt, whatever happens how often.

Only the bank adapter writes here, over a connection of its own: these are somebody else's books, and `gateway verify`
compares them with ours from outside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Entry:
    """One attempt as the bank booked it. `late_at`: when a failed attempt turns out to have been charged."""

    attempt_id: str
    kind: str
    of_attempt: str | None
    amount: int
    currency: str
    outcome: str
    error_code: str | None
    reference: str
    late_at: datetime | None


# ledger_pkey. A repeated attempt moves nothing: it is only counted, and the first booking is answered.
BOOK = """
INSERT INTO bank.ledger AS book
       (attempt_id, kind, of_attempt, amount, currency, outcome, error_code, reference, late_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::timestamptz[])
ON CONFLICT (attempt_id) DO UPDATE SET times_asked = book.times_asked + 1
RETURNING attempt_id, kind, of_attempt, amount, currency, outcome, error_code, reference, late_at
"""
READ = """
SELECT attempt_id, kind, of_attempt, amount, currency,
       CASE WHEN late_at <= clock_timestamp() THEN 'success' ELSE outcome END AS outcome,
       CASE WHEN late_at <= clock_timestamp() THEN NULL ELSE error_code END AS error_code,
       reference, late_at
  FROM bank.ledger
 WHERE attempt_id = ANY($1::text[])
"""
# ledger_late
TAKE_LATE = """
UPDATE bank.ledger
   SET outcome = 'success', error_code = NULL
 WHERE late_at <= clock_timestamp() AND NOT notified
RETURNING attempt_id, kind, of_attempt, amount, currency, outcome, error_code, reference, late_at
"""
MARK_NOTIFIED = "UPDATE bank.ledger SET notified = true WHERE attempt_id = ANY($1::text[])"


class Ledger:
    """A connection to the books, one statement at a time. Errors are asyncpg's or OSError; the adapter turns them into
    silence."""

    def __init__(self, settings: Settings) -> None:
        self._dsn = settings.database_url.get_secret_value()
        self._connection: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()

    async def book(self, entries: Sequence[Entry]) -> dict[str, Entry]:
        """Book attempts (ids distinct); returns what stands in the books for each."""
        ordered = sorted(entries, key=lambda entry: entry.attempt_id)
        columns = zip(*(tuple(getattr(entry, name) for name in Entry.__slots__) for entry in ordered), strict=True)
        rows = await self._fetch(BOOK, *[list(column) for column in columns])
        return {row["attempt_id"]: Entry(**row) for row in rows}

    async def read(self, attempt_ids: Sequence[str]) -> dict[str, Entry]:
        rows = await self._fetch(READ, attempt_ids)
        return {row["attempt_id"]: Entry(**row) for row in rows}

    async def take_late(self) -> list[Entry]:
        """Attempts whose late charge has come true and was not told yet."""
        return [Entry(**row) for row in await self._fetch(TAKE_LATE)]

    async def mark_notified(self, attempt_ids: Sequence[str]) -> None:
        await self._fetch(MARK_NOTIFIED, attempt_ids)

    def drop(self) -> None:
        """After an error: the next call connects anew."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        async with self._turn:
            rows: list[asyncpg.Record] = await (await self._connected()).fetch(query, *arguments)
            return rows

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._dsn,
                timeout=5,
                command_timeout=10,
                server_settings={"application_name": "simulated-bank", "jit": "off", "enable_seqscan": "off"},
            )
        return self._connection
