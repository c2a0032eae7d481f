"""What the OpenAPI document contains about routes that read their own bodies, and about errors.

    @router.post("/orders", openapi_extra=json_body(NewOrder, {...}), responses=errors(400, 401))

The hot routes parse their bodies themselves, so FastAPI cannot see the model: `json_body` names it, and
api/openapi/document.py puts its schema among the components.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from api.http import errors as codes
from domain.rejection import ErrorCode

BODIES: dict[str, type[BaseModel]] = {}
"""Models that `json_body` named, by the name of their schema."""
KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "1 to 255 printable ASCII characters. Repeating the same key and body returns the stored response, "
    "byte for byte, with `Idempotent-Replayed: true`; the same key with a different body returns 422.",
    "schema": {"type": "string", "maxLength": 255},
}
_MESSAGES: dict[int, tuple[str, str, str]] = {
    400: (
        "The request is invalid, or the current state does not allow it",
        ErrorCode.BAD_REQUEST,
        "amount must be at least 100",
    ),
    401: ("The credentials are missing or wrong", codes.AUTHENTICATION, codes.INVALID_CREDENTIALS),
    403: ("Authenticated, but not permitted", codes.FORBIDDEN, "This API key lacks the scope 'refunds'"),
    404: ("No such object, or it belongs to another merchant", ErrorCode.NOT_FOUND, "Order not found"),
    409: (
        "An earlier request with this Idempotency-Key is still being decided",
        ErrorCode.BAD_REQUEST,
        "An earlier request with this Idempotency-Key is still being decided",
    ),
    413: ("The body is larger than 64 KiB", ErrorCode.BAD_REQUEST, "The body must not exceed 65536 bytes"),
    422: (
        "The Idempotency-Key was used with a different body",
        ErrorCode.IDEMPOTENCY_MISMATCH,
        "Idempotency-Key was used with another request; these fields differ: amount",
    ),
    429: ("Too many requests", codes.RATE_LIMITED, "Too many requests"),
    503: (
        "The log or the database is unavailable; safe to retry with the same Idempotency-Key",
        codes.UNAVAILABLE,
        "A backing service is unavailable; please retry",
    ),
}


RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait before retrying", "schema": {"type": "string"}}}
LIMIT_HEADERS = {
    "RateLimit-Limit": {"description": "Requests allowed in a burst", "schema": {"type": "string"}},
    "RateLimit-Remaining": {"description": "Requests left", "schema": {"type": "string"}},
    "RateLimit-Reset": {"description": "Seconds until the full limit is available again", "schema": {"type": "string"}},
}


class ErrorDetail(BaseModel):
    code: str = Field(examples=["BAD_REQUEST_ERROR"])
    description: str
    field: str | None = Field(description="Dotted path of the invalid input field, if the error concerns one")
    request_id: str | None


class ErrorEnvelope(BaseModel):
    """The body of every error response."""

    error: ErrorDetail


def errors(*statuses: int, by_key: bool = True) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route: these error responses, each with an example. `by_key`: a 401 is about an API key, which
    may also lack a scope: 403."""
    all_of_them = {*statuses, 403} if by_key and 401 in statuses else set(statuses)
    return {status: _response(status) for status in sorted(all_of_them)}


def json_body(
    model: type[BaseModel], example: Any, *, required: bool = True, idempotent: bool = False
) -> dict[str, Any]:
    """`openapi_extra` of a route that parses a JSON body of this model."""
    BODIES[model.__name__] = model
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    extra: dict[str, Any] = {
        "requestBody": {"required": required, "content": {"application/json": {"schema": schema, "example": example}}}
    }
    if idempotent:
        extra["parameters"] = [KEY_PARAMETER]
    return extra


def _response(status: int) -> dict[str, Any]:
    description, code, message = _MESSAGES[status]
    example = {
        "error": {"code": code, "description": message, "field": None, "request_id": "req_5f2d0c1a9be84d07a3f1c6e2"}
    }
    response: dict[str, Any] = {
        "model": ErrorEnvelope,
        "description": description,
        "content": {"application/json": {"example": example}},
    }
    if status in (409, 429, 503):
        response["headers"] = RETRY_AFTER | (LIMIT_HEADERS if status == 429 else {})
    return response
