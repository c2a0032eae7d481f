"""Money: whole minor units (paise, yen, fils) with an ISO 4217 code. Never a float, never a string, never a bool."""

from __future__ import annotations

from typing import TypeGuard

AMOUNT_MIN_MINOR = 100
AMOUNT_MAX_MINOR = 10**12
"""Ten thousand million rupees: far above any payment, far below what a 64-bit sum of millions of them overflows."""
DEFAULT_CURRENCY = "INR"


def is_minor_amount(value: object) -> TypeGuard[int]:
    """Whole number, not a bool, within 64 bits. Does not check the minimum."""
    return type(value) is int and abs(value) <= AMOUNT_MAX_MINOR


def is_payable(value: object) -> TypeGuard[int]:
    """True for an amount that an order may have: AMOUNT_MIN_MINOR..AMOUNT_MAX_MINOR."""
    return is_minor_amount(value) and value >= AMOUNT_MIN_MINOR
