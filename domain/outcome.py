"""The bank's outcomes of an attempt, and their texts for people.

Word(turn, moved) ──► the later of two reports wins, in whatever order they arrive
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How an attempt at the bank ended."""

    SUCCESS = "success"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, order=True)
class Word:
    """One report of the bank about one attempt. They are ordered: the greater one is the later one.

    `turn` counts how often the bank has reversed the outcome, 0 for the first. Two reports that contradict each other
    within one turn come from a bank that does not count; then `moved` (the money moved) is the greater one.
    """

    turn: int
    moved: bool


ORDER_EXPIRED = "ORDER_EXPIRED"
"""error_code of a payment that the bank made after its order had expired; its money is refunded."""
PAYMENT_CANCELLED = "PAYMENT_CANCELLED"
"""error_code of a payment that its payer left before it was decided."""
DECLINES = {
    "PAYMENT_FAILED": "Payment processing failed",
    "CARD_DECLINED": "The card was declined by its issuer",
    "INSUFFICIENT_FUNDS": "The account has insufficient funds",
    "UPI_DECLINED": "The payment was declined in the UPI app",
    "BANK_DECLINED": "The payment was declined by the payer's bank",
    "PAYMENT_ABANDONED": "The payer did not complete the payment at the bank in time",
    "BANK_TIMEOUT": "The bank did not answer in time",
    ORDER_EXPIRED: "The order expired before the bank had answered",
    PAYMENT_CANCELLED: "The payer cancelled the payment",
    "CARD_DISABLED": "The card is disabled for online payments",
    "CARD_NUMBER_INVALID": "The issuer does not know the card's number",
    "GATEWAY_TECHNICAL_ERROR": "The bank had a technical problem",
    "AUTHENTICATION_FAILED": "The payer was not authenticated",
    "REFUND_FAILED": "The bank refused the refund",
    "PAYMENT_REVERSED": "The bank took the payment back",
    "REFUND_RETURNED": "The refund bounced: the payer's bank sent it back",
}
"""error_code -> error_description, for people."""
