"""docs/reference/ERRORS.md: every refusal and every decline, each with what to do about it.

The texts come from the code, the advice from here; a refusal without advice, or advice without a refusal, stops the
generation.
"""

from __future__ import annotations

from collections.abc import Mapping

import domain.rejection
from api.http.errors import FORBIDDEN, RATE_LIMITED, SECOND_FACTOR, STATUS, UNAVAILABLE
from domain.netbanking import BANKS
from domain.outcome import DECLINES
from domain.rejection import ErrorCode, Rejected
from ops.reference.page import code, page, table

INTRODUCTION = """Every error of the API is `{"error": {"code", "description", "field", "request_id"}}`. Branch on
`code` and the status; show `description` to people; quote `request_id` in a question to the operator, who finds it in
the logs. An error with status 4xx changed nothing. After a 5xx, or no response at all, send the same request again with
the same `Idempotency-Key`: it acts once."""
CODES: dict[str, str] = {
    ErrorCode.AUTHENTICATION: "Check key and secret, or sign in again. Every reason has the same text on purpose.",
    SECOND_FACTOR: "The password is right: repeat the login with a code of the second factor in `otp`.",
    FORBIDDEN: "Use a key with the scope, address or origin that the description names.",
    ErrorCode.BAD_REQUEST: "Correct what `field` names. 409: an earlier request is still being decided; wait and"
    " repeat. 413: send less.",
    ErrorCode.NOT_FOUND: "Check the id, and that it belongs to the merchant of this key.",
    ErrorCode.INVALID_VPA: "Let the payer correct the UPI address.",
    ErrorCode.INVALID_CARD: "Let the payer correct the card number.",
    ErrorCode.EXPIRED_CARD: "Let the payer correct the expiry date, or use another card.",
    ErrorCode.IDEMPOTENCY_MISMATCH: "The key belongs to another request: use a new `Idempotency-Key`.",
    RATE_LIMITED: "Wait for the seconds in `Retry-After`, then repeat.",
    UNAVAILABLE: "A service behind the API is unavailable: repeat with the same `Idempotency-Key` after `Retry-After`.",
    ErrorCode.INTERNAL: "A defect in the gateway: repeat with the same `Idempotency-Key`, and report the `request_id`.",
}
REFUSALS: dict[str, str] = {
    "AMOUNT_TOO_SMALL": "Send the amount in minor units: 100 is one rupee.",
    "ORDER_NOT_FOUND": "Check the id, and that it belongs to the merchant of this key.",
    "LINK_NOT_FOUND": "Check the id, and that it belongs to the merchant of this key.",
    "LINK_RESENT_TOO_OFTEN": "Create a new payment link.",
    "PAYMENT_NOT_FOUND": "Check the id, and that it belongs to the merchant of this key.",
    "REFUND_NOT_FOUND": "Check the id, and that it belongs to the merchant of this key.",
    "PERSONAL_DATA_ERASED": "Create a new order.",
    "ORDER_EXISTS": "Let the gateway make the id.",
    "REFUND_EXISTS": "Let the gateway make the id.",
    "ORDER_ALREADY_PAID": "Read the order: its payment is the one to fulfil.",
    "ORDER_NOT_PAYABLE": "The order was cancelled or has expired: create a new one.",
    "EXPIRY_OUT_OF_RANGE": "Send an instant within these bounds.",
    "PAYMENT_IN_PROGRESS": "Wait for the payment's outcome, or cancel it first.",
    "AMOUNT_DIFFERS": "Leave the amount out, or send the order's.",
    "CURRENCY_DIFFERS": "Leave the currency out, or send the order's.",
    "METHOD_UNAVAILABLE": "Offer only what the order's `methods` list.",
    "CAPTURE_AMOUNT_INVALID": "Read the payment and capture at most `amount - amount_refunded`.",
    "NOT_CAPTURABLE": "Only a `SUCCESS` that is not captured, voided or reversed can be captured.",
    "NOT_VOIDABLE": "Only a `SUCCESS` that is not captured or voided can be voided; refund it instead.",
    "NOT_REFUNDABLE": "Only a `SUCCESS` can be refunded. The money of a voided payment goes back automatically.",
    "REFUND_AMOUNT_INVALID": "Send whole minor units above 0, or no amount for all that is left.",
    "REFUND_EXCEEDS": "Read the payment; pending refunds count as well.",
    "BANK_INVALID": f"Send one of {', '.join(map(code, BANKS))}.",
    "VPA_INVALID": "The form is `name@handle`.",
    "SCAN_HAS_NO_VPA": "Leave `vpa` out.",
    "NO_PAYEE": "Set `upi_payee` of the merchant (`PATCH /api/v1/merchants/me`).",
    "NOTHING_TO_SCAN": "Read the payment: it is decided, or does not start with a scan.",
    "CARD_INVALID": "Let the payer correct the card number.",
    "CARD_EXPIRED": "Let the payer correct the expiry date, or use another card.",
    "NOTIFICATION_FORGED": "Check the secret that the acquirer signs with.",
    "NOTIFICATION_UNREADABLE": "Compare the body with the acquirer's own documentation.",
}
FAILURES: dict[str, str] = {
    "PAYMENT_FAILED": "The payer can try again, or another way.",
    "CARD_DECLINED": "The payer asks the issuer, or uses another card.",
    "INSUFFICIENT_FUNDS": "The payer uses another account or card.",
    "UPI_DECLINED": "The payer can try again and approve it in the app.",
    "BANK_DECLINED": "The payer asks the bank, or pays another way.",
    "PAYMENT_ABANDONED": "The payer can try again.",
    "BANK_TIMEOUT": "The payer can try again. If the bank charged it after all, the money goes back automatically.",
    "ORDER_EXPIRED": "Create a new order. The money goes back automatically.",
    "PAYMENT_CANCELLED": "The payer can pay another way.",
    "CARD_DISABLED": "The payer enables online payments with the issuer, or uses another card.",
    "CARD_NUMBER_INVALID": "The payer checks the number, or uses another card.",
    "GATEWAY_TECHNICAL_ERROR": "The payer can try again later.",
    "AUTHENTICATION_FAILED": "The payer can try again.",
    "REFUND_FAILED": "Its amount is free again: refund once more, or return the money another way.",
    "PAYMENT_REVERSED": "Do not fulfil the order; `gateway owed` lists refunds that are owed because of it.",
    "REFUND_RETURNED": "Its amount is free again: ask the payer for another way to return the money.",
}


