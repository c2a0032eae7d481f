"""What the simulated bank will say: a table in test mode, a draw from the payment id in live mode.

A card number never reaches the bank adapter: `card_token` turns it into an opaque token while the request is checked,
and the token is all that is kept. A UPI address is its own token.

    token ──► behaviour(token) ──► Behaviour(answers, error_code, delay_factor)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How an attempt at the bank ended."""

    SUCCESS = "success"
    FAILED = "failed"


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
    late_success: bool = False
    """The bank calls the attempt failed and charges it all the same, later."""


ORDINARY = Behaviour()
DECLINES = {
    "PAYMENT_FAILED": "Payment processing failed",
    "CARD_DECLINED": "The card was declined by its issuer",
    "INSUFFICIENT_FUNDS": "The account has insufficient funds",
    "UPI_DECLINED": "The payment was declined in the UPI app",
    "BANK_TIMEOUT": "The bank did not answer in time",
    "REFUND_FAILED": "The bank refused the refund",
}
"""error_code -> error_description, for people."""
TEST_BEHAVIOURS = {
    "success@upi": ORDINARY,
    "failure@upi": Behaviour(error_code="UPI_DECLINED"),
    "insufficient@upi": Behaviour(error_code="INSUFFICIENT_FUNDS"),
    "timeout@upi": Behaviour(error_code="BANK_TIMEOUT", answer=Answer.NEVER),
    "unknown@upi": Behaviour(answer=Answer.LOST, forced_success=True),
    "slow@upi": Behaviour(delay_factor=10),
    "late@upi": Behaviour(error_code="BANK_TIMEOUT", answer=Answer.NEVER, late_success=True),
    "tok_test_card_declined": Behaviour(error_code="CARD_DECLINED"),
    "tok_test_insufficient_funds": Behaviour(error_code="INSUFFICIENT_FUNDS"),
}
_TEST_CARDS = {
    "4000000000000002": "tok_test_card_declined",
    "4000000000009995": "tok_test_insufficient_funds",
}
ORDINARY_CARD_TOKEN = "tok_card"
FAILING_REFUND_REASON = "fail_refund"


def card_token(number: str, *, test_mode: bool) -> str:
    """The bank's token for a normalized card number; says nothing about the number but its test behaviour."""
    return _TEST_CARDS.get(number, ORDINARY_CARD_TOKEN) if test_mode else ORDINARY_CARD_TOKEN


def behaviour(token: str) -> Behaviour:
    """Test-mode behaviour of an instrument; unknown tokens are ordinary."""
    return TEST_BEHAVIOURS.get(token.lower(), ORDINARY)


def draw(attempt_id: str, salt: str) -> float:
    """Uniform in [0, 1), always the same for an attempt and salt, so that a replay decides the same."""
    digest = hashlib.blake2b(attempt_id.encode(), digest_size=7, person=salt.encode()[:16]).digest()
    return int.from_bytes(digest) / float(1 << 56)
