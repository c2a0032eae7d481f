"""Errors as the double's clients read them: one envelope, three codes, and texts that programs search for.

    {"error": {"code", "description", "source", "step", "reason", "metadata", "field"?}}

Never a key `internal_error_code`: the Go client treats a response with it as a success.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.http.errors import AUTHENTICATION, BROKEN_SURROUNDINGS, JSON, RATE_LIMITED, UNAVAILABLE, ApiError
from domain import rejection
from domain.rejection import ErrorCode
from runtime.logs import get_logger
from topics.razorpay.failures import BAD_REQUEST, GATEWAY, SERVER

log = get_logger("razorpay")

HEADERS = {"X-Test-Double": "payment-gateway"}
"""On every response, so that it cannot be mistaken for the original."""
UNKNOWN_ID = "The id provided does not exist"
ALREADY_CAPTURED = "This payment has already been captured"
NOT_AUTHORIZED = "Only payments which have been authorized and not yet captured can be captured"
CAPTURE_AMOUNT = "Capture amount must be equal to the amount authorized"
ORDER_PAID = (
    "Your payment has been declined as the order is already paid. Please initiate the payment with a new order."
)
FULLY_REFUNDED = "The payment has been fully refunded already"
NOT_CAPTURED = "The payment status should be captured for action to be taken"
REFUND_TOO_LARGE = "The refund amount provided is greater than amount captured"
KEY_REUSED = "Different request with the same idempotency key has already been processed."
KEY_BUSY = "Another request with the same idempotency key is still in progress."
NOT_A_CARD = "Payment was not done using card"
UNDECIDED = "The request was accepted but is not decided yet. Fetch what it is about before you send it again."
TROUBLE = "We are facing some trouble completing your request at the moment. Please try again shortly."

_TEXTS = {
    rejection.ORDER_NOT_FOUND.description: UNKNOWN_ID,
    rejection.PAYMENT_NOT_FOUND.description: UNKNOWN_ID,
    rejection.REFUND_NOT_FOUND.description: UNKNOWN_ID,
    rejection.ORDER_ALREADY_PAID.description: ORDER_PAID,
    rejection.PAYMENT_IN_PROGRESS.description: "A payment of this order is still being processed",
    rejection.AMOUNT_DIFFERS.description: "Your payment amount is different from your order amount",
    rejection.CURRENCY_DIFFERS.description: "Your payment currency is different from your order currency",
    rejection.CAPTURE_AMOUNT_INVALID.description: CAPTURE_AMOUNT,
    rejection.NOT_CAPTURABLE.description: NOT_AUTHORIZED,
    rejection.NOT_REFUNDABLE.description: NOT_CAPTURED,
    rejection.REFUND_EXCEEDS.description: REFUND_TOO_LARGE,
    rejection.VPA_INVALID.description: "Invalid VPA. Please enter a valid Virtual Payment Address",
    rejection.CARD_INVALID.description: "The card number or CVV is not valid",
    rejection.CARD_EXPIRED.description: "The card has expired or its expiry date is not valid",
}
"""Our refusals with the double's texts."""


class DoubleError(Exception):
    """An error response of the double. `source`, `step` and `reason` as the clients document them."""

    def __init__(
        self,
        description: str,
        *,
        code: str = BAD_REQUEST,
        status: int = 400,
        field: str | None = None,
        source: str = "business",
        step: str = "payment_initiation",
        reason: str = "input_validation_failed",
        metadata: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(description)
        self.status = status
        self.headers = dict(headers or {})
        self.body: dict[str, Any] = {
            "code": code,
            "description": description,
            "source": source,
            "step": step,
            "reason": reason,
            "metadata": dict(metadata or {}),
        }
        if field is not None:
            self.body["field"] = field


def unknown_id() -> DoubleError:
    """Whatever is not the caller's does not exist for it."""
    return DoubleError(UNKNOWN_ID)


def not_part(what: str, field: str | None = None) -> DoubleError:
    """For everything that the original supports and the double does not."""
    return DoubleError(f"{what} is not part of this test double (docs/RAZORPAY.md lists what is)", field=field)


def unauthenticated(description: str = "Authentication failed") -> DoubleError:
    return DoubleError(
        description, status=401, source="NA", step="NA", reason="NA", headers={"WWW-Authenticate": 'Basic realm="API"'}
    )


def response_of(request: Request, error: Exception) -> Response:
    """The response that an exception becomes; an unexpected one is logged and not described."""
    found = _translated(request, error)
    headers = {**HEADERS, **found.headers}
    return Response(orjson.dumps({"error": found.body}), found.status, headers=headers, media_type=JSON)


def _translated(request: Request, error: Exception) -> DoubleError:
    match error:
        case DoubleError():
            return error
        case ApiError():
            return _of_api(error)
        case ValidationError():
            return of_validation(error)
        case HTTPException():
            return not_part(f"{request.method} {request.url.path}")
    if isinstance(error, BROKEN_SURROUNDINGS):
        log.warning("service_unavailable", path=request.url.path, error=repr(error))
        return _trouble(503)
    log.error("request_failed", path=request.url.path, exc_info=error)
    return _trouble(500)


def _of_api(error: ApiError) -> DoubleError:
    if error.code == AUTHENTICATION:
        return unauthenticated()
    if error.code == ErrorCode.IDEMPOTENCY_MISMATCH:
        return DoubleError(KEY_REUSED, source="NA", step="NA", reason="NA")
    if error.code == RATE_LIMITED:
        return DoubleError(error.description, status=429, headers=error.headers)
    if error.code == UNAVAILABLE:
        return _trouble(503, error.headers)
    if error.code == ErrorCode.INTERNAL:
        return _trouble(500)
    status = 400 if error.status == 404 else error.status
    return DoubleError(_TEXTS.get(error.description, error.description), status=status, field=error.field)


def _trouble(status: int, headers: Mapping[str, str] | None = None) -> DoubleError:
    code = GATEWAY if status == 502 else SERVER
    return DoubleError(TROUBLE, code=code, status=status, source="NA", step="NA", reason="NA", headers=headers)


def of_validation(error: ValidationError) -> DoubleError:
    """The first problem of a body or a query, as a sentence with the field's name."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or None
    return DoubleError(_sentence(first["type"], field or "body", first), field=field)


def _sentence(kind: str, name: str, problem: Any) -> str:
    bounds = problem.get("ctx", {})
    match kind:
        case "missing":
            return f"The {name} field is required."
        case "extra_forbidden":
            return f"{name[:64]} is/are not required and should not be sent"
        case "value_error":
            return str(bounds["error"])
        case "int_parsing" | "int_type" | "int_from_float" | "int_parsing_size":
            return f"The {name} must be an integer."
        case "greater_than_equal" if name == "amount":
            return "The amount must be at least INR 1.00"
        case "greater_than_equal" | "greater_than":
            return f"The {name} must be at least {bounds.get('ge', bounds.get('gt'))}."
        case "less_than_equal":
            return f"The {name} may not be greater than {bounds['le']}."
        case "string_too_long":
            return f"The {name} may not be greater than {bounds['max_length']} characters."
        case "bool_parsing" | "bool_type":
            return f"The {name} must be true or false."
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"The {name} must be an object."
        case "string_type":
            return f"The {name} must be a text."
        case "literal_error":
            return f"The {name} must be {bounds['expected']}."
    return f"The {name} is not valid: {problem['msg']}"
