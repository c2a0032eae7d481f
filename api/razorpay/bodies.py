"""Reading a request of the double's clients: JSON, or a form with bracketed names.

    notes[a]=b&payment[capture]=manual&events[]=x   ─►   {"notes": {"a": "b"}, "payment": {"capture": "manual"}, …}
    {"notes": []}  5000  nothing at all             ─►   as they are
    amount=5&amount=6  {"amount": 5, "amount": 6}   ─►   400: a name has one value

Models accept digits as text for numbers, and 0, 1, "1" and true for booleans. They refuse unknown fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import orjson
from pydantic import BaseModel
from starlette.requests import Request

from api.http.bodies import read_body
from api.http.errors import FIELD_CHARACTERS_MAX, sent_twice
from api.http.repeated import repeated_name
from api.razorpay.errors import DoubleError, not_part

FIELDS_MAX = 200
DEPTH_MAX = 5
FORM = "application/x-www-form-urlencoded"
FORM_IN_PARTS = "multipart/form-data"
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)\Z")
_PART = re.compile(r"\[([^\[\]]*)\]")
Model = TypeVar("Model", bound=BaseModel)


async def read_fields(request: Request, *, bare: str | None = None) -> dict[str, Any]:
    """The body as an object. `bare`: the field that a body of a bare number stands for.

    Old programs pass the Python client an amount where it now takes an object, and it sends `5000`.
    """
    body = (await read_body(request)).strip()
    if not body:
        return {}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == FORM:
        return form_fields(body)
    if kind == FORM_IN_PARTS:
        raise not_part(f"A body of {FORM_IN_PARTS} (send JSON or {FORM})")
    try:
        read = orjson.loads(body)
        repeated = repeated_name(body)
    except (orjson.JSONDecodeError, RecursionError):
        raise DoubleError("The request body is not valid JSON") from None
    if repeated is not None:
        raise DoubleError(sent_twice(repeated), field=repeated[:FIELD_CHARACTERS_MAX])
    if bare is not None and type(read) in (int, str):
        return {bare: read}
    if not isinstance(read, dict):
        if read in (None, []):
            return {}
        raise DoubleError("The request body must be an object")
    return read


def form_fields(body: bytes) -> dict[str, Any]:
    """A form's fields, nested by their brackets. Raises DoubleError for one that is not UTF-8 or goes too deep."""
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict", encoding="utf-8"
        )
    except ValueError:
        raise DoubleError(f"The form must be UTF-8 and have at most {FIELDS_MAX} fields") from None
    fields: dict[str, Any] = {}
    for name, value in pairs:
        _put(fields, _path(name), value)
    return {name: _listed(value) for name, value in fields.items()}


def _path(name: str) -> list[str]:
    match = _NAME.match(name)
    if match is None:
        return [name]
    path = [match[1], *_PART.findall(match[2])]
    if len(path) > DEPTH_MAX:
        raise DoubleError(f"{name[:64]} is nested too deeply")
    return path


def _put(fields: dict[str, Any], path: list[str], value: str) -> None:
    place = fields
    for part in path[:-1]:
        inner = place.setdefault(part or str(len(place)), {})
        if not isinstance(inner, dict):
            raise DoubleError(f"{path[0][:64]} is given twice, once as a value and once as an object")
        place = inner
    last = path[-1] or str(len(place))
    if last in place:
        raise DoubleError(sent_twice(path[0]), field=path[0][:FIELD_CHARACTERS_MAX])
    place[last] = value


def _listed(value: Any) -> Any:
    """Objects whose keys count from 0 are lists."""
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(part) for name, part in value.items()}
    if inner and list(inner) == [str(place) for place in range(len(inner))]:
        return list(inner.values())
    return inner


def checked(model: type[Model], fields: Mapping[str, Any], *, beyond: Iterable[str] = ()) -> Model:
    """The fields as `model`. `beyond`: names that the original supports and the double does not; they may be sent
    empty. Raises DoubleError, or pydantic's ValidationError."""
    kept = dict(fields)
    for name in beyond:
        if kept.pop(name, None) not in (None, False, 0, "", "0", "false", [], {}):
            raise not_part(f"The field {name}", name)
    return model.model_validate(kept)
