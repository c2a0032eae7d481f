"""Refunds of a merchant: create (two routes, one meaning), read, list."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from api.access.auth import Caller, authenticated, looking_up
from api.access.refund_limits import note_refund
from api.answers.answers import respond
from api.answers.idempotency import key_of, new_id_for
from api.answers.resources import find, json_response, known_order
from api.answers.sealed import sealed
from api.http.bodies import read_json, read_optional_json
from api.http.cursor import LIMIT_DEFAULT, Cursor, Limit, page_of, place_of
from api.http.errors import refused
from api.http.period import Period, period
from api.http.search import CurrencyFilter
from api.openapi.annotations import errors, json_body
from api.process.services import services_of
from api.routes.payments import owned_payment
from api.schemas.refunds import NewRefund, NewRefundOf, RefundPage, RefundView
from domain.ids import REFUND, is_id
from domain.refund import CreateRefund
from domain.rejection import REFUND_NOT_FOUND
from store.refunds import RefundFilter, find_refund, list_refunds

router = APIRouter(tags=["Refunds"])
EXAMPLE = {"amount": 10000, "reason": "returned goods", "receipt": "return-7"}
RESPONSES = {
    202: {"model": RefundView, "description": "Accepted, but not decided yet"},
    **errors(400, 401, 404, 409, 413, 422, 503),
}


@router.post(
    "/payments/{payment_id}/refunds",
    summary="Refund a payment in full or in part",
    status_code=201,
    response_model=RefundView,
    responses=RESPONSES,
    openapi_extra=json_body(NewRefund, EXAMPLE, required=False, idempotent=True),
)
async def create_refund_of_payment(request: Request, payment_id: str) -> Response:
    caller = await authenticated(request)
    return await _create(request, caller, payment_id, await read_optional_json(request, NewRefund))


@router.post(
    "/refunds",
    summary="Refund a payment named in the body",
    status_code=201,
    response_model=RefundView,
    responses=RESPONSES,
    openapi_extra=json_body(NewRefundOf, {"payment_id": "pay_0Xk3bR1aZpQ8wEsD", **EXAMPLE}, idempotent=True),
)
async def create_refund(request: Request) -> Response:
    caller = await authenticated(request)
    body = await read_json(request, NewRefundOf)
    return await _create(request, caller, body.payment_id, body)


async def _create(request: Request, caller: Caller, payment_id: str, body: NewRefund) -> Response:
    key = key_of(request, scope=caller.merchant_id, route="refunds", fields=body.fields(payment_id))
    services = services_of(request)
    found = await owned_payment(services, payment_id, caller.merchant_id, key=key)
    refund_id = new_id_for(request, REFUND, key)
    requested = CreateRefund(
        order_id=found.order_id,
        payment_id=payment_id,
        refund_id=refund_id,
        merchant_id=caller.merchant_id,
        amount=body.amount,
        reason=body.reason,
        deadline_at=services.clock.now() + timedelta(seconds=services.settings.payment_deadline_seconds),
        receipt=body.receipt,
        notes=body.notes or {},
    )
    command = await sealed(services, requested, key)  # the audit log keeps its text permanently
    assert isinstance(command, CreateRefund), "sealing changes no kind"
    await note_refund(
        request,
        caller,
        payment_id,
        refund_id=refund_id,
        amount=body.amount,
        currency=found.resource["currency"],
        requested={"refund_id": refund_id, "amount": body.amount, "reason": command.reason},
    )
    return await respond(
        request,
        command,
        key=key,
        merchant_id=caller.merchant_id,
        resource_id=refund_id,
        new=True,
        location=f"/api/v1/refunds/{refund_id}",
        load=lambda: known_order(services, found.order_id),
    )


def refund_filter(
    created: Annotated[Period, Depends(period)],
    payment_id: Annotated[str | None, Query(max_length=64)] = None,
    status: Literal["PENDING", "PROCESSED", "FAILED"] | None = None,
    currency: CurrencyFilter = None,
) -> RefundFilter:
    """Dependency: the filters of every list of refunds, the export's too."""
    return RefundFilter(payment_id, status, created.from_at, created.to_at, currency)


@router.get(
    "/refunds", summary="List refunds, newest first", response_model=RefundPage, responses=errors(400, 401, 503)
)
async def list_(
    request: Request,
    caller: Annotated[Caller, Depends(looking_up)],
    filters: Annotated[RefundFilter, Depends(refund_filter)],
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> Response:
    found = await list_refunds(
        services_of(request).pool,
        caller.merchant_id,
        filters,
        after=place_of(cursor),
        limit=limit + 1,
    )
    return json_response(page_of(found, limit))


@router.get("/refunds/{refund_id}", summary="Read a refund", response_model=RefundView, responses=errors(401, 404, 503))
async def read(request: Request, refund_id: str, caller: Annotated[Caller, Depends(authenticated)]) -> Response:
    found = await find(services_of(request), refund_id, find_refund) if is_id(REFUND, refund_id) else None
    if found is None or found.merchant_id != caller.merchant_id:
        raise refused(REFUND_NOT_FOUND)
    return json_response(found.resource)
