"""The simulated bank's table and its draws."""

from __future__ import annotations

import pytest

from agents.bank.behaviour import (
    ORDINARY,
    TEST_BEHAVIOURS,
    TEST_REFUND_BEHAVIOURS,
    FirstResponse,
    behaviour,
    card_token,
    draw,
    refund_behaviour,
)
from domain.action import ActionType
from domain.outcome import DECLINES, Word


@pytest.mark.parametrize(
    ("token", "error_code", "response"),
    [
        ("success@upi", None, FirstResponse.GIVEN),
        ("anybody@upi", None, FirstResponse.GIVEN),
        ("failure@upi", "UPI_DECLINED", FirstResponse.GIVEN),
        ("insufficient@upi", "INSUFFICIENT_FUNDS", FirstResponse.GIVEN),
        ("timeout@upi", "BANK_TIMEOUT", FirstResponse.NEVER),
        ("unknown@upi", None, FirstResponse.LOST),
        ("late@upi", "BANK_TIMEOUT", FirstResponse.NEVER),
        ("reversed@upi", None, FirstResponse.GIVEN),
    ],
)
def test_each_test_instrument_behaves_as_documented(
    token: str, error_code: str | None, response: FirstResponse
) -> None:
    acting = behaviour(token)
    assert (acting.error_code, acting.first_response) == (error_code, response)
    assert behaviour(token.upper()) == acting


def test_a_card_with_strong_authentication_waits_for_a_one_time_password_in_test_mode_alone() -> None:
    number = "4000000000003220"
    assert behaviour(card_token(number, test_mode=True)).step is ActionType.OTP
    assert behaviour(card_token(number, test_mode=False)) is ORDINARY


def test_slow_takes_ten_delays_and_late_is_charged_later() -> None:
    assert behaviour("slow@upi").delay_factor == 10
    assert behaviour("late@upi").turns
    assert behaviour("unknown@upi").forced_success
    assert behaviour("somebody@upi") is ORDINARY


@pytest.mark.parametrize(
    ("reason", "error_code", "turns"),
    [
        ("fail_refund", "REFUND_FAILED", False),
        ("late_refund", "REFUND_FAILED", True),
        ("bounced_refund", None, True),
        ("damaged", None, False),
        ("", None, False),
        (None, None, False),
    ],
)
def test_each_reason_of_a_refund_behaves_as_in_the_table(
    reason: str | None, error_code: str | None, turns: bool
) -> None:
    acting = refund_behaviour(reason)
    assert (acting.error_code, acting.turns) == (error_code, turns)


def test_the_later_of_two_reports_is_the_greater_one() -> None:
    assert Word(0, False) < Word(0, True) < Word(1, False) < Word(1, True) < Word(2, False)


@pytest.mark.parametrize(
    ("number", "error_code"),
    [("4000000000000002", "CARD_DECLINED"), ("4000000000009995", "INSUFFICIENT_FUNDS"), ("4111111111111111", None)],
)
def test_test_cards_decline_in_test_mode_only(number: str, error_code: str | None) -> None:
    assert behaviour(card_token(number, test_mode=True)).error_code == error_code
    assert behaviour(card_token(number, test_mode=False)).error_code is None


def test_every_error_code_has_a_text_for_people() -> None:
    acting = [*TEST_BEHAVIOURS.values(), *TEST_REFUND_BEHAVIOURS.values()]
    codes = {one.error_code for one in acting} - {None}
    assert codes <= DECLINES.keys()


def test_a_draw_is_always_the_same_and_evenly_spread() -> None:
    draws = [draw(f"pay_{number:016d}", "outcome") for number in range(4_000)]
    assert draws == [draw(f"pay_{number:016d}", "outcome") for number in range(4_000)]
    assert all(0 <= value < 1 for value in draws)
    for tenth in range(10):
        assert 300 < sum(tenth / 10 <= value < (tenth + 1) / 10 for value in draws) < 500
    assert draw("pay_1", "outcome") != draw("pay_1", "delay")
