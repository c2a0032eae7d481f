"""Names in a request that the double accepts without effect: the response lists them in a header.

A header holds a limited amount of visible ASCII, and clients choose the names: what does not fit is encoded, or
counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from starlette.requests import Request

from api.http.errors import FIELD_CHARACTERS_MAX
from api.http.ignored import HEADER_SAFE, NAMES_MAX

HEADER = "X-Test-Double-Ignored"
EXPAND = "expand"


def without_effect(request: Request, names: Iterable[str]) -> None:
    """Add names to the response's header."""
    _kept(request, "ignored").update(dict.fromkeys(names))


def with_query(request: Request) -> None:
    """The route reads the query itself and refuses unknown parameters."""
    request.state.reads_query = True


def with_expansion(request: Request, what: str) -> None:
    """The route can show `what` in full."""
    _kept(request, "expansions")[what] = None


def header_of(request: Request) -> Mapping[str, str]:
    """Empty if everything in the request had its effect."""
    names = [*_kept(request, "ignored"), *_of_query(request)]
    if not names:
        return {}
    shown = [quote(name[:FIELD_CHARACTERS_MAX], safe=HEADER_SAFE) for name in names[:NAMES_MAX]]
    more = [f"and {len(names) - NAMES_MAX} more"] if len(names) > NAMES_MAX else []
    return {HEADER: ", ".join([*shown, *more])}


def _of_query(request: Request) -> list[str]:
    """Parameters of a route without any, and expansions that the route did not read."""
    known = _kept(request, "expansions")
    names: dict[str, None] = {}
    for name, value in request.query_params.multi_items():
        if name.startswith(EXPAND):
            names |= {f"{EXPAND}[{part}]": None for part in value.split(".") if part not in known}
        elif not getattr(request.state, "reads_query", False):
            names[name] = None
    return list(names)


def _kept(request: Request, name: str) -> dict[str, Any]:
    """An ordered set of the request."""
    found: dict[str, Any] = getattr(request.state, name, None) or {}
    setattr(request.state, name, found)
    return found
