"""Reading a request's JSON body: size, content type, UTF-8, depth, NUL, repeated names; and one pydantic model.

The parser (jiter) itself refuses lone surrogates, broken UTF-8, nesting above 200 and numbers above 4,300 digits.
"""

from __future__ import annotations

import re
import time
from typing import Any, TypeVar
from urllib.parse import unquote_plus

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from api.http.errors import FIELD_CHARACTERS_MAX, ApiError, bad_request, of_validation, sent_twice
from api.http.ignored import note_body
from api.http.repeated import repeated_name
from domain.rejection import ErrorCode
from runtime.order_keys import PREFIX

BODY_BYTES_MAX = 65_536
ON_ITS_WAY_SECONDS = 0.25
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ESCAPED = re.compile(r"\\u([0-9A-Fa-f]{4})")
Model = TypeVar("Model", bound=BaseModel)


def too_large() -> ApiError:
    return ApiError(ErrorCode.BAD_REQUEST, f"The body must not exceed {BODY_BYTES_MAX} bytes", status=413)


async def read_json(request: Request, model: type[Model]) -> Model:
    """The body as `model`, without fields that the model does not have. Raises ApiError 400 or 413."""
    content_type = request.headers.get("content-type")
    if content_type is not None and not _is_json(content_type):
        raise bad_request("Content-Type must be application/json")
    body = parse_json(await read_body(request), model)
    note_body(request, body)
    return body


async def read_optional_json(request: Request, model: type[Model]) -> Model:
    """As read_json, but an absent body means `{}`."""
    if not (await read_body(request)).strip():
        return model()
    return await read_json(request, model)


async def read_body(request: Request) -> bytes:
    """All bytes, at most BODY_BYTES_MAX: a larger body is never held as a whole."""
    kept: bytes | None = getattr(request.state, "body", None)
    if kept is not None:
        return kept
    parts, size, more = [], 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise bad_request("The body is incomplete")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise too_large()
        parts.append(part)
        more = message.get("more_body", False)
    body = request.state.body = parts[0] if len(parts) == 1 else b"".join(parts)
    if (b"sealed" in body or b"\\u" in body or b"%" in body) and _imitates_sealed(body):
        raise bad_request(f"Text must not contain '{PREFIX}'")
    return body


async def has_taken_long(request: Request) -> bool:
    """Read the body; returns whether it took so long that the sender must be authenticated again.

    Otherwise somebody could have a request admitted, lose every right, and only then send its content. Raises as
    read_body.
    """
    if request.method in SAFE_METHODS:
        return False
    began = time.monotonic()
    await read_body(request)
    return time.monotonic() - began > ON_ITS_WAY_SECONDS


def _imitates_sealed(body: bytes) -> bool:
    """Whether a text in the body would pass for one that we have sealed, and be opened for its sender."""
    text = unquote_plus(body.decode(errors="replace"))
    return PREFIX in _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)  # without a parser: two can disagree


def parse_json(body: bytes, model: type[Model]) -> Model:
    """Raises ApiError 400, also for a name that an object has twice (api/http/repeated.py)."""
    try:
        parsed = model.model_validate_json(body)
    except ValidationError as error:
        known = [field.alias or name for name, field in model.model_fields.items()]
        raise of_validation(list(error.errors(include_url=False, include_input=False)), known) from None
    repeated = repeated_name(body)
    if repeated is not None:
        raise bad_request(sent_twice(repeated), repeated[:FIELD_CHARACTERS_MAX])
    if b"\\u0000" in body and _holds_nul(orjson.loads(body)):
        raise bad_request("Text must not contain NUL characters")
    return parsed


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(name) or _holds_nul(part) for name, part in value.items())
    return isinstance(value, list) and any(map(_holds_nul, value))
