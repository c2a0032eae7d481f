"""A bank that has forgotten an attempt: what has its outcome is not sent again, whoever comes upon it."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest

from agents.bank.attempt import NotSentError, attempt
from agents.bank.port import BankResult, Cancel, Charge, NoResponseError, Request, Return
from domain.instrument import Method
from domain.outcome import Outcome
from store.attempts import AttemptState
from tests.support.attempts import decided, undecided

CHARGE = Charge("pay_1", 50_000, "INR", Method.UPI, "success@upi")
RETURN = Return("rfnd_1", "pay_1", 50_000, "INR", None)
DONE = BankResult("pay_1", Outcome.SUCCESS, None, None, "bank_1")


class Forgetful:
    """It has no attempt in its books, and records what it gets. `silences`: how many requests get no response."""

    def __init__(self, silences: int = 0, remembers: timedelta | None = None) -> None:
        self.silences = silences
        self.remembers = remembers
        self.sent: list[Request] = []

    async def query(self, _attempt_id: str) -> None:
        return None

    async def cancel(self, _attempt_id: str) -> None:
        return None

    async def charge(self, charge: Charge) -> BankResult:
        return self._received(charge)

    async def refund(self, refund: Return) -> BankResult:
        return self._received(refund)

    def _received(self, request: Request) -> BankResult:
        self.sent.append(request)
        self.silences -= 1
        if self.silences >= 0:
            raise NoResponseError("lost")
        return DONE


@pytest.mark.parametrize("request_", [CHARGE, RETURN, Cancel("pay_1", CHARGE)], ids=lambda one: type(one).__name__)
async def test_what_the_bank_does_not_know_is_sent_only_while_it_has_no_outcome(request_: Request) -> None:
    bank = Forgetful()
    with pytest.raises(NotSentError):
        await attempt(bank, request_, maybe_requested_before=True, look_up=decided)  # type: ignore[arg-type]
    assert bank.sent == []
    report = await attempt(bank, request_, maybe_requested_before=True, look_up=undecided)  # type: ignore[arg-type]
    assert report == DONE
    assert len(bank.sent) == 1


@pytest.mark.parametrize("request_", [CHARGE, RETURN, Cancel("pay_1", CHARGE)], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize(("hours", "sent"), [(2, 1), (0.5, 0)])
async def test_what_is_older_than_the_banks_memory_is_left_to_a_person(
    request_: Request, hours: float, sent: int
) -> None:
    bank = Forgetful(remembers=timedelta(hours=hours))
    with contextlib.suppress(NotSentError):
        await attempt(bank, request_, maybe_requested_before=True, look_up=undecided)  # type: ignore[arg-type]
    assert len(bank.sent) == sent


async def test_an_attempt_that_is_decided_between_two_tries_is_not_sent_a_second_time() -> None:
    bank = Forgetful(silences=1)
    with pytest.raises(NotSentError):
        await attempt(bank, CHARGE, maybe_requested_before=False, look_up=decided)  # type: ignore[arg-type]
    assert bank.sent == [CHARGE]


async def test_an_attempt_whose_state_cannot_be_read_is_left_to_the_next_try() -> None:
    bank, readable = Forgetful(), iter([False, True])

    async def read(attempt_id: str) -> AttemptState:
        if not next(readable):
            raise NoResponseError("the database is unavailable")
        return await undecided(attempt_id)

    assert await attempt(bank, CHARGE, maybe_requested_before=True, look_up=read) == DONE  # type: ignore[arg-type]
    assert bank.sent == [CHARGE]
