"""Card rules: number (ISO/IEC 7812 length and Luhn check), network by prefix, CVV, expiry.

A number lives only in the memory of the request that checks it, until the bank has made a token of it
(`CardDetails`). What may be kept is `CheckedCard`: network and last four digits; never the number, never the CVV.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from domain.rejection import CARD_EXPIRED, CARD_INVALID, ErrorCode, Rejected

NUMBER_LENGTHS = range(13, 20)
_SEPARATORS = str.maketrans("", "", " -")


@dataclass(frozen=True, slots=True)
class CheckedCard:
    """What may be kept of a card."""

    network: str
    last4: str


@dataclass(frozen=True, slots=True)
class CardDetails:
    """What a bank needs to make a token: the number without separators, the expiry as it was typed. Never kept."""

    number: str = field(repr=False)
    expiry_month: str
    expiry_year: str


def normalized(number: str) -> str:
    """The number without the spaces and dashes people type."""
    return number.translate(_SEPARATORS)


def passes_luhn(number: str) -> bool:
    """Luhn check digit (ISO/IEC 7812-1, annex B) of a string of ASCII digits."""
    total = 0
    for position, character in enumerate(reversed(number)):
        digit = ord(character) - 48
        if position % 2:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return total % 10 == 0


def network_of(number: str) -> str:
    """visa, mastercard, amex, rupay or unknown, by the prefix of a normalized number."""
    two, four = int(number[:2]), int(number[:4])
    if number[0] == "4":
        return "visa"
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return "mastercard"
    if two in (34, 37):
        return "amex"
    if two in (60, 65) or 81 <= two <= 89:
        return "rupay"
    return "unknown"


def check_card(details: CardDetails, *, cvv: str, today: date) -> CheckedCard | Rejected:
    """Check everything a payer can mistype. `today` is the payer's latest possible date (see `is_expired`)."""
    digits = details.number
    if not (digits.isascii() and digits.isdigit() and len(digits) in NUMBER_LENGTHS and passes_luhn(digits)):
        return CARD_INVALID
    network = network_of(digits)
    if not (cvv.isascii() and cvv.isdigit() and len(cvv) == (4 if network == "amex" else 3)):
        return Rejected(ErrorCode.INVALID_CARD, CARD_INVALID.description, "card.cvv")
    if is_expired(expiry_month=details.expiry_month, expiry_year=details.expiry_year, today=today):
        return CARD_EXPIRED
    return CheckedCard(network=network, last4=digits[-4:])


def is_expired(*, expiry_month: str, expiry_year: str, today: date) -> bool:
    """True unless month 1–12 of a 2- or 4-digit year is the current month or a later one."""
    for text in (expiry_month, expiry_year):
        if not (text.isascii() and text.isdigit()):
            return True
    month, year = int(expiry_month), int(expiry_year)
    if len(expiry_month) > 2 or len(expiry_year) not in (2, 4) or not 1 <= month <= 12:
        return True
    if len(expiry_year) == 2:
        year += 2000
    return (year, month) < (today.year, today.month)
