"""The banks that a payer can choose for netbanking, by the four letters with which India's bank codes (IFSC) begin.

Test mode has three more, with fixed outcomes.
"""

from __future__ import annotations

BANKS = {
    "HDFC": "HDFC Bank",
    "ICIC": "ICICI Bank",
    "SBIN": "State Bank of India",
    "UTIB": "Axis Bank",
    "KKBK": "Kotak Mahindra Bank",
    "PUNB": "Punjab National Bank",
    "BARB": "Bank of Baroda",
    "CNRB": "Canara Bank",
}
TEST_BANKS = ("SUCC", "FAIL", "SLOW")


def is_bank(code: str, *, test_mode: bool) -> bool:
    """Whether a payer can choose this bank."""
    return code in BANKS or (test_mode and code in TEST_BANKS)
