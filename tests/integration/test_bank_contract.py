"""The simulated bank keeps the contract of the bank port, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from agents.bank import make_bank, notice
from agents.bank.port import Bank, BankAnswer
from agents.bank.simulated import SimulatedBank
from tests.support.bank_contract import BankContract
from tests.support.stack import Stack


class TestSimulatedBank(BankContract):
    SUCCEEDS = "success@upi"
    DECLINES = "failure@upi"
    LOSES_ITS_ANSWER = "unknown@upi"
    TAKES_IT_BACK = "reversed@upi"

    def notification(self, bank: Bank, answer: BankAnswer) -> tuple[dict[str, str], bytes]:
        assert isinstance(bank, SimulatedBank)
        return bank.notification(answer)

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
