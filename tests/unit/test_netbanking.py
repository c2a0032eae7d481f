"""Netbanking: which banks there are, in which mode, and in which currency."""

from __future__ import annotations

import json
import re

import pytest

from agents.bank.behaviour import AT_THE_BANK, FirstResponse, behaviour
from api.schemas.payments import Means, NewPayment, check_instrument
from domain.action import ActionType
from domain.decision import Decision
from domain.instrument import Method, Netbanking, methods_for
from domain.machine import decide, evolve
from domain.netbanking import BANKS, TEST_BANKS, is_bank
from domain.order import CreateOrder
from domain.payment import CreatePayment
from domain.rejection import BANK_INVALID, METHOD_UNAVAILABLE
from ops.console.environment import REPOSITORY
from tests.unit.orders import AT, DEADLINE, FIRST, MERCHANT, ORDER


def body(bank: object) -> NewPayment:
    return NewPayment.model_validate_json(json.dumps({"order_id": ORDER, "method": "netbanking", "bank": bank}))


@pytest.mark.parametrize("code", [*BANKS, *TEST_BANKS])
async def test_a_bank_of_the_list_becomes_an_instrument_with_a_token_of_its_own(code: str) -> None:
    checked = await check_instrument(body(code), bank=None, test_mode=True)  # type: ignore[arg-type]  # no card here
    assert checked == Means(Netbanking(code), token=f"netbanking:{code}")


@pytest.mark.parametrize("bank", ["", "hdfc", "XXXX", "HDFC ", None, 5, ["HDFC"]])
async def test_anything_else_is_refused_by_name(bank: object) -> None:
    checked = await check_instrument(body(bank), bank=None, test_mode=True)  # type: ignore[arg-type]  # no card here
    assert checked is BANK_INVALID and BANK_INVALID.field == "bank"


def test_the_banks_of_test_mode_are_unknown_without_it() -> None:
    assert [is_bank(code, test_mode=False) for code in TEST_BANKS] == [False] * len(TEST_BANKS)
    assert all(is_bank(code, test_mode=False) for code in BANKS)


def test_each_test_bank_has_its_outcome_and_every_real_one_a_page() -> None:
    assert behaviour("netbanking:SUCC").forced_success
    assert behaviour("netbanking:FAIL").error_code == "BANK_DECLINED"
    slow = behaviour("netbanking:SLOW")
    assert (slow.first_response, slow.forced_success) == (FirstResponse.SILENT, True)
    assert {behaviour(f"netbanking:{code}") for code in BANKS} == {AT_THE_BANK}
    assert AT_THE_BANK.step is ActionType.REDIRECT


@pytest.mark.parametrize(("currency", "refused"), [("INR", False), ("USD", True)])
def test_netbanking_pays_in_rupees_alone(currency: str, refused: bool) -> None:
    created = decide(None, CreateOrder(ORDER, MERCHANT, 50_000, currency, None, {}), AT)
    assert isinstance(created, Decision)
    order = evolve(None, created.events[0])
    command = CreatePayment(ORDER, FIRST, None, Netbanking("HDFC"), "netbanking:HDFC", None, None, DEADLINE)
    assert (decide(order, command, AT) is METHOD_UNAVAILABLE) is refused
    assert (Method.NETBANKING in methods_for(currency)) is not refused
    assert Method.CARD in methods_for(currency)


def test_the_pages_name_the_same_banks() -> None:
    table = (REPOSITORY / "web-shared/methods.ts").read_text(encoding="utf-8")
    listed = re.search(r"BANK_NAMES[^{]+\{(.*?)\}", table, re.DOTALL)
    assert listed is not None
    assert dict(re.findall(r'(\w{4}): "([^"]+)"', listed[1])) == BANKS
