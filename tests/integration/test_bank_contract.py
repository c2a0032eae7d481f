"""The simulated bank keeps the contract of the bank port, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from agents.bank import make_bank, notice, simulated
from agents.bank.port import ActionRequired, Bank, BankResult, Charge
from agents.bank.simulated import SimulatedBank
from domain.ids import PAYMENT
from domain.instrument import Method
from domain.outcome import Outcome
from domain.upi import payee_part
from runtime.clock import make_id
from tests.support.bank_contract import BankContract
from tests.support.eventually import eventually
from tests.support.stack import Stack


class TestSimulatedBank(BankContract):
    SUCCEEDS = "success@upi"
    DECLINES = "failure@upi"
    LOSES_ITS_RESPONSE = "unknown@upi"
    TAKES_IT_BACK = "reversed@upi"
    NEEDS_THE_PAYER = "tok_test_otp"
    WAITS_IN_THE_APP = "pending@upi"
    CANNOT_BE_CANCELLED = "nocancel@upi"

    def notification(self, bank: Bank, result: BankResult) -> tuple[dict[str, str], bytes]:
        assert isinstance(bank, SimulatedBank)
        return bank.notification(result)

    async def payer_decides(self, bank: Bank, attempt_id: str) -> BankResult:
        assert isinstance(bank, SimulatedBank)
        result = await bank.decide(attempt_id, Outcome.SUCCESS, None)
        assert result is not None
        return result

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


async def test_in_live_mode_a_code_pays_the_merchants_payee_and_is_scanned_by_itself(services: Stack) -> None:
    live: dict[str, Any] = {"test_mode": False, "processing_delay_min": 1, "processing_delay_max": 2}
    live |= {"upi_success_rate": 1.0, "secret_key": SecretStr(secrets.token_hex(32))}
    bank = SimulatedBank(services.settings.model_copy(update=live))
    charge = Charge(make_id(PAYMENT), 50_000, "INR", Method.UPI, f"scan:{payee_part('shop@bank', 'Tea House')}")
    try:
        step = await bank.charge(charge)
        assert isinstance(step, ActionRequired)
        assert step.action.url == (f"upi://pay?pa=shop%40bank&pn=Tea%20House&tr={charge.attempt_id}&am=500.00&cu=INR")
        async with asyncio.timeout(30):
            async for report in bank.notifications():
                if report.attempt_id == charge.attempt_id:
                    break
        assert isinstance(report, BankResult) and report.outcome is Outcome.SUCCESS
        await bank.confirm(report)
    finally:
        bank._ledger.drop()
        bank._polling.drop()
        await asyncio.sleep(0)  # the loop closes what was dropped


async def test_a_payers_decision_reaches_who_listens_in_another_process_without_a_look(
    services: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a listener that has looked into the books, and will not look again by itself,
    monkeypatch.setattr(simulated, "POLL_SECONDS", 3_600.0)
    monkeypatch.setattr(simulated, "IDLE_SECONDS", 3_600.0)
    listening, paying = SimulatedBank(services.settings), SimulatedBank(services.settings)
    attempt_id, received = make_id(PAYMENT), asyncio.Event()

    async def listen() -> None:
        async for report in listening.notifications():
            if report.attempt_id == attempt_id:
                received.set()

    task = asyncio.create_task(listen())
    await eventually(lambda: _has_looked(listening), what="the first look")
    # when a payer decides on the bank's page,
    await paying.charge(Charge(attempt_id, 50_000, "INR", Method.CARD, "tok_test_otp"))
    assert await paying.decide(attempt_id, Outcome.SUCCESS, None) is not None
    # then the listener hears of it.
    async with asyncio.timeout(30):
        await received.wait()
    task.cancel()
    for bank in (listening, paying):
        bank._ledger.drop()
        bank._polling.drop()
    await asyncio.sleep(0)  # the loop closes what was dropped


def _has_looked(bank: SimulatedBank) -> bool:
    return bank._polling._connection is not None and not bank._polling._turn.locked()
