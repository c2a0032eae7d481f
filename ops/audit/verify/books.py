"""The bank's books against our payments and refunds: booked once, for the right amount, moved the right number of
times.

    everything     both sides in the order of attempt ids, merged a window at a time
    some orders    our attempts a window at a time, each looked up in the books

The bank's port gives its books (agents/bank/port.py), read after our snapshot was taken. So an outcome that was
reversed after `grace` before the snapshot is not a difference, and a booking without an attempt of ours is looked up
again in the current tables: it may have begun a moment ago.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agents.bank.port import WAITING, Bank, Booking
from ops.audit.verify.findings import Check, Finding, Report
from store.operations.audit import connect, known_attempts

Attempt = Any
"""(id, kind, of attempt, amount, currency, reference, outcome), a row of Beside.attempts: it compares with a tuple."""
SETTLED = {"success": (0, 1, None, None), "failed": (0, 0, None, None)}
"""The rest of a booking without later changes: turn, moves, changes_at, becomes."""
WORDS = {"returned": "success", "reversed": "failed"}
"""Our outcome -> the bank's, where they differ."""


@dataclass(frozen=True, slots=True)
class Books:
    """One comparison. `taken_at`: of the snapshot that our attempts are read from."""

    bank: Bank
    dsn: str
    report: Report
    taken_at: datetime
    grace: timedelta

    async def compare_all(self, ours: AsyncIterator[list[Attempt]]) -> None:
        """Both sides whole. Raises OSError or DatabaseError."""
        ahead = _Ahead(ours)
        compared = 0
        async with aclosing(self._booked(None)) as windows:
            async for bookings in windows:
                attempts = await ahead.until(bookings[-1].attempt_id)
                await self._compare(bookings, attempts)
                self._never_seen(attempts.values())
                compared += len(bookings)
        while attempts := await ahead.rest():
            self._never_seen(attempts.values())
        self.report.compared(Check.BANK, compared)

    async def compare_some(self, ours: AsyncIterator[list[Attempt]]) -> None:
        """Our attempts; a booking of no attempt has no order, and only `compare_all` finds it."""
        async for rows in ours:
            attempts = {row[0]: row for row in rows}
            async with aclosing(self._booked(list(attempts))) as windows:
                async for bookings in windows:
                    await self._compare(bookings, attempts)
            self._never_seen(attempts.values())
            self.report.compared(Check.BANK, len(rows))

    async def _booked(self, attempt_ids: Sequence[str] | None) -> AsyncGenerator[Sequence[Booking], None]:
        async for bookings in self.bank.books(attempt_ids):
            if bookings:
                yield bookings

    async def _compare(self, bookings: Sequence[Booking], attempts: dict[str, Attempt]) -> None:
        """Take from `attempts` those that the bank booked. The loop runs for every attempt there ever was."""
        strangers: list[Booking] = []
        for booking in bookings:
            attempt = attempts.pop(booking[0], None)
            if attempt is None:
                strangers.append(booking)
            elif attempt != booking[:7] or booking[7:] != SETTLED.get(booking[6]):
                message = self._difference(booking, attempt)
                if message is not None:
                    self._found(booking.attempt_id, message)
        if strangers:
            await self._look_again(strangers)

    async def _look_again(self, strangers: list[Booking]) -> None:
        connection = await connect(self.dsn)
        try:
            known = await known_attempts(connection, [one.attempt_id for one in strangers])
        finally:
            await connection.close()
        for one in strangers:
            if one.attempt_id not in known:
                self._found(one.attempt_id, f"the bank moved {one.amount} for an attempt that is nobody's")

    def _never_seen(self, attempts: Iterable[Attempt]) -> None:
        for attempt in attempts:
            if attempt[6] is not None:
                self._found(attempt[0], f"is {attempt[6]}, but the bank never saw it")

    def _difference(self, booking: Booking, attempt: Attempt) -> str | None:
        """A payer may take a step until it expires; then the attempt has failed.

        A reversal counts from its time on, but payment or refund may show the earlier outcome until the bank's
        notification was processed.
        """
        _, kind, of_attempt, amount, currency, reference, outcome = attempt
        if (booking.kind, booking.of_attempt) != (kind, of_attempt):
            return f"the bank booked a {booking.kind} of {booking.of_attempt or 'nothing'}"
        if (booking.amount, booking.currency) != (amount, currency):
            return f"the bank moved {booking.amount} {booking.currency}, not {amount} {currency}"
        if booking.moves != moves_of(booking):
            return f"the bank says {booking.outcome}, yet moved the money {booking.moves} times"
        if outcome is None:
            return None
        if booking.reference != reference:
            return f"bank reference is {booking.reference}, not {reference or 'null'}"
        word = self._word(booking)
        if word == WORDS.get(outcome, outcome):
            return None
        if word == WAITING:
            return f"is {outcome}, the bank waits for the payer"
        if booking.changes_at is not None and booking.changes_at > self.taken_at - self.grace:
            return None
        if outcome == "returned":
            return "was given back, but never charged"
        return f"is {outcome}, the bank says {word}"

    def _word(self, booking: Booking) -> str:
        """The outcome that holds at the time of the snapshot."""
        due = booking.changes_at is not None and booking.changes_at <= self.taken_at
        return booking.becomes if due and booking.becomes is not None else booking.outcome

    def _found(self, attempt_id: str, message: str) -> None:
        self.report.add((Finding(Check.BANK, attempt_id, message),))


def moves_of(booking: Booking) -> int:
    """Money moves with each reversal: an odd number of times for a success, an even one for a failure, never more often
    than the bank reversed."""
    even = booking.turn % 2 == 0
    return booking.turn + (even if booking.outcome == "success" else not even)


class _Ahead:
    """Our attempts, as far as they were read but not yet taken."""

    def __init__(self, windows: AsyncIterator[list[Attempt]]) -> None:
        self._windows = windows
        self._rows: list[Attempt] = []

    async def until(self, last: str) -> dict[str, Attempt]:
        """Those with ids up to `last` that were not taken before."""
        taken: dict[str, Attempt] = {}
        while rows := self._rows or await anext(self._windows, []):
            if rows[-1][0] > last:
                until = bisect_right(rows, last, key=lambda row: row[0])
                taken.update((row[0], row) for row in rows[:until])
                self._rows = rows[until:]
                return taken
            taken.update((row[0], row) for row in rows)
            self._rows = []
        return taken

    async def rest(self) -> dict[str, Attempt]:
        """A part of the rest; empty at the end."""
        rows, self._rows = self._rows or await anext(self._windows, []), []
        return {row[0]: row for row in rows}
