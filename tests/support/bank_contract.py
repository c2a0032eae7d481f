"""What every adapter of the bank port must do. An adapter's test derives from BankContract and names its own cards.

class TestMyBank(BankContract):
    @pytest.fixture
    async def bank(self): ...          and the tokens that make it succeed, decline, or lose its answer
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from agents.bank.port import (
    ActionRequired,
    Bank,
    BankResult,
    Booking,
    CancelRefused,
    Charge,
    ForgedError,
    NoResponseError,
    Report,
    Return,
    UnreadableError,
)
from domain.action import ActionType
from domain.card import CardDetails
from domain.ids import PAYMENT, REFUND
from domain.instrument import Method
from domain.outcome import PAYMENT_CANCELLED, Outcome
from runtime.clock import make_id

AMOUNT = 50_000
NOTIFIED_SECONDS = 30
REPEATS_SEEN = 3


class BankContract:
    """Tokens of UPI payments, each for what the bank does with it."""

    SUCCEEDS: str
    DECLINES: str
    LOSES_ITS_RESPONSE: str
    TAKES_IT_BACK: str
    NEEDS_THE_PAYER: str
    WAITS_IN_THE_APP: str
    CANNOT_BE_CANCELLED: str
    CARD = CardDetails(number="4111111111111111", expiry_month="12", expiry_year="2039")

    def notification(self, bank: Bank, result: BankResult) -> tuple[dict[str, str], bytes]:
        """Headers and body of the bank's notification about this answer."""
        raise NotImplementedError

    def signed(self, bank: Bank, body: bytes) -> dict[str, str]:
        """The headers with which the bank would send this body."""
        raise NotImplementedError

    async def payer_decides(self, bank: Bank, attempt_id: str) -> BankResult:
        """The payer takes the step, with success: what the bank then answers."""
        raise NotImplementedError

    async def charged(self, bank: Bank, charge: Charge) -> BankResult:
        result = await bank.charge(charge)
        assert isinstance(result, BankResult)
        return result

    def charge_of(self, token: str, *, method: Method = Method.UPI) -> Charge:
        return Charge(make_id(PAYMENT), AMOUNT, "INR", method, token)

    async def test_a_token_reveals_nothing_of_the_card_and_can_be_charged(self, bank: Bank) -> None:
        token = await bank.tokenize(self.CARD)
        assert token and self.CARD.number not in token and self.CARD.number[-4:] not in token
        result = await bank.charge(self.charge_of(token, method=Method.CARD))
        assert result.outcome is Outcome.SUCCESS

    async def test_a_charge_returns_its_outcome_and_a_reference(self, bank: Bank) -> None:
        charge = self.charge_of(self.SUCCEEDS)
        result = await bank.charge(charge)
        assert (result.attempt_id, result.outcome, result.error_code) == (charge.attempt_id, Outcome.SUCCESS, None)
        assert result.reference and result.turn == 0

    async def test_a_decline_is_a_response_with_a_code_and_a_text(self, bank: Bank) -> None:
        result = await bank.charge(self.charge_of(self.DECLINES))
        assert result.outcome is Outcome.FAILED
        assert result.error_code and result.error_description

    async def test_an_attempt_that_is_requested_twice_has_one_result(self, bank: Bank) -> None:
        charge = self.charge_of(self.SUCCEEDS)
        first, second = await asyncio.gather(bank.charge(charge), bank.charge(charge))
        assert first == second == await bank.charge(charge)

    async def test_a_query_finds_what_was_charged_and_nothing_else(self, bank: Bank) -> None:
        charge = self.charge_of(self.SUCCEEDS)
        assert await bank.query(charge.attempt_id) is None
        result = await bank.charge(charge)
        assert await bank.query(charge.attempt_id) == result

    async def test_a_lost_response_is_found_by_a_query(self, bank: Bank) -> None:
        charge = self.charge_of(self.LOSES_ITS_RESPONSE)
        with pytest.raises(NoResponseError):
            await bank.charge(charge)
        found = await bank.query(charge.attempt_id)
        assert found is not None and found.outcome is Outcome.SUCCESS

    async def test_an_attempt_that_waits_for_its_payer_is_cancelled_once_and_moves_nothing(self, bank: Bank) -> None:
        charge = self.charge_of(self.WAITS_IN_THE_APP)
        step = await bank.charge(charge)
        assert isinstance(step, ActionRequired) and step.action.type is ActionType.APP
        first, second = await asyncio.gather(bank.cancel(charge.attempt_id), bank.cancel(charge.attempt_id))
        assert isinstance(first, BankResult) and first == second == await bank.query(charge.attempt_id)
        assert (first.outcome, first.error_code, first.turn) == (Outcome.FAILED, PAYMENT_CANCELLED, 0)
        (booking,) = await self.booked(bank, charge.attempt_id)
        assert (booking.outcome, booking.moves, booking.becomes) == ("failed", 0, None)

    async def test_a_cancelled_attempt_is_not_charged_by_another_request(self, bank: Bank) -> None:
        charge = self.charge_of(self.WAITS_IN_THE_APP)
        await bank.charge(charge)
        cancelled = await bank.cancel(charge.attempt_id)
        assert await bank.charge(charge) == cancelled
        (booking,) = await self.booked(bank, charge.attempt_id)
        assert booking.moves == 0

    async def test_a_bank_may_refuse_to_cancel_and_the_payer_still_decides(self, bank: Bank) -> None:
        charge = self.charge_of(self.CANNOT_BE_CANCELLED)
        step = await bank.charge(charge)
        assert await bank.cancel(charge.attempt_id) == CancelRefused(charge.attempt_id)
        assert await bank.query(charge.attempt_id) == step
        decided = await self.payer_decides(bank, charge.attempt_id)
        assert decided.outcome is Outcome.SUCCESS
        assert await bank.cancel(charge.attempt_id) == decided

    async def test_what_is_decided_is_not_cancelled(self, bank: Bank) -> None:
        for token in (self.SUCCEEDS, self.DECLINES):
            result = await self.charged(bank, self.charge_of(token))
            assert await bank.cancel(result.attempt_id) == result == await bank.query(result.attempt_id)

    async def test_a_lost_response_is_what_a_cancel_finds(self, bank: Bank) -> None:
        charge = self.charge_of(self.LOSES_ITS_RESPONSE)
        with pytest.raises(NoResponseError):
            await bank.charge(charge)
        found = await bank.cancel(charge.attempt_id)
        assert isinstance(found, BankResult) and found.outcome is Outcome.SUCCESS

    async def test_an_attempt_that_was_never_made_is_neither_cancelled_nor_made(self, bank: Bank) -> None:
        charge = self.charge_of(self.SUCCEEDS)
        assert await bank.cancel(charge.attempt_id) is None
        assert await bank.query(charge.attempt_id) is None
        assert (await self.charged(bank, charge)).outcome is Outcome.SUCCESS

    async def test_a_refund_is_an_attempt_of_its_own(self, bank: Bank) -> None:
        charge = self.charge_of(self.SUCCEEDS)
        charged = await bank.charge(charge)
        refund = Return(make_id(REFUND), charge.attempt_id, AMOUNT, "INR", None)
        result = await bank.refund(refund)
        assert (result.attempt_id, result.outcome) == (refund.attempt_id, Outcome.SUCCESS)
        assert await bank.query(refund.attempt_id) == result
        assert await bank.query(charge.attempt_id) == charged

    async def test_a_reversal_is_notified_until_it_is_confirmed(self, bank: Bank) -> None:
        charge = self.charge_of(self.TAKES_IT_BACK)
        assert (await bank.charge(charge)).outcome is Outcome.SUCCESS
        first, second = await self.next_words(bank, charge), await self.next_words(bank, charge)
        assert first == second and isinstance(first, BankResult)
        assert (first.outcome, first.turn) == (Outcome.FAILED, 1)
        assert await bank.query(charge.attempt_id) == first
        await bank.confirm(first)
        assert await self.is_silent_about(bank, charge)

    async def test_what_a_payer_decided_is_notified_until_it_is_confirmed(self, bank: Bank) -> None:
        charge = self.charge_of(self.NEEDS_THE_PAYER)
        assert isinstance(await bank.charge(charge), ActionRequired)
        decided = await self.payer_decides(bank, charge.attempt_id)
        assert await self.next_words(bank, charge) == decided == await self.next_words(bank, charge)
        await bank.confirm(decided)
        assert await self.is_silent_about(bank, charge)

    async def test_a_step_that_is_confirmed_late_does_not_hide_what_the_payer_decided(self, bank: Bank) -> None:
        charge = self.charge_of(self.NEEDS_THE_PAYER)
        step = await bank.charge(charge)
        decided = await self.payer_decides(bank, charge.attempt_id)
        await bank.confirm(step)
        assert await self.next_words(bank, charge) == decided
        await bank.confirm(decided)

    async def test_an_earlier_report_that_is_confirmed_late_does_not_hide_a_later_one(self, bank: Bank) -> None:
        charge = self.charge_of(self.TAKES_IT_BACK)
        before = await bank.charge(charge)
        word = await self.next_words(bank, charge)
        await bank.confirm(before)
        assert await self.next_words(bank, charge) == word
        await bank.confirm(word)

    async def test_a_first_report_that_is_confirmed_does_not_hide_a_later_reversal(self, bank: Bank) -> None:
        charge = self.charge_of(self.TAKES_IT_BACK)
        first = await self.charged(bank, charge)
        assert first.turn == 0
        await bank.confirm(first)
        word = await self.next_words(bank, charge)
        assert isinstance(word, BankResult) and word.turn == 1
        await bank.confirm(word)

    async def test_a_notification_over_http_is_the_report_that_a_query_returns(self, bank: Bank) -> None:
        result = await self.charged(bank, self.charge_of(self.SUCCEEDS))
        headers, body = self.notification(bank, result)
        assert bank.read_notification(headers, body) == result == await bank.query(result.attempt_id)

    async def test_a_notification_that_the_bank_did_not_sign_is_refused(self, bank: Bank) -> None:
        result = await self.charged(bank, self.charge_of(self.DECLINES))
        headers, body = self.notification(bank, result)
        others, _ = self.notification(bank, await self.charged(bank, self.charge_of(self.SUCCEEDS)))
        forged = body.replace(b"failed", b"success")
        assert forged != body
        for claimed, sent in ((headers, forged), (others, body), ({}, body), (headers, b"")):
            with pytest.raises(ForgedError):
                bank.read_notification(claimed, sent)

    @pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b"\xff", b'{"attempt_id": 5}', b"null"])
    async def test_a_signed_but_unreadable_notification_is_refused(self, bank: Bank, body: bytes) -> None:
        with pytest.raises(UnreadableError):
            bank.read_notification(self.signed(bank, body), body)

    async def test_the_books_hold_what_was_charged_and_given_back(self, bank: Bank) -> None:
        charge, declined = self.charge_of(self.SUCCEEDS), self.charge_of(self.DECLINES)
        charged = await self.charged(bank, charge)
        refund = Return(make_id(REFUND), charge.attempt_id, AMOUNT - 1, "INR", None)
        refused, given_back = await self.charged(bank, declined), await bank.refund(refund)
        booked = await self.booked(bank, charge.attempt_id, declined.attempt_id, refund.attempt_id)
        expected = [
            Booking(charge.attempt_id, "charge", None, AMOUNT, "INR", charged.reference, "success", 0, 1, None, None),
            Booking(declined.attempt_id, "charge", None, AMOUNT, "INR", refused.reference, "failed", 0, 0, None, None),
            Booking(
                refund.attempt_id, "refund", charge.attempt_id, AMOUNT - 1, "INR", given_back.reference, "success",
                0, 1, None, None,
            ),
        ]  # fmt: skip
        assert booked == sorted(expected)

    async def test_the_whole_books_hold_each_attempt_once_in_the_order_of_ids(self, bank: Bank) -> None:
        charges = [self.charge_of(self.SUCCEEDS) for _ in range(3)]
        await asyncio.gather(*(bank.charge(charge) for charge in [*charges, charges[0]]))
        ids = [booking.attempt_id for booking in await self.booked(bank)]
        assert ids == sorted(set(ids)) and {charge.attempt_id for charge in charges} <= set(ids)

    async def test_an_attempt_whose_response_was_lost_is_in_the_books(self, bank: Bank) -> None:
        charge = self.charge_of(self.LOSES_ITS_RESPONSE)
        with pytest.raises(NoResponseError):
            await bank.charge(charge)
        (booking,) = await self.booked(bank, charge.attempt_id)
        assert (booking.outcome, booking.moves) == ("success", 1)

    async def test_the_books_know_nothing_of_an_attempt_that_was_never_made(self, bank: Bank) -> None:
        assert await self.booked(bank, make_id(PAYMENT)) == []

    async def test_the_books_show_a_change_to_come_and_the_money_that_moved_back(self, bank: Bank) -> None:
        charge = self.charge_of(self.TAKES_IT_BACK)
        await bank.charge(charge)
        (before,) = await self.booked(bank, charge.attempt_id)
        assert (before.outcome, before.turn, before.moves, before.becomes) == ("success", 0, 1, "failed")
        assert before.changes_at is not None
        word = await self.next_words(bank, charge)
        await bank.confirm(word)
        (after,) = await self.booked(bank, charge.attempt_id)
        assert (after.outcome, after.turn, after.moves, after.becomes) == ("failed", 1, 2, None)
        assert after.changes_at == before.changes_at

    async def booked(self, bank: Bank, *attempt_ids: str) -> list[Booking]:
        """These bookings, or all; each window in the order of ids after the one before."""
        async with aclosing(bank.books(list(attempt_ids) or None)) as windows:
            return [booking async for window in windows for booking in window]

    async def next_words(self, bank: Bank, charge: Charge) -> Report:
        """The next notification about this attempt, unconfirmed."""
        async with asyncio.timeout(NOTIFIED_SECONDS):
            async for result in bank.notifications():
                if result.attempt_id == charge.attempt_id:
                    return result
        raise AssertionError("the notifications ended")

    async def is_silent_about(self, bank: Bank, charge: Charge) -> bool:
        """Whether nothing of the attempt is notified any more while another one is, repeatedly."""
        other = self.charge_of(self.TAKES_IT_BACK)
        await bank.charge(other)
        seen: list[str] = []
        async with asyncio.timeout(NOTIFIED_SECONDS):
            async for result in bank.notifications():
                seen.append(result.attempt_id)
                if seen.count(other.attempt_id) == REPEATS_SEEN:
                    await bank.confirm(result)
                    return charge.attempt_id not in seen
        raise AssertionError("the notifications ended")
