"""Payments, orders and refunds as CSV files: the filters of their lists, streamed, of any length."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request
from starlette.responses import StreamingResponse

from api.access.auth import Caller, looking_up
from api.answers.sealed import opened_all
from api.openapi.annotations import errors
from api.process.services import Services, services_of
from api.routes.orders import order_filter
from api.routes.payments import payment_filter
from api.routes.refunds import refund_filter
from api.schemas.export import ORDERS, PAYMENTS, REFUNDS, Sheet, csv_head, csv_rows
from domain.order import Order
from domain.payment import Payment
from domain.refund import Refund
from runtime.clock import now
from store.keyset import Place
from store.order_keys import OrderKeys
from store.orders import OrderFilter, list_orders
from store.payments import PaymentFilter, list_payments
from store.portions import portions
from store.refunds import RefundFilter, list_refunds

router = APIRouter()
Resource = TypeVar("Resource", Order, Payment, Refund)
List = Callable[..., Awaitable[list[Resource]]]


def _responses(sheet: Sheet) -> dict[int | str, dict[str, Any]]:
    lines = {"content": {"text/csv": {}}, "description": f"The {sheet.name}, one per line"}
    return {200: lines, **errors(400, 401, 503)}


@router.get(
    "/payments/export.csv",
    tags=["Payments"],
    summary="Export payments as CSV, newest first",
    response_class=StreamingResponse,
    responses=_responses(PAYMENTS),
)
async def export_payments(
    request: Request,
    caller: Annotated[Caller, Depends(looking_up)],
    filters: Annotated[PaymentFilter, Depends(payment_filter)],
) -> StreamingResponse:
    return await _file(PAYMENTS, services_of(request), caller.merchant_id, filters, list_payments)


@router.get(
    "/orders/export.csv",
    tags=["Orders"],
    summary="Export orders as CSV, newest first",
    response_class=StreamingResponse,
    responses=_responses(ORDERS),
)
async def export_orders(
    request: Request,
    caller: Annotated[Caller, Depends(looking_up)],
    filters: Annotated[OrderFilter, Depends(order_filter)],
) -> StreamingResponse:
    return await _file(ORDERS, services_of(request), caller.merchant_id, filters, list_orders)


@router.get(
    "/refunds/export.csv",
    tags=["Refunds"],
    summary="Export refunds as CSV, newest first",
    response_class=StreamingResponse,
    responses=_responses(REFUNDS),
)
async def export_refunds(
    request: Request,
    caller: Annotated[Caller, Depends(looking_up)],
    filters: Annotated[RefundFilter, Depends(refund_filter)],
) -> StreamingResponse:
    return await _file(REFUNDS, services_of(request), caller.merchant_id, filters, list_refunds)


async def _file(
    sheet: Sheet, services: Services, merchant_id: str, filters: object, listed: List[Resource]
) -> StreamingResponse:
    async def page(after: Place | None, limit: int) -> list[Resource]:
        return await listed(services.pool, merchant_id, filters, after=after, limit=limit)

    lines = _lines(sheet, portions(page), services.order_keys)
    # The first portion is read before the status is sent: an unavailable database still becomes a 503.
    first = await anext(lines)
    return StreamingResponse(
        _after(first, lines),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{sheet.name}-{now():%Y-%m-%d}.csv"'},
    )


async def _lines(sheet: Sheet, found: AsyncIterator[list[Resource]], keys: OrderKeys) -> AsyncIterator[bytes]:
    head = csv_head(sheet)
    async for resources in found:
        yield head + csv_rows(sheet, await opened_all(resources, keys))
        head = b""
    if head:
        yield head


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part
