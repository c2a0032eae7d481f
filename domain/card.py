"""Card rules: network by prefix (ISO/IEC 7812), length by network, Luhn check, CVV, expiry.

A number lives only in the memory of the request that checks it, until the bank has exchanged it for a token
(`CardDetails`). Only `CheckedCard` may be stored: network and last four digits; never the number, never the CVV.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from domain.rejection import CARD_EXPIRED, CARD_INVALID, ErrorCode, Rejected

EXPIRY_YEARS_MAX = 50
"""A card that is good for longer does not exist: a later year is a typing mistake, such as 2071 for 2027-1."""
_SEPARATORS = str.maketrans("", "", " -")


@dataclass(frozen=True, slots=True)
class Network:
    """The network that issues the numbers of some prefixes. `prefixes`: (first, last) with as many digits each."""

    name: str
    prefixes: tuple[tuple[str, str], ...]
    lengths: tuple[int, ...]
    cvv_length: int = 3


NETWORKS = (
    Network("visa", (("4", "4"),), (13, 16, 19)),
    Network("mastercard", (("51", "55"), ("2221", "2720")), (16,)),
    Network("amex", (("34", "34"), ("37", "37")), (15,), cvv_length=4),
    # Before JCB and Maestro: India's ranges lie inside theirs. Discover's 60 and 65 are RuPay's partners.
    Network(
        "rupay",
        (("60", "60"), ("65", "65"), ("81", "89"), ("508", "508"), ("353", "353"), ("356", "356")),
        (16, 17, 18, 19),
    ),
    Network("unionpay", (("62", "62"),), (16, 17, 18, 19)),
    Network("jcb", (("35", "35"),), (16, 17, 18, 19)),
    Network("diners", (("300", "305"), ("309", "309"), ("36", "36"), ("38", "39")), (14, 15, 16, 17, 18, 19)),
    Network("maestro", (("50", "50"), ("56", "58"), ("63", "63"), ("67", "67")), tuple(range(13, 20))),
)
"""The first match counts. The checkout has the same table (checkout-page/src/state/instrument.ts)."""
UNKNOWN = Network("unknown", (), tuple(range(13, 20)))


@dataclass(frozen=True, slots=True)
class CheckedCard:
    """The parts of a card that may be stored."""

    network: str
    last4: str


@dataclass(frozen=True, slots=True)
class CardDetails:
    """What a bank needs to make a token: the number without separators, the expiry as typed. Never stored."""

    number: str = field(repr=False)
    expiry_month: str
    expiry_year: str


def normalized(number: str) -> str:
    """The number without the spaces and dashes that people type."""
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


def network_of(number: str) -> Network:
    """The network of a normalized number, by its prefix; UNKNOWN if no network has it."""
    for network in NETWORKS:
        if any(first <= number[: len(first)] <= last for first, last in network.prefixes):
            return network
    return UNKNOWN


def check_card(details: CardDetails, *, cvv: str, today: date) -> CheckedCard | Rejected:
    """Check everything that a payer can mistype. `today`: the date where it is earliest (see `has_good_expiry`)."""
    digits = details.number
    if not _is_card_number(digits):
        return CARD_INVALID
    network = network_of(digits)
    if not (cvv.isascii() and cvv.isdigit() and len(cvv) == network.cvv_length):
        return Rejected(ErrorCode.INVALID_CARD, CARD_INVALID.description, "card.cvv")
    if not has_good_expiry(expiry_month=details.expiry_month, expiry_year=details.expiry_year, today=today):
        return CARD_EXPIRED
    return CheckedCard(network=network.name, last4=digits[-4:])


def _is_card_number(digits: str) -> bool:
    """True for a length that its network issues and a correct check digit. Zeros alone pass Luhn; no card has them."""
    if not (digits.isascii() and digits.isdigit()) or len(digits) not in network_of(digits).lengths:
        return False
    return passes_luhn(digits) and digits.strip("0") != ""


def has_good_expiry(*, expiry_month: str, expiry_year: str, today: date) -> bool:
    """True if month 1–12 of a 2- or 4-digit year is the month of `today`, or at most EXPIRY_YEARS_MAX years later.

    A card is valid to the end of its month at the payer's place: pass the earliest date on earth.
    """
    for text in (expiry_month, expiry_year):
        if not (text.isascii() and text.isdigit()):
            return False
    month, year = int(expiry_month), int(expiry_year)
    if len(expiry_month) > 2 or len(expiry_year) not in (2, 4) or not 1 <= month <= 12:
        return False
    if len(expiry_year) == 2:
        year += 2000
    return 0 <= (year - today.year) * 12 + month - today.month <= EXPIRY_YEARS_MAX * 12
