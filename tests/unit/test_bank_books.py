"""The bank's books against our attempts, merged window by window: each difference is named, wherever a window ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from agents.bank.port import Bank, Booking
from ops.audit.verify.books import Books
from ops.audit.verify.findings import Check, Report

NOW = datetime(2030, 1, 1, tzinfo=UTC)
GRACE = timedelta(seconds=30)
LONG_AGO, A_MOMENT_AGO, SOON = NOW - timedelta(hours=1), NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)


class Shelf:
    """A bank that has nothing but books, read `window` entries at a time."""

    def __init__(self, bookings: Sequence[Booking], window: int) -> None:
        self._bookings, self._window = bookings, window

    async def books(self, attempt_ids: Sequence[str] | None = None) -> AsyncGenerator[Sequence[Booking], None]:
        expected = [one for one in self._bookings if attempt_ids is None or one.attempt_id in attempt_ids]
        for first in range(0, len(expected), self._window):
            yield expected[first : first + self._window]
        yield []


@dataclass(frozen=True, slots=True)
class Compared(Books):
    """Without a database: attempts that began after the snapshot are given."""

    begun: tuple[str, ...] = ()

    async def _look_again(self, strangers: list[Booking]) -> None:
        for one in strangers:
            if one.attempt_id not in self.begun:
                self._found(one.attempt_id, "nobody's")


def booking(number: int, **other: Any) -> Booking:
    usual = Booking(f"pay_{number:02}", "charge", None, 500, "INR", f"ref{number}", "success", 0, 1, None, None)
    return usual._replace(**other)


def ours(number: int, outcome: str | None = "success", *, reference: str | None = "") -> tuple[Any, ...]:
    return (
        f"pay_{number:02}", "charge", None, 500, "INR", f"ref{number}" if reference == "" else reference, outcome,
    )  # fmt: skip


async def findings_of(
    bookings: Sequence[Booking],
    attempts: Sequence[tuple[Any, ...]],
    *,
    windows: tuple[int, int] = (2, 2),
    some: bool = False,
    begun: tuple[str, ...] = (),
) -> dict[str, str]:
    """attempt id -> what is wrong with it."""

    async def read() -> AsyncGenerator[list[Any], None]:
        for first in range(0, len(attempts), windows[0]):
            yield list(attempts[first : first + windows[0]])

    report = Report()
    compared = Compared(cast(Bank, Shelf(bookings, windows[1])), "", report, NOW, GRACE, begun)
    await (compared.compare_some(read()) if some else compared.compare_all(read()))
    assert report.tallies[Check.BANK].compared == len(attempts if some else bookings)
    return {one.subject: one.message for one in report.kept(Check.BANK)}


@pytest.mark.parametrize("windows", [(1, 1), (1, 3), (3, 1), (2, 5), (100, 100)])
async def test_every_attempt_that_one_side_lacks_is_named(windows: tuple[int, int]) -> None:
    # Given books without 2, 5, 6 and 9, and tables without 0, 4 and 8,
    bookings = [booking(number) for number in (0, 1, 3, 4, 7, 8)]
    attempts = [ours(number) for number in (1, 2, 3, 5, 6, 7, 9)]
    findings = await findings_of(bookings, attempts, windows=windows)
    # then each is named, wherever the windows end.
    unseen = "is success, but the bank never saw it"
    assert findings == {
        "pay_00": "nobody's", "pay_02": unseen, "pay_04": "nobody's", "pay_05": unseen, "pay_06": unseen,
        "pay_08": "nobody's", "pay_09": unseen,
    }  # fmt: skip


async def test_of_some_orders_only_their_attempts_are_compared() -> None:
    findings = await findings_of([booking(0), booking(1), booking(3, amount=1)], [ours(3), ours(1), ours(2)], some=True)
    assert findings == {
        "pay_02": "is success, but the bank never saw it",
        "pay_03": "the bank moved 1 INR, not 500 INR",
    }


async def test_an_attempt_that_began_after_the_snapshot_is_nobodys_fault() -> None:
    assert await findings_of([booking(1), booking(2)], [ours(1)], begun=("pay_02",)) == {}


async def test_an_open_attempt_may_be_booked_or_not() -> None:
    open_attempts = [ours(1, None, reference=None), ours(2, None, reference=None)]
    assert await findings_of([booking(1)], open_attempts) == {}


TURNED = {"outcome": "failed", "turn": 1, "moves": 2}
CASES: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("as it was", {}, "success", None),
    ("the bank declined", {"outcome": "failed", "moves": 0}, "failed", None),
    ("another kind", {"kind": "refund", "of_attempt": "pay_x"}, "success", "the bank booked a refund of pay_x"),
    ("another currency", {"currency": "USD"}, "success", "the bank moved 500 USD, not 500 INR"),
    ("moved twice", {"moves": 2}, "success", "the bank says success, yet moved the money 2 times"),
    ("a turn that moved nothing", TURNED | {"moves": 1}, "reversed",
     "the bank says failed, yet moved the money 1 times"),
    ("another reference", {"reference": "x"}, "success", "bank reference is x, not ref1"),
    ("another word", {"outcome": "failed", "moves": 0}, "success", "is success, the bank says failed"),
    ("taken back", TURNED | {"changes_at": LONG_AGO}, "reversed", None),
    ("taken back unheard", TURNED | {"changes_at": LONG_AGO}, "success", "is success, the bank says failed"),
    ("taken back a moment ago", TURNED | {"changes_at": A_MOMENT_AGO}, "success", None),
    ("a change to come", {"changes_at": SOON, "becomes": "failed"}, "success", None),
    ("a change that was due", {"changes_at": LONG_AGO, "becomes": "failed"}, "success",
     "is success, the bank says failed"),
    ("given back", {}, "returned", None),
    ("given back, never charged", {"outcome": "failed", "moves": 0}, "returned",
     "was given back, but never charged"),
    ("decided for the payer", {"outcome": "waiting", "moves": 0, "changes_at": SOON, "becomes": "failed"}, "success",
     "is success, the bank waits for the payer"),
    ("abandoned by the payer", {"outcome": "waiting", "moves": 0, "changes_at": LONG_AGO, "becomes": "failed"},
     "failed", None),
    ("decided by the payer", {"changes_at": LONG_AGO}, "success", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("booked", "outcome", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
async def test_a_booking_is_held_against_what_we_know(
    booked: dict[str, Any], outcome: str, message: str | None
) -> None:
    findings = await findings_of([booking(1, **booked)], [ours(1, outcome)])
    assert findings == ({} if message is None else {"pay_01": message})
