"""Query parameters of the double's reads and lists, and the list's response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from api.razorpay.ignored import EXPAND, with_expansion, with_query
from topics.razorpay.entities import Entity

Query = TypeVar("Query", bound=BaseModel)


def read_query(request: Request, model: type[Query]) -> Query:
    """Raises ValidationError. What starts with `expand` is not the model's (see `expanded`)."""
    with_query(request)
    given: dict[str, Any] = {name: value for name, value in request.query_params.items() if not name.startswith(EXPAND)}
    return model.model_validate(given)


def expanded(request: Request, what: str) -> bool:
    """Whether the caller requests `what` in full. Clients spell it expand[], expand[0] or expand[expand]."""
    with_expansion(request, what)
    return any(
        name.startswith(EXPAND) and what in value.split(".") for name, value in request.query_params.multi_items()
    )


def collection(items: Sequence[Entity]) -> Entity:
    return {"entity": "collection", "count": len(items), "items": list(items)}
