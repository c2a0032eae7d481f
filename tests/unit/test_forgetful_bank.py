"""A bank that has forgotten an attempt: what has its outcome is not sent again, whoever comes upon it."""

from __future__ import annotations

import pytest

from agents.bank.attempt import AlreadyDecidedError, attempt
from agents.bank.port import BankResult, Cancel, Charge, NoResponseError, Request, Return
from domain.instrument import Method
from domain.outcome import Outcome
from tests.support.undecided import decided, undecided

CHARGE = Charge("pay_1", 50_000, "INR", Method.UPI, "success@upi")
RETURN = Return("rfnd_1", "pay_1", 50_000, "INR", None)
DONE = BankResult("pay_1", Outcome.SUCCESS, None, None, "bank_1")


class Forgetful:
    """It has no attempt in its books, and records what it gets. `silences`: how many requests get no response."""

    def __init__(self, silences: int = 0) -> None:
        self.silences = silences
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
    with pytest.raises(AlreadyDecidedError):
        await attempt(bank, request_, maybe_requested_before=True, is_decided=decided)  # type: ignore[arg-type]
    assert bank.sent == []
    report = await attempt(bank, request_, maybe_requested_before=True, is_decided=undecided)  # type: ignore[arg-type]
    assert report == DONE
    assert len(bank.sent) == 1


async def test_an_attempt_that_is_decided_between_two_tries_is_not_sent_a_second_time() -> None:
    bank = Forgetful(silences=1)
    with pytest.raises(AlreadyDecidedError):
        await attempt(bank, CHARGE, maybe_requested_before=False, is_decided=decided)  # type: ignore[arg-type]
    assert bank.sent == [CHARGE]


async def test_an_attempt_whose_state_cannot_be_read_is_left_to_the_next_try() -> None:
    bank, readable = Forgetful(), iter([False, True])

    async def read(_attempt_id: str) -> bool:
        if not next(readable):
            raise NoResponseError("the database is unavailable")
        return False

    assert await attempt(bank, CHARGE, maybe_requested_before=True, is_decided=read) == DONE  # type: ignore[arg-type]
    assert bank.sent == [CHARGE]
