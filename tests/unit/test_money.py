"""Amounts: whole minor units, nothing else."""

from __future__ import annotations

import pytest

from domain.money import AMOUNT_MAX_MINOR, AMOUNT_MIN_MINOR, is_minor_amount, is_payable


@pytest.mark.parametrize("value", [AMOUNT_MIN_MINOR, 50_000, AMOUNT_MAX_MINOR])
def test_payable(value: int) -> None:
    assert is_payable(value)


@pytest.mark.parametrize(
    "value",
    [99, 0, -100, AMOUNT_MAX_MINOR + 1, 10**30, 100.0, 100.5, "100", True, False, None, [], float("nan"), float("inf")],
)
def test_not_payable(value: object) -> None:
    assert not is_payable(value)


@pytest.mark.parametrize("value", [0, 1, -1, -AMOUNT_MAX_MINOR])
def test_a_minor_amount_may_be_small_but_not_a_bool(value: int) -> None:
    assert is_minor_amount(value)
    assert not is_minor_amount(True)
