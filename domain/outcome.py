"""The bank's words, and which word the simulated bank gives: a table in test mode, a draw from the id in live mode.

A card number never reaches the bank adapter: `card_token` turns it into an opaque token while the request is checked,
and the token is all that is kept. A UPI address is its own token.

    token ──► behaviour(token) ──► Behaviour(answers, error_code, delay_factor)
    Word(turn, charged) ──► the later of two words wins, in whatever order they arrive
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How an attempt at the bank ended."""

    SUCCESS = "success"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, order=True)
class Word:
    """One word of the bank about one attempt. Words are ordered: the greater one is the later one.

    `turn` counts how often the bank has changed its word, 0 for the first. Two words that contradict each other within
    one turn come from a bank that does not count; there `moved` (the money moved) is the greater one.
    """

    turn: int
    moved: bool


class Answer(StrEnum):
    """Whether the bank's first answer reaches us."""

    GIVEN = "given"
    LOST = "lost"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the bank treats one instrument. `error_code` None: the general setting decides."""

    error_code: str | None = None
    answer: Answer = Answer.GIVEN
    delay_factor: int = 1
    forced_success: bool = False
    turns: bool = False
    """The bank changes its word later: what it called failed it carries out, what succeeded it takes back."""


ORDINARY = Behaviour()
DECLINES = {
    "PAYMENT_FAILED": "Payment processing failed",
    "CARD_DECLINED": "The card was declined by its issuer",
    "INSUFFICIENT_FUNDS": "The account has insufficient funds",
    "UPI_DECLINED": "The payment was declined in the UPI app",
    "BANK_TIMEOUT": "The bank did not answer in time",
    "REFUND_FAILED": "The bank refused the refund",
    "PAYMENT_REVERSED": "The bank took the payment back",
    "REFUND_RETURNED": "The refund bounced: the payer's bank sent it back",
}
"""error_code -> error_description, for people."""
TEST_BEHAVIOURS = {
    "success@upi": ORDINARY,
    "failure@upi": Behaviour(error_code="UPI_DECLINED"),
    "insufficient@upi": Behaviour(error_code="INSUFFICIENT_FUNDS"),
    "timeout@upi": Behaviour(error_code="BANK_TIMEOUT", answer=Answer.NEVER),
    "unknown@upi": Behaviour(answer=Answer.LOST, forced_success=True),
    "slow@upi": Behaviour(delay_factor=10),
    "late@upi": Behaviour(error_code="BANK_TIMEOUT", answer=Answer.NEVER, turns=True),
    "reversed@upi": Behaviour(forced_success=True, turns=True),
    "tok_test_card_declined": Behaviour(error_code="CARD_DECLINED"),
    "tok_test_insufficient_funds": Behaviour(error_code="INSUFFICIENT_FUNDS"),
}
_TEST_CARDS = {
    "4000000000000002": "tok_test_card_declined",
    "4000000000009995": "tok_test_insufficient_funds",
}
ORDINARY_CARD_TOKEN = "tok_card"
TEST_REFUND_BEHAVIOURS = {
    "fail_refund": Behaviour(error_code="REFUND_FAILED"),
    "late_refund": Behaviour(error_code="REFUND_FAILED", turns=True),
    "bounced_refund": Behaviour(turns=True),
}
"""Reason of a refund -> how the bank treats it."""


def card_token(number: str, *, test_mode: bool) -> str:
    """The bank's token for a normalized card number; says nothing about the number but its test behaviour."""
    return _TEST_CARDS.get(number, ORDINARY_CARD_TOKEN) if test_mode else ORDINARY_CARD_TOKEN


def behaviour(token: str) -> Behaviour:
    """Test-mode behaviour of an instrument; unknown tokens are ordinary."""
    return TEST_BEHAVIOURS.get(token.lower(), ORDINARY)


def refund_behaviour(reason: str | None) -> Behaviour:
    """Test-mode behaviour of a refund; reasons that are not in the table are ordinary."""
    return TEST_REFUND_BEHAVIOURS.get(reason or "", ORDINARY)


def draw(attempt_id: str, salt: str) -> float:
    """Uniform in [0, 1), always the same for an attempt and salt, so that a replay decides the same."""
    digest = hashlib.blake2b(attempt_id.encode(), digest_size=7, person=salt.encode()[:16]).digest()
    return int.from_bytes(digest) / float(1 << 56)
