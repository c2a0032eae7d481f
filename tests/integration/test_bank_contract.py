"""The simulated bank keeps the contract of the bank port, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from agents.bank import make_bank, notice
from agents.bank.port import Bank, BankAnswer
from agents.bank.simulated import SimulatedBank
from domain.outcome import Outcome
from tests.support.bank_contract import BankContract
from tests.support.stack import Stack


class TestSimulatedBank(BankContract):
    SUCCEEDS = "success@upi"
    DECLINES = "failure@upi"
    LOSES_ITS_ANSWER = "unknown@upi"
    TAKES_IT_BACK = "reversed@upi"
    NEEDS_THE_PAYER = "tok_test_otp"

    def notification(self, bank: Bank, answer: BankAnswer) -> tuple[dict[str, str], bytes]:
        assert isinstance(bank, SimulatedBank)
        return bank.notification(answer)

    async def payer_decides(self, bank: Bank, attempt_id: str) -> BankAnswer:
        assert isinstance(bank, SimulatedBank)
        answer = await bank.decide(attempt_id, Outcome.SUCCESS, None)
        assert answer is not None
        return answer

    def signed(self, bank: Bank, body: bytes) -> dict[str, str]:
        assert isinstance(bank, SimulatedBank)
        return {notice.SIGNATURE: notice.signature(body, bank.key)}

    @pytest.fixture
    async def bank(self, services: Stack) -> AsyncIterator[Bank]:
        bank = make_bank(services.settings)
        yield bank
        assert isinstance(bank, SimulatedBank)
        bank._ledger.drop()
        bank._polling.drop()
        await asyncio.sleep(0)  # the loop closes what was dropped
