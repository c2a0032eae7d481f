"""Refunds of the double: create (two routes, one meaning), read, list, change."""

from __future__ import annotations

from datetime import timedelta

import orjson
from starlette.requests import Request

from api.access.audit import noted
from api.access.caller import Caller
from api.answers.idempotency import new_id_for
from api.http.errors import ApiError
from api.process.bus import Decided, Key
from api.process.services import Services, services_of
from api.razorpay.bodies import checked, read_fields
from api.razorpay.commands import decided, refund_key
from api.razorpay.errors import FULLY_REFUNDED, NOT_CAPTURED, REFUND_TOO_LARGE, DoubleError, unknown_id
from api.razorpay.ignored import without_effect
from api.razorpay.payments import owned as owned_payment
from api.razorpay.queries import collection, read_query
from api.razorpay.schemas import REFUNDS_BEYOND, Changed, NewRefund, NewRefundOf, PageQuery, as_texts
from domain.audited import Action
from domain.ids import REFUND, is_id
from domain.payment import Payment
from domain.refund import CreateRefund
from domain.rejection import NOT_REFUNDABLE, REFUND_EXCEEDS
from domain.resource import refund_resource
from store.connections import through_restart
from store.razorpay.refunds import (
    ShownRefund,
    change_refund_notes,
    find_shown_refund,
    insert_refund_terms,
    list_shown_refunds,
)
from topics.razorpay.entities import Entity, RefundTerms, refund_entity

REFUSALS = (REFUND_EXCEEDS.description, NOT_REFUNDABLE.description)


async def create_of_payment(request: Request, caller: Caller) -> Entity:
    body = checked(NewRefund, await read_fields(request, bare="amount"), beyond=REFUNDS_BEYOND)
    return await _create(request, caller, request.path_params["id"], body)


async def create(request: Request, caller: Caller) -> Entity:
    body = checked(NewRefundOf, await read_fields(request), beyond=REFUNDS_BEYOND)
    return await _create(request, caller, body.payment_id, body)


async def _create(request: Request, caller: Caller, payment_id: str, body: NewRefund) -> Entity:
    services = services_of(request)
    fields = {**body.model_dump(), "payment_id": payment_id}
    key = refund_key(request, caller.merchant_id, fields)
    payment = (await owned_payment(services, payment_id, caller.merchant_id)).payment
    if not payment.captured:
        raise DoubleError(NOT_CAPTURED)
    refund_id = new_id_for(request, REFUND, key)
    kept = as_texts(body.notes)
    terms = RefundTerms(None, body.speed, None if kept == body.notes else body.notes)
    await insert_refund_terms(services.pool, refund_id, caller.merchant_id, terms)
    decision = await _refunded(request, caller, payment, body, refund_id, key)
    without_effect(request, ["speed"] if body.speed != "normal" else [])
    return refund_entity(orjson.loads(decision.body), terms)


async def _refunded(
    request: Request, caller: Caller, payment: Payment, body: NewRefund, refund_id: str, key: Key | None
) -> Decided:
    """Without an amount: what is left when it is decided. The text of a refusal depends on the payment's state then."""
    services = services_of(request)
    request_body = {"refund_id": refund_id, "amount": body.amount}
    await noted(request, caller, Action.REFUND_REQUESTED, payment.id, after=request_body)
    try:
        return await decided(request, _command(services, caller, payment, body, refund_id), key=key, new_id=refund_id)
    except ApiError as error:
        if error.description not in REFUSALS:
            raise
    payment = (await owned_payment(services, payment.id, caller.merchant_id)).payment
    if payment.refundable == 0:
        raise DoubleError(FULLY_REFUNDED)
    raise DoubleError(REFUND_TOO_LARGE, field="amount")


def _command(services: Services, caller: Caller, payment: Payment, body: NewRefund, refund_id: str) -> CreateRefund:
    return CreateRefund(
        order_id=payment.order_id,
        payment_id=payment.id,
        refund_id=refund_id,
        merchant_id=caller.merchant_id,
        amount=body.amount,
        reason=None,
        deadline_at=services.clock.now() + timedelta(seconds=services.settings.payment_deadline_seconds),
        receipt=body.receipt,
        notes=as_texts(body.notes),
    )


async def list_(request: Request, caller: Caller) -> Entity:
    part = read_query(request, PageQuery).part
    found = await list_shown_refunds(services_of(request).pool, caller.merchant_id, part)
    return collection([shown(one) for one in found])


async def list_of_payment(request: Request, caller: Caller) -> Entity:
    part = read_query(request, PageQuery).part
    services, payment_id = services_of(request), request.path_params["id"]
    await owned_payment(services, payment_id, caller.merchant_id)
    found = await list_shown_refunds(services.pool, caller.merchant_id, part, payment_id=payment_id)
    return collection([shown(one) for one in found])


async def read(request: Request, caller: Caller) -> Entity:
    return shown(await owned(services_of(request), request.path_params["id"], caller.merchant_id))


async def read_of_payment(request: Request, caller: Caller) -> Entity:
    found = await owned(services_of(request), request.path_params["refund_id"], caller.merchant_id)
    if found.refund.payment_id != request.path_params["id"]:
        raise unknown_id()
    return shown(found)


async def change(request: Request, caller: Caller) -> Entity:
    body = checked(Changed, await read_fields(request))
    services, refund_id = services_of(request), request.path_params["id"]
    await owned(services, refund_id, caller.merchant_id)
    await change_refund_notes(services.pool, refund_id, caller.merchant_id, body.notes)
    return shown(await owned(services, refund_id, caller.merchant_id))


async def owned(services: Services, refund_id: str, merchant_id: str) -> ShownRefund:
    """Raises DoubleError 400 if the merchant has no such refund."""
    if not is_id(REFUND, refund_id):
        raise unknown_id()
    found = await through_restart(lambda: find_shown_refund(services.pool, refund_id, merchant_id))
    if found is None:
        raise unknown_id()
    return found


def shown(found: ShownRefund) -> Entity:
    return refund_entity(refund_resource(found.refund), found.terms)
