"""Razorpay's documented test instruments at the simulated bank."""

from __future__ import annotations

import pytest

from agents.bank.behaviour import behaviour, card_token
from topics.razorpay.failures import failure_of


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        (("4100280000090000", "5305620000060000"), "payment_timed_out"),
        (("4100280000080001", "5305620000050001"), "insufficient_fund"),
        (("4100280000070002", "5305620000040002"), "payment_cancelled"),
        (("4100280000060003", "5305620000030003"), "card_declined"),
        (("4100280000050004", "5305620000020004"), "card_declined"),
        (("4100280000040005", "5305620000010005"), "card_declined"),
        (("4100280000030006", "5305620000000006"), "card_disabled_for_online_payments"),
        (("4100280000010008", "5305620000080008"), "card_number_invalid"),
        (("4100280000020007", "5305620000090007"), "gateway_technical_error"),
        (("4100280000000009", "5305620000070009"), "authentication_failed"),
    ],
)
def test_each_documented_error_card_has_its_documented_reason(numbers: tuple[str, ...], reason: str) -> None:
    for number in numbers:
        failure = failure_of(behaviour(card_token(number, test_mode=True)).error_code)
        assert failure is not None and failure.reason == reason


@pytest.mark.parametrize("number", ["4100280000001007", "5500670000001002", "6527658900001005"])
def test_a_documented_success_card_is_an_ordinary_one(number: str) -> None:
    assert behaviour(card_token(number, test_mode=True)).error_code is None


def test_no_test_card_is_anything_special_outside_test_mode() -> None:
    assert card_token("4100280000060003", test_mode=False) == card_token("4111111111111111", test_mode=False)


def test_the_documented_addresses_succeed_and_fail() -> None:
    assert behaviour("success@razorpay").error_code is None
    assert behaviour("Failure@razorpay").error_code == "UPI_DECLINED"
