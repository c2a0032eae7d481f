"""What the simulated bank does: a table in test mode, a draw from the attempt id in live mode. Pure.

    token ──► behaviour(token) ──► Behaviour(answer, error_code, delay_factor, turns)

A card's token reveals nothing about the number except its test behaviour. A UPI address is its own token.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from domain.action import ActionType


class FirstResponse(StrEnum):
    """Whether the bank's first response reaches us."""

    GIVEN = "given"
    LOST = "lost"
    NEVER = "never"
    SILENT = "silent"
    """For a while, the response to a query does not reach us either."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the bank treats one instrument. `error_code` None: the general setting decides."""

    error_code: str | None = None
    first_response: FirstResponse = FirstResponse.GIVEN
    delay_factor: int = 1
    forced_success: bool = False
    step: ActionType | None = None
    """The step that the payer takes at the bank; it decides the outcome."""
    refuses_cancel: bool = False
    """The bank refuses to cancel an attempt that waits for its payer."""
    turns: bool = False
    """The bank reverses the outcome later: a failed attempt succeeds, a successful one is returned."""


ORDINARY = Behaviour()
AT_THE_BANK = Behaviour(step=ActionType.REDIRECT)
IN_THE_APP = Behaviour(step=ActionType.APP)
SCAN = "scan:"
"""Prefix of the token of a payer who scans a UPI link; the link's payee follows it (domain/upi.py)."""
NETBANKING = "netbanking:"
"""Prefix of the token of a payer who chose a bank; the bank's code follows it."""
TEST_BEHAVIOURS = {
    "success@upi": ORDINARY,
    "failure@upi": Behaviour(error_code="UPI_DECLINED"),
    "insufficient@upi": Behaviour(error_code="INSUFFICIENT_FUNDS"),
    "timeout@upi": Behaviour(error_code="BANK_TIMEOUT", first_response=FirstResponse.NEVER),
    "unknown@upi": Behaviour(first_response=FirstResponse.LOST, forced_success=True),
    "slow@upi": Behaviour(delay_factor=10),
    "pending@upi": IN_THE_APP,
    "nocancel@upi": Behaviour(step=ActionType.APP, refuses_cancel=True),
    "late@upi": Behaviour(error_code="BANK_TIMEOUT", first_response=FirstResponse.NEVER, turns=True),
    "reversed@upi": Behaviour(forced_success=True, turns=True),
    "success@razorpay": ORDINARY,
    "failure@razorpay": Behaviour(error_code="UPI_DECLINED"),
    "netbanking:succ": Behaviour(forced_success=True),
    "netbanking:fail": Behaviour(error_code="BANK_DECLINED"),
    "netbanking:slow": Behaviour(first_response=FirstResponse.SILENT, forced_success=True),
    "tok_test_card_declined": Behaviour(error_code="CARD_DECLINED"),
    "tok_test_otp": Behaviour(step=ActionType.OTP),
    "tok_test_insufficient_funds": Behaviour(error_code="INSUFFICIENT_FUNDS"),
    "tok_test_bank_timeout": Behaviour(error_code="BANK_TIMEOUT"),
    "tok_test_payment_cancelled": Behaviour(error_code="PAYMENT_CANCELLED"),
    "tok_test_card_disabled": Behaviour(error_code="CARD_DISABLED"),
    "tok_test_card_number_invalid": Behaviour(error_code="CARD_NUMBER_INVALID"),
    "tok_test_gateway_technical_error": Behaviour(error_code="GATEWAY_TECHNICAL_ERROR"),
    "tok_test_authentication_failed": Behaviour(error_code="AUTHENTICATION_FAILED"),
}
_TEST_CARDS = {
    "4000000000000002": "tok_test_card_declined",
    "4000000000003220": "tok_test_otp",
    "4000000000009995": "tok_test_insufficient_funds",
    # Razorpay's documented error cards, for applications written for it (docs/RAZORPAY.md)
    "4100280000090000": "tok_test_bank_timeout",
    "5305620000060000": "tok_test_bank_timeout",
    "4100280000080001": "tok_test_insufficient_funds",
    "5305620000050001": "tok_test_insufficient_funds",
    "4100280000070002": "tok_test_payment_cancelled",
    "5305620000040002": "tok_test_payment_cancelled",
    "4100280000060003": "tok_test_card_declined",
    "5305620000030003": "tok_test_card_declined",
    "4100280000050004": "tok_test_card_declined",
    "5305620000020004": "tok_test_card_declined",
    "4100280000040005": "tok_test_card_declined",
    "5305620000010005": "tok_test_card_declined",
    "4100280000030006": "tok_test_card_disabled",
    "5305620000000006": "tok_test_card_disabled",
    "4100280000010008": "tok_test_card_number_invalid",
    "5305620000080008": "tok_test_card_number_invalid",
    "4100280000020007": "tok_test_gateway_technical_error",
    "5305620000090007": "tok_test_gateway_technical_error",
    "4100280000000009": "tok_test_authentication_failed",
    "5305620000070009": "tok_test_authentication_failed",
}
ORDINARY_CARD_TOKEN = "tok_card"
TEST_REFUND_BEHAVIOURS = {
    "fail_refund": Behaviour(error_code="REFUND_FAILED"),
    "late_refund": Behaviour(error_code="REFUND_FAILED", turns=True),
    "bounced_refund": Behaviour(turns=True),
}
"""Reason of a refund -> how the bank treats it."""


def card_token(number: str, *, test_mode: bool) -> str:
    """The bank's token for a normalized card number; reveals nothing about the number except its test behaviour."""
    return _TEST_CARDS.get(number, ORDINARY_CARD_TOKEN) if test_mode else ORDINARY_CARD_TOKEN


def behaviour(token: str) -> Behaviour:
    """Test-mode behaviour of an instrument; unknown tokens behave normally."""
    if token.startswith(SCAN):
        return IN_THE_APP
    otherwise = AT_THE_BANK if token.startswith(NETBANKING) else ORDINARY
    return TEST_BEHAVIOURS.get(token.lower(), otherwise)


def refund_behaviour(reason: str | None) -> Behaviour:
    """Test-mode behaviour of a refund; reasons that are not in the table behave normally."""
    return TEST_REFUND_BEHAVIOURS.get(reason or "", ORDINARY)


def draw(attempt_id: str, salt: str) -> float:
    """Uniform in [0, 1), a function of attempt and salt, so that a replay gives the same result."""
    digest = hashlib.blake2b(attempt_id.encode(), digest_size=7, person=salt.encode()[:16]).digest()
    return int.from_bytes(digest) / float(1 << 56)
