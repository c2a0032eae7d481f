"""Expected refusals, as values. Texts that external scripts match literally are defined only here.

command -> decide -> Decision | Rejected(code, description, field)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ErrorCode(StrEnum):
    """The `code` of an error response; the API maps it to an HTTP status."""

    AUTHENTICATION = "AUTHENTICATION_ERROR"
    BAD_REQUEST = "BAD_REQUEST_ERROR"
    NOT_FOUND = "NOT_FOUND_ERROR"
    INVALID_VPA = "INVALID_VPA"
    INVALID_CARD = "INVALID_CARD"
    EXPIRED_CARD = "EXPIRED_CARD"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    INTERNAL = "INTERNAL_SERVER_ERROR"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A command that changes nothing. `field` names the offending input, if any."""

    code: ErrorCode
    description: str
    field: str | None = None


AMOUNT_TOO_SMALL = Rejected(ErrorCode.BAD_REQUEST, "amount must be at least 100", "amount")
ORDER_NOT_FOUND = Rejected(ErrorCode.NOT_FOUND, "Order not found")
LINK_NOT_FOUND = Rejected(ErrorCode.NOT_FOUND, "Payment link not found")
LINK_RESENT_TOO_OFTEN = Rejected(ErrorCode.BAD_REQUEST, "A payment link can be sent again at most 100 times")
PAYMENT_NOT_FOUND = Rejected(ErrorCode.NOT_FOUND, "Payment not found")
REFUND_NOT_FOUND = Rejected(ErrorCode.NOT_FOUND, "Refund not found")
PERSONAL_DATA_ERASED = Rejected(
    ErrorCode.BAD_REQUEST, "The personal data of this order were erased; create a new order for another payment"
)
ORDER_EXISTS = Rejected(ErrorCode.BAD_REQUEST, "Order already exists")
REFUND_EXISTS = Rejected(ErrorCode.BAD_REQUEST, "Refund already exists")
ORDER_ALREADY_PAID = Rejected(ErrorCode.BAD_REQUEST, "Order already paid")
ORDER_NOT_PAYABLE = Rejected(ErrorCode.BAD_REQUEST, "Order is not payable")
EXPIRY_OUT_OF_RANGE = Rejected(
    ErrorCode.BAD_REQUEST, "expires_at must be between 5 minutes and 180 days ahead", "expires_at"
)
PAYMENT_IN_PROGRESS = Rejected(ErrorCode.BAD_REQUEST, "Order has a payment in progress")
AMOUNT_DIFFERS = Rejected(ErrorCode.BAD_REQUEST, "amount must equal the order's amount", "amount")
CURRENCY_DIFFERS = Rejected(ErrorCode.BAD_REQUEST, "currency must equal the order's currency", "currency")
METHOD_UNAVAILABLE = Rejected(ErrorCode.BAD_REQUEST, "method is not available for the order's currency", "method")
CAPTURE_AMOUNT_INVALID = Rejected(
    ErrorCode.BAD_REQUEST, "amount must be positive and at most what is left of the payment", "amount"
)
NOT_CAPTURABLE = Rejected(ErrorCode.BAD_REQUEST, "Payment not in capturable state")
NOT_VOIDABLE = Rejected(ErrorCode.BAD_REQUEST, "Payment not in voidable state")
NOT_REFUNDABLE = Rejected(ErrorCode.BAD_REQUEST, "Payment not in refundable state")
REFUND_AMOUNT_INVALID = Rejected(ErrorCode.BAD_REQUEST, "amount must be a positive integer", "amount")
REFUND_EXCEEDS = Rejected(ErrorCode.BAD_REQUEST, "Refund amount exceeds available amount", "amount")
BANK_INVALID = Rejected(ErrorCode.BAD_REQUEST, "bank must be the code of a known bank", "bank")
VPA_INVALID = Rejected(ErrorCode.INVALID_VPA, "VPA format invalid", "vpa")
SCAN_HAS_NO_VPA = Rejected(
    ErrorCode.BAD_REQUEST, "vpa is not known before a scan: leave it out where flow is qr", "vpa"
)
NO_PAYEE = Rejected(ErrorCode.BAD_REQUEST, "The merchant has no upi_payee that a QR code could pay to", "flow")
NOTHING_TO_SCAN = Rejected(ErrorCode.BAD_REQUEST, "Payment does not wait for a UPI app")
CARD_INVALID = Rejected(ErrorCode.INVALID_CARD, "Card validation failed", "card.number")
NOTIFICATION_FORGED = Rejected(ErrorCode.AUTHENTICATION, "The notification is not signed by the bank")
NOTIFICATION_UNREADABLE = Rejected(ErrorCode.BAD_REQUEST, "The notification cannot be read")
CARD_EXPIRED = Rejected(ErrorCode.EXPIRED_CARD, "Card expiry date invalid", "card.expiry")
