"""Payments as a CSV file: the same filters as the list, streamed, of any length."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import StreamingResponse

from api.access.auth import Caller, looking_up
from api.openapi.annotations import errors
from api.process.services import services_of
from api.routes.payments import payment_filter
from api.schemas.export import csv_head, csv_rows
from runtime.clock import now
from store.driver import Pool
from store.payment_export import portions
from store.payments import PaymentFilter

router = APIRouter(tags=["Payments"])


@router.get(
    "/payments/export.csv",
    summary="Export payments as CSV, newest first",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}, "description": "One line for each payment"}, **errors(400, 401, 503)},
)
async def export(
    request: Request,
    caller: Annotated[Caller, Depends(looking_up)],
    wanted: Annotated[PaymentFilter, Depends(payment_filter)],
) -> StreamingResponse:
    lines = _lines(services_of(request).pool, caller.merchant_id, wanted)
    # The first portion is read before the status is sent: a database that is away still gets its 503.
    first = await anext(lines)
    name = f"payments-{now():%Y-%m-%d}.csv"
    return StreamingResponse(
        _after(first, lines),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _lines(pool: Pool, merchant_id: str, wanted: PaymentFilter) -> AsyncIterator[bytes]:
    head = csv_head()
    async for payments in portions(pool, merchant_id, wanted):
        yield head + csv_rows(payments)
        head = b""
    if head:
        yield head


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part
