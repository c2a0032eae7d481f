"""Routes that exist only with TEST_MODE=true: the test merchant, a job to watch, and the job status."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.access.limits import limit_address
from api.answers.resources import json_response
from api.answers.sealed import sealed
from api.http.bodies import read_json, read_optional_json
from api.http.errors import refused, unavailable
from api.openapi.annotations import errors, json_body
from api.process.services import services_of
from api.routes.public import payment_of_payer, public_shape
from api.schemas.body import Body
from api.schemas.payments import PublicPaymentView
from domain.decision import Command
from domain.ids import ORDER, PAYMENT, SEEDED_MERCHANT_ID
from domain.instrument import Upi
from domain.order import CreateOrder
from domain.payment import CreatePayment
from domain.rejection import NOTHING_TO_SCAN, ErrorCode, Rejected
from runtime.clock import make_id, now
from store.accounts.merchants import find as find_merchant
from store.redis.job_counters import job_status
from topics.catalogue import COMMANDS

JOB_AMOUNT_MINOR = 50_000
JOB_VPA = "success@upi"
NOT_SEEDED = Rejected(ErrorCode.NOT_FOUND, "The test merchant is not seeded")


async def only_in_test_mode(request: Request) -> None:
    """Outside of test mode these routes return 404."""
    if not services_of(request).settings.test_mode:
        raise HTTPException(404)


router = APIRouter(tags=["Test mode"], dependencies=[Depends(only_in_test_mode)])


class NewJob(Body):
    """Body of POST /test/jobs/enqueue."""

    type: str | None = None


class Scan(Body):
    """Body of POST /test/payments/{id}/scan."""

    approved: bool = Field(description="false: the payer declines")


class JobQueued(BaseModel):
    status: str
    job_id: str
    payment_id: str
    queue: str


class TestMerchant(BaseModel):
    id: str
    email: str
    api_key: str
    seeded: bool


@router.get("/test/merchant", summary="The seeded merchant", response_model=TestMerchant, responses=errors(404, 503))
async def read_merchant(request: Request) -> Response:
    services = services_of(request)
    merchant = await find_merchant(services.pool, SEEDED_MERCHANT_ID)
    if merchant is None:
        raise refused(NOT_SEEDED)
    return json_response(
        {"id": merchant.id, "email": merchant.email, "api_key": services.settings.test_api_key, "seeded": True}
    )


@router.post(
    "/test/jobs/enqueue",
    summary="Create an order and a payment",
    response_model=JobQueued,
    responses=errors(400, 404, 503),
    openapi_extra=json_body(NewJob, {"type": "payment"}, required=False),
)
async def enqueue(request: Request) -> Response:
    """Send a real order and a real UPI payment through the log. /test/jobs/status shows the progress."""
    await read_optional_json(request, NewJob)
    order_id, payment_id = make_id(ORDER), make_id(PAYMENT)
    await _submit(request, _order(order_id), order_id)
    await _submit(request, _payment(request, order_id, payment_id), payment_id)
    job = {"status": "queued", "job_id": f"job_{payment_id[-16:]}", "payment_id": payment_id, "queue": COMMANDS}
    return json_response(job)


async def _submit(request: Request, command: Command, resource_id: str) -> None:
    """On the log is enough: a job may wait there for a worker."""
    services = services_of(request)
    await services.commands.submit(
        await sealed(services, command), key=None, request_id=request.scope["request_id"], resource_id=resource_id
    )


def _order(order_id: str) -> CreateOrder:
    return CreateOrder(
        order_id=order_id,
        merchant_id=SEEDED_MERCHANT_ID,
        amount=JOB_AMOUNT_MINOR,
        currency="INR",
        receipt="test job",
        notes={},
    )


def _payment(request: Request, order_id: str, payment_id: str) -> CreatePayment:
    deadline = timedelta(seconds=services_of(request).settings.payment_deadline_seconds)
    return CreatePayment(
        order_id=order_id,
        payment_id=payment_id,
        merchant_id=SEEDED_MERCHANT_ID,
        instrument=Upi(JOB_VPA),
        token=JOB_VPA,
        amount=None,
        currency=None,
        deadline_at=now() + deadline,
    )


@router.post(
    "/test/payments/{payment_id}/scan",
    summary="Approve or decline as the payer's UPI app",
    response_model=PublicPaymentView,
    responses=errors(400, 403, 404, 413, 429, 503),
    openapi_extra=json_body(Scan, {"approved": True}),
)
async def scan(request: Request, payment_id: str) -> Response:
    """Acts as the UPI app that scanned a QR code or received a request (`pending@upi`).

    Returns the payment before the decision; the outcome arrives like every outcome.
    """
    services = services_of(request)
    await limit_address(request, "payments-public", services.settings.rate_limit_public_per_minute)
    body = await read_json(request, Scan)
    found = await payment_of_payer(request, payment_id)
    pages = services.bank_pages
    try:
        decided = pages is not None and await pages.scan(
            payment_id, approved=body.approved, request_id=request.scope["request_id"]
        )
    except OSError as error:
        raise unavailable("The bank is unavailable; please retry.") from error
    if not decided:
        raise refused(NOTHING_TO_SCAN)
    return json_response(public_shape(found.resource))


@router.get(
    "/test/jobs/status", summary="Job counters and workers", response_model=dict[str, Any], responses=errors(404, 503)
)
async def status(request: Request) -> Response:
    services = services_of(request)
    return json_response(await job_status(services.redis, services.settings))
