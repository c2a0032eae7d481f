"""Errors over HTTP: one envelope for all, and the one table from an error's code to its status.

{"error": {"code", "description", "field", "request_id"}}

ApiError ── raised by routes and what they call; becomes that envelope, wherever it was raised
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from domain.instrument import Method
from domain.rejection import AMOUNT_TOO_SMALL, ErrorCode, Rejected
from runtime.logs import get_logger
from store.errors import DatabaseUnavailableError

log = get_logger("api")

AUTHENTICATION = ErrorCode.AUTHENTICATION
FORBIDDEN = "FORBIDDEN_ERROR"
SECOND_FACTOR = "SECOND_FACTOR_REQUIRED"
RATE_LIMITED = "RATE_LIMITED"
UNAVAILABLE = "SERVICE_UNAVAILABLE"

FIELD_CHARACTERS_MAX = 64
"""Characters of an unknown field's name in the response."""

STATUS: dict[str, int] = {
    AUTHENTICATION: 401,
    SECOND_FACTOR: 401,
    FORBIDDEN: 403,
    ErrorCode.BAD_REQUEST: 400,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.INVALID_VPA: 400,
    ErrorCode.INVALID_CARD: 400,
    ErrorCode.EXPIRED_CARD: 400,
    ErrorCode.IDEMPOTENCY_MISMATCH: 422,
    RATE_LIMITED: 429,
    UNAVAILABLE: 503,
    ErrorCode.INTERNAL: 500,
}
RETRY_AFTER_SECONDS = "1"
BROKEN_SURROUNDINGS = (DatabaseUnavailableError, RedisError, OSError)
"""The database or Redis is unavailable, restarting or too slow (TimeoutError is an OSError)."""
INVALID_CREDENTIALS = "Invalid API credentials"
JSON = "application/json"


class ApiError(Exception):
    """An error response. `status` only if it differs from the code's own (409, 413)."""

    def __init__(
        self,
        code: str,
        description: str,
        *,
        field: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.field = field
        self.status = status if status is not None else STATUS.get(code, 400)
        self.headers = dict(headers or {})


def sent_twice(name: str) -> str:
    """The message for a field that a body has twice."""
    return f"{name[:FIELD_CHARACTERS_MAX]!r} is in the body more than once"


def bad_request(description: str, field: str | None = None) -> ApiError:
    return ApiError(ErrorCode.BAD_REQUEST, description, field=field)


def refused(rejected: Rejected) -> ApiError:
    """A refusal of the domain, as a response."""
    return ApiError(rejected.code, rejected.description, field=rejected.field)


def refused_body(body: str) -> ApiError:
    """A refusal as the actor sent it or the inbox keeps it."""
    message = orjson.loads(body)
    return ApiError(message["code"], message["description"], field=message["field"])


def unauthenticated() -> ApiError:
    """One text for every reason, so that it does not reveal which part was wrong."""
    return ApiError(AUTHENTICATION, INVALID_CREDENTIALS, headers={"WWW-Authenticate": 'Basic realm="payment gateway"'})


def unavailable(description: str) -> ApiError:
    return ApiError(UNAVAILABLE, description, headers={"Retry-After": RETRY_AFTER_SECONDS})


def error_body(*, code: str, description: str, field: str | None, request_id: str | None) -> bytes:
    return orjson.dumps({"error": {"code": code, "description": description, "field": field, "request_id": request_id}})


def error_response(error: ApiError, request_id: str | None) -> Response:
    body = error_body(code=error.code, description=error.description, field=error.field, request_id=request_id)
    return Response(body, error.status, headers=error.headers, media_type=JSON)


TAGGED = ("union_tag_invalid", "union_tag_not_found")
METHODS = frozenset(Method)


def unknown_name(name: str, known: Collection[str], what: str = "field") -> str:
    """The message for an unknown name, with the nearest known one."""
    close = get_close_matches(name[:FIELD_CHARACTERS_MAX], known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{name[:FIELD_CHARACTERS_MAX]!r} is not a known {what}{hint}"


def of_validation(errors: list[Any], known: Collection[str] = ()) -> ApiError:
    """The first problem of a schema violation, as 400 with the field's dotted path. `known`: the body's fields."""
    first = errors[0]
    place = [str(part) for part in first["loc"]]
    if first["type"] in TAGGED:
        place.append(first["ctx"]["discriminator"].strip("'"))
    elif place and place[0] in METHODS:
        del place[0]  # names the body that was read, not a field of it
    field = ".".join(place) or None
    return bad_request(_sentence(first, field, known), field)


def _sentence(problem: ErrorDetails, field: str | None, known: Collection[str]) -> str:
    kind, name = problem["type"], field or "the body"
    if kind == "value_error":
        return str(problem["ctx"]["error"])
    if kind == "json_invalid":
        return "The body is not valid JSON"
    if kind == "union_tag_invalid":
        return f"{name} must be {problem['ctx']['expected_tags'].replace(', ', ' or ')}"
    if kind in ("missing", "union_tag_not_found"):
        return f"{name} is required"
    if kind == "extra_forbidden":
        return unknown_name(name, known)
    if (
        field in ("amount", "order.amount")
        and kind in ("greater_than_equal", "greater_than")
        and problem["ctx"].get("ge") == 100
    ):
        return AMOUNT_TOO_SMALL.description
    message = problem["msg"]
    for prefix in ("Input should be ", "Input should ", "Value should ", "Value error, "):
        message = message.removeprefix(prefix)
    verb = "should" if message.startswith(("have", "match")) else "must be"
    return f"{name} {verb} {message}" if problem["msg"].startswith(("Input", "Value")) else f"{name}: {message}"


async def on_error(request: Request, error: Exception) -> Response:
    """The handlers of every exception that the application registers."""
    return response_of(request, error)


def response_of(request: Request, error: Exception) -> Response:
    """The response that an exception becomes. An unexpected one is logged with its trace, and reveals nothing
    outside."""
    request_id = request_id_of(request)
    match error:
        case ApiError():
            return error_response(error, request_id)
        case RequestValidationError():
            places = [{**problem, "loc": problem["loc"][1:]} for problem in error.errors()]  # without query, path, body
            return error_response(of_validation(places), request_id)
        case ValidationError():
            return error_response(of_validation(list(error.errors())), request_id)
        case HTTPException():
            return error_response(_of_http(error), request_id)
    if isinstance(error, BROKEN_SURROUNDINGS):
        log.warning("service_unavailable", request_id=request_id, path=request.url.path, error=repr(error))
        return error_response(unavailable("A backing service is unavailable; please retry"), request_id)
    log.error("request_failed", request_id=request_id, path=request.url.path, exc_info=error)
    return error_response(ApiError(ErrorCode.INTERNAL, "Something went wrong on our side"), request_id)


def _of_http(error: HTTPException) -> ApiError:
    """Starlette's own: no such route, method not allowed."""
    code = ErrorCode.NOT_FOUND if error.status_code == 404 else ErrorCode.BAD_REQUEST
    return ApiError(code, str(error.detail), status=error.status_code, headers=error.headers)


def request_id_of(request: Request) -> str | None:
    found: str | None = request.scope.get("request_id")
    return found