def errors_page() -> str:
    """The whole page. Raises ValueError if code and advice differ."""
    refusals = {name: found for name, found in vars(domain.rejection).items() if isinstance(found, Rejected)}
    _complete(STATUS, CODES, "error code")
    _complete(refusals, REFUSALS, "refusal")
    _complete(DECLINES, FAILURES, "decline")
    return page(
        "Errors",
        "`domain/rejection.py`, `domain/outcome.py` and `api/http/errors.py`",
        INTRODUCTION,
        "## Codes\n\n" + table(("code", "status", "what to do"), _codes()),
        "## Refusals\n\nWhat a request is refused with by the rules of orders, payments and refunds.",
        table(("description", "code", "field", "what to do"), _refusals(refusals)),
        "## Failed payments and refunds\n\nThe `error_code` and `error_description` of a payment or refund with status"
        " `FAILED`. An acquirer may add codes of its own.",
        table(("error_code", "error_description", "what to do"), _failures()),
    )


def _codes() -> list[tuple[str, str, str]]:
    return [(code(name), str(status), CODES[name]) for name, status in STATUS.items()]


def _refusals(refusals: Mapping[str, Rejected]) -> list[tuple[str, str, str, str]]:
    return [
        (one.description, code(one.code), code(one.field or ""), REFUSALS[name])
        for name, one in sorted(refusals.items())
    ]


def _failures() -> list[tuple[str, str, str]]:
    return [(code(name), text, FAILURES[name]) for name, text in sorted(DECLINES.items())]


def _complete(known: Mapping[str, object], advised: Mapping[str, str], what: str) -> None:
    differing = set(known) ^ set(advised)
    if differing:
        raise ValueError(f"ops/reference/errors.py: {what} without advice, or advice without {what}: {differing}")
