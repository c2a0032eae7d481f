"""Pages of a list: `limit` and an opaque `cursor`; the response shows whether there is more and where it continues."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import Query

from api.http.errors import bad_request
from domain.order import Order
from domain.payment import Payment
from domain.refund import Refund
from domain.resource import resource_of
from store.keyset import Place

LIMIT_DEFAULT, LIMIT_MAX = 10, 100
Listed = TypeVar("Listed", Order, Payment, Refund)


Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX)]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the previous page")]


def place_of(cursor: str | None) -> Place | None:
    """Raises ApiError 400 for a cursor that we did not issue."""
    if not cursor:
        return None
    try:
        at, _, last_id = base64.urlsafe_b64decode(cursor.encode() + b"==").decode().partition("|")
        created_at = datetime.fromisoformat(at)
        if created_at.tzinfo is None or not last_id.isascii() or not last_id.isprintable():
            raise ValueError
    except (ValueError, binascii.Error):
        raise bad_request("cursor is not valid", "cursor") from None
    return Place(created_at, last_id)


def cursor_of(created_at: datetime, last_id: str) -> str:
    return base64.urlsafe_b64encode(f"{created_at.isoformat()}|{last_id}".encode()).rstrip(b"=").decode()


def page_of(
    found: Sequence[Listed], limit: int, shape: Callable[[Listed], Mapping[str, Any]] = resource_of
) -> dict[str, Any]:
    """The page of at most `limit`, from a query for one more than that. `shape`: as each of them is shown."""
    shown = found[:limit]
    more = len(found) > limit
    return {
        "data": [shape(subject) for subject in shown],
        "has_more": more,
        "next_cursor": cursor_of(shown[-1].created_at, shown[-1].id) if more else None,
    }
