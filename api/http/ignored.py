"""The parts of a request that no route reads: unknown query parameters and body fields, and values of a parameter that
was sent more than once.

    Prefer: handling=strict      400, with the nearest name that is known (RFC 7240)
    otherwise                    ignored, and named in the response's X-Ignored

A misspelt filter that is silently ignored returns every row; a refusal breaks integrators who send more than we read.
So it is their choice, and never silent. Only names are kept, never values.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any
from urllib.parse import parse_qsl, quote

from fastapi.dependencies.utils import get_flat_params
from fastapi.params import ParamTypes
from fastapi.routing import APIRoute
from pydantic import BaseModel, RootModel
from starlette.requests import Request
from starlette.types import Scope

from api.http.errors import FIELD_CHARACTERS_MAX, bad_request, unknown_name

IGNORED = "ignored"
"""Name in the request's scope."""
NAMES_MAX = 16
"""Bound of the names in X-Ignored; a request may contain thousands."""
HEADER_SAFE = "!#$&'*+-.^_`|~[]"
"""Beside letters and digits; everything else is percent-encoded."""
Header = tuple[bytes, bytes]
_KNOWN: dict[Callable[..., Any], frozenset[str]] = {}
"""Query parameters by a route's function: finding them takes a tenth of a millisecond."""


async def check_query(request: Request) -> None:
    """Dependency of every route. Raises ApiError 400 for an unknown query parameter in strict handling."""
    if request.scope["query_string"]:
        route = request.scope["route"]
        note_query(request, _parameters(route) if isinstance(route, APIRoute) else frozenset())


def note_query(request: Request, known: Collection[str]) -> None:
    """Refuse or remember the query parameters that are not `known`, and those with several values: one is read."""
    text = request.scope["query_string"].decode("latin-1")
    if not text:
        return
    given: dict[str, set[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        given.setdefault(name, set()).add(value)
    unknown = [name for name in given if name not in known]
    _note(request, unknown, lambda name: unknown_name(name, known, "query parameter"))
    _note(request, [name for name, values in given.items() if name in known and len(values) > 1], _sent_twice)


def _sent_twice(name: str) -> str:
    return f"{name[:FIELD_CHARACTERS_MAX]!r} was sent more than once with different values"


def note_body(request: Request, body: BaseModel) -> None:
    """Refuse or remember the fields of a body that its model does not have; their values are dropped from it."""
    unknown = list(_taken_out(body, ""))
    if unknown:
        known = list(_fields(body, ""))
        _note(request, unknown, lambda name: unknown_name(name, known))


def note_unused(request: Request, name: str) -> None:
    """Refuse or remember a field that the model has and this route does not take from its caller."""
    _note(request, [name], lambda unused: unknown_name(unused, ()))


def ignored_header(scope: Scope) -> Header:
    """Headers of the response to a request with IGNORED in its scope."""
    names = [quote(name[:FIELD_CHARACTERS_MAX], safe=HEADER_SAFE) for name in scope[IGNORED]]
    return b"x-ignored", ", ".join(names).encode()


def _note(request: Request, names: list[str], message: Callable[[str], str]) -> None:
    """`message`: the refusal of a name in strict handling."""
    if not names:
        return
    if _is_strict(request):
        raise bad_request(message(names[0]), names[0][:FIELD_CHARACTERS_MAX])
    ignored = request.scope.setdefault(IGNORED, [])
    ignored += names[: NAMES_MAX - len(ignored)]


def _is_strict(request: Request) -> bool:
    preferences = ",".join(request.headers.getlist("prefer")).split(",")
    return any(_handling(preference) == "strict" for preference in preferences)


def _handling(preference: str) -> str | None:
    """The value of `handling`, without the preference's parameters and quotes."""
    name, _, value = preference.partition(";")[0].partition("=")
    return value.strip().strip('"').lower() if name.strip().lower() == "handling" else None


def _parameters(route: APIRoute) -> frozenset[str]:
    known = _KNOWN.get(route.endpoint)
    if known is None:
        fields = get_flat_params(route.dependant)
        known = frozenset(field.alias for field in fields if getattr(field.field_info, "in_", None) is ParamTypes.query)
        _KNOWN[route.endpoint] = known
    return known


def _taken_out(model: BaseModel, path: str) -> Iterator[str]:
    extra = model.model_extra
    if extra:
        yield from [path + name for name in extra]
        extra.clear()
    for name, part in _parts(model, path):
        yield from _taken_out(part, name)


def _fields(model: BaseModel, path: str) -> Iterator[str]:
    if not isinstance(model, RootModel):
        yield from [path + (field.alias or name) for name, field in type(model).model_fields.items()]
    for name, part in _parts(model, path):
        yield from _fields(part, name)


def _parts(model: BaseModel, path: str) -> Iterator[tuple[str, BaseModel]]:
    for name, value in model.__dict__.items():
        if isinstance(value, BaseModel):
            yield (path if isinstance(model, RootModel) else f"{path}{name}."), value
