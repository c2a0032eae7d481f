"""The merchant's audit log: who did what, when, from where, before and after; a page at a time, or as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import StreamingResponse

from api.access.auth import Caller, looking_up
from api.http.cursor import LIMIT_DEFAULT, Cursor, Limit
from api.http.errors import bad_request
from api.http.period import Period, period
from api.openapi.annotations import errors
from api.process.services import Services, services_of
from api.schemas.audit_log import EntriesShape, entry_shape
from api.schemas.export import harmless
from api.schemas.instant import rfc3339
from domain.audited import Action
from runtime.clock import now
from store.accounts.audit_log import Entry, EntryFilter, list_entries
from store.order_keys import OrderKeys
from store.portions import PORTION

router = APIRouter(prefix="/audit-log", tags=["Audit log"])
ByMerchant = Annotated[Caller, Depends(looking_up)]
Word = Annotated[str | None, Query(max_length=255)]
COLUMNS = ("place", "at", "actor", "action", "subject", "address", "request_id", "before", "after")
CURSOR_DIGITS_MAX = 18


def entry_filter(
    created: Annotated[Period, Depends(period)], action: Action | None = None, actor: Word = None, subject: Word = None
) -> EntryFilter:
    """Dependency: the filters of the list and of its export."""
    return EntryFilter(action, actor, subject, created.from_at, created.to_at)


Filters = Annotated[EntryFilter, Depends(entry_filter)]


@router.get("", summary="List what was done, newest first", responses=errors(400, 401, 503))
async def list_(
    request: Request, caller: ByMerchant, filters: Filters, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> EntriesShape:
    """Changes of keys, secrets, endpoints and settings, sessions, and requests to refund, capture, void or cancel.

    An API key needs the scope `settings`.
    """
    pool = services_of(request).pool
    found = await list_entries(pool, caller.merchant_id, filters, before_place=_place_of(cursor), limit=limit + 1)
    shown, more = found[:limit], len(found) > limit
    return EntriesShape(
        data=[entry_shape(entry) for entry in shown],
        has_more=more,
        next_cursor=str(shown[-1].place) if more else None,
    )


def _place_of(cursor: str | None) -> int | None:
    """Raises ApiError 400 for a cursor that we did not issue."""
    if not cursor:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= CURSOR_DIGITS_MAX):
        raise bad_request("cursor is not valid", "cursor")
    return int(cursor)


@router.get(
    "/export.csv",
    summary="Export the audit log as CSV, newest first",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}, "description": "One line for each entry"}, **errors(400, 401, 503)},
)
async def export(request: Request, caller: ByMerchant, filters: Filters) -> StreamingResponse:
    lines = _lines(services_of(request), caller.merchant_id, filters)
    # The first portion is read before the status is sent: an unavailable database still becomes a 503.
    first = await anext(lines)
    return StreamingResponse(
        _after(first, lines),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="audit-log-{now():%Y-%m-%d}.csv"'},
    )


async def _lines(services: Services, chain: str, filters: EntryFilter) -> AsyncIterator[bytes]:
    """The header row with the first chunk, then chunk by chunk."""
    head, before = [COLUMNS], None
    while True:
        found = await list_entries(services.pool, chain, filters, before_place=before, limit=PORTION)
        yield _csv([*head, *[await _cells(entry, services.order_keys) for entry in found]])
        if len(found) < PORTION:
            return
        head, before = [], found[-1].place


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part


async def _cells(entry: Entry, keys: OrderKeys) -> tuple[str, ...]:
    texts = (entry.actor, entry.action, entry.subject, entry.address, entry.request_id or "")
    values = [b"" if one is None else await keys.opened(orjson.dumps(one)) for one in (entry.before, entry.after)]
    return (str(entry.place), rfc3339(entry.at), *map(harmless, texts), *(value.decode() for value in values))


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
