"""Why a payment failed, in the double's terms: our decline code -> the five error fields of its payment."""

from __future__ import annotations

from dataclasses import dataclass

BAD_REQUEST, GATEWAY, SERVER = "BAD_REQUEST_ERROR", "GATEWAY_ERROR", "SERVER_ERROR"
"""The only codes that clients handle."""


@dataclass(frozen=True, slots=True)
class Failure:
    """`source`: who caused it; `step`: where in the payment; `reason`: what programs branch on."""

    code: str
    description: str
    source: str
    step: str
    reason: str


FAILURES = {
    "CARD_DECLINED": Failure(
        BAD_REQUEST,
        "Your payment did not go through as it was declined by the bank. Try another payment method.",
        "issuer_bank",
        "payment_authorization",
        "card_declined",
    ),
    "INSUFFICIENT_FUNDS": Failure(
        BAD_REQUEST,
        "Your payment could not be completed due to insufficient account balance. Try another payment method.",
        "customer",
        "payment_authorization",
        "insufficient_fund",
    ),
    "UPI_DECLINED": Failure(
        BAD_REQUEST,
        "Payment failed because the customer or their UPI app declined it.",
        "customer",
        "payment_authentication",
        "payment_failed",
    ),
    "BANK_DECLINED": Failure(
        BAD_REQUEST,
        "Your payment did not go through as it was declined by your bank. Try another payment method.",
        "bank",
        "payment_authorization",
        "payment_failed",
    ),
    "PAYMENT_ABANDONED": Failure(
        BAD_REQUEST,
        "Your payment was not completed on the bank's page in time. Try again.",
        "customer",
        "payment_authentication",
        "payment_timed_out",
    ),
    "BANK_TIMEOUT": Failure(
        BAD_REQUEST,
        "Your payment could not be completed in time. Try again later.",
        "customer",
        "payment_authentication",
        "payment_timed_out",
    ),
    "PAYMENT_CANCELLED": Failure(
        BAD_REQUEST,
        "Your payment has been cancelled. Try again or complete the payment later.",
        "customer",
        "payment_authentication",
        "payment_cancelled",
    ),
    "CARD_DISABLED": Failure(
        BAD_REQUEST,
        "Your card is disabled for online payments. Try another card.",
        "customer",
        "payment_authorization",
        "card_disabled_for_online_payments",
    ),
    "CARD_NUMBER_INVALID": Failure(
        BAD_REQUEST,
        "You have entered an incorrect card number. Try again.",
        "customer",
        "payment_initiation",
        "card_number_invalid",
    ),
    "GATEWAY_TECHNICAL_ERROR": Failure(
        GATEWAY,
        "Your payment did not go through due to a temporary issue. Any debited amount will be refunded.",
        "gateway",
        "payment_authorization",
        "gateway_technical_error",
    ),
    "AUTHENTICATION_FAILED": Failure(
        GATEWAY,
        "Your payment could not be completed due to an incorrect OTP or incorrect verification details.",
        "customer",
        "payment_authentication",
        "authentication_failed",
    ),
}
OTHER = Failure(BAD_REQUEST, "Payment processing failed", "gateway", "payment_authorization", "payment_failed")


def failure_of(error_code: str | None) -> Failure | None:
    """None for a payment that has not failed."""
    return None if error_code is None else FAILURES.get(error_code, OTHER)
