"""The delivery log: list, read, retry one or many; its bulk jobs; and the one-endpoint form of the settings.

`/webhook-logs` is another name for the log's routes.
"""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from api.access.audit import noted, witness
from api.access.auth import Caller, authenticated, looking_up
from api.http.bodies import read_json, read_optional_json
from api.http.errors import ApiError, bad_request
from api.http.period import Period, period
from api.openapi.annotations import errors, json_body
from api.process.services import services_of
from api.routes.webhook_endpoints import add_endpoint, apply_changes, new_secret_of
from api.schemas.webhook_endpoints import (
    ConfigBody,
    ConfigShape,
    MatchingShape,
    NewEndpointBody,
    RotateBody,
    ScheduledShape,
    config_shape,
)
from api.schemas.webhooks import (
    BulkRetryBody,
    DeliveriesShape,
    DeliveryDetailShape,
    JobShape,
    StatusWord,
    delivery_shape,
    detail_shape,
    filter_of,
    job_shape,
)
from api.webhooks import checked_url, hand_over, opened_job, send_test
from domain.audited import Action
from domain.ids import is_id
from domain.rejection import ErrorCode
from runtime.clock import now
from store.errors import DuplicateError
from store.webhooks.deliveries import NotRetryableError, find_log, list_logs, reopen_log
from store.webhooks.endpoints import Endpoint, delete_endpoint, find_config
from store.webhooks.jobs import JOB, RETRY, LogFilter, count_retry, find_job

router = APIRouter(tags=["Webhooks"])
ByMerchant = Annotated[Caller, Depends(authenticated)]
LookingUp = Annotated[Caller, Depends(looking_up)]
Word = Annotated[str | None, Query(max_length=64, pattern=r"^[A-Za-z0-9_.]+$")]
OFFSET_MAX = 1_000_000


# The one-endpoint form


@router.get("/webhooks/config", summary="Read the webhook URL", responses=errors(401, 503))
async def read_config(request: Request, caller: ByMerchant) -> ConfigShape:
    return config_shape(await find_config(services_of(request).pool, caller.merchant_id))


@router.put(
    "/webhooks/config",
    summary="Set the webhook URL",
    description="Only the first response contains `webhook_secret`. `null` removes the URL.",
    responses=errors(400, 401, 413, 503),
    openapi_extra=json_body(ConfigBody, {"webhook_url": "https://shop.example/webhooks"}),
)
async def set_config(request: Request, caller: ByMerchant) -> ConfigShape:
    body = await read_json(request, ConfigBody)
    pool = services_of(request).pool
    existing = await find_config(pool, caller.merchant_id)
    if not body.webhook_url:
        if existing is not None:
            seen = witness(request, caller, Action.ENDPOINT_DELETED)
            await delete_endpoint(pool, caller.merchant_id, existing.id, seen)
        return config_shape(None)
    if existing is None:
        return await _first_config(request, caller, body.webhook_url)
    checked_url(body.webhook_url, services_of(request).settings, field="webhook_url")
    changes = {"url": body.webhook_url, "active": True}
    return config_shape(await apply_changes(request, caller, existing.id, changes))


async def _first_config(request: Request, caller: Caller, url: str) -> ConfigShape:
    new = NewEndpointBody(url=url, description="Webhook URL")
    try:
        endpoint, secret = await add_endpoint(request, caller, new, is_config=True, field="webhook_url")
    except DuplicateError:
        raise bad_request("The webhook URL is being set by another request", "webhook_url") from None
    return config_shape(endpoint, secret)


@router.post(
    "/webhooks/regenerate-secret",
    summary="Rotate the webhook URL's secret",
    responses=errors(400, 401, 413, 503),
    openapi_extra=json_body(RotateBody, {"expire_previous": False}, required=False),
)
async def regenerate_secret(request: Request, caller: ByMerchant) -> ConfigShape:
    body = await read_optional_json(request, RotateBody)
    endpoint, secret = await new_secret_of(request, caller, (await _config(request, caller)).id, body)
    return config_shape(endpoint, secret)


@router.post("/webhooks/test", summary="Send a `webhook.test` to the webhook URL", responses=errors(400, 401, 503))
async def test(request: Request, caller: ByMerchant) -> ScheduledShape:
    endpoint = await _config(request, caller)
    log_id = await send_test(services_of(request), caller.merchant_id, endpoint, request.scope.get("request_id"))
    return ScheduledShape(id=log_id, message="Test webhook scheduled")


async def _config(request: Request, caller: Caller) -> Endpoint:
    found = await find_config(services_of(request).pool, caller.merchant_id)
    if found is None:
        raise bad_request("webhook_url is not set", "webhook_url")
    return found


# The log


@router.get("/webhooks", summary="List deliveries, newest first", responses=errors(400, 401, 503))
@router.get("/webhook-logs", include_in_schema=False)
async def list_(
    request: Request,
    caller: LookingUp,
    created: Annotated[Period, Depends(period)],
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
    offset: Annotated[int, Query(ge=0, le=OFFSET_MAX)] = 0,
    status: StatusWord | None = None,
    event: Word = None,
    endpoint_id: Word = None,
    payment_id: Word = None,
) -> DeliveriesShape:
    filters = LogFilter(status, event, endpoint_id, payment_id, created.from_at, created.to_at)
    rows, total = await list_logs(services_of(request).pool, caller.merchant_id, filters, limit=limit, offset=offset)
    return DeliveriesShape(data=[delivery_shape(row) for row in rows], total=total, limit=limit, offset=offset)


@router.post(
    "/webhooks/retry",
    summary="Retry deliveries in bulk",
    description="Without a status: the failed ones. Runs in the background as a job. `dry_run` only counts them.",
    responses=errors(400, 401, 413, 503),
    openapi_extra=json_body(BulkRetryBody, {"filter": {"status": "failed"}, "dry_run": True}, required=False),
)
@router.post("/webhook-logs/retry", include_in_schema=False)
async def retry_many(request: Request, caller: LookingUp) -> MatchingShape:
    body = await read_optional_json(request, BulkRetryBody)
    pool, filters = services_of(request).pool, filter_of(body.filter)
    matching = await count_retry(pool, caller.merchant_id, filters)
    if body.dry_run:
        return MatchingShape(matching=matching, job_id=None)
    await noted(request, caller, Action.DELIVERIES_RETRIED, "many", after={"matching": matching})
    job = await opened_job(request, caller.merchant_id, kind=RETRY, filters=filters, total=matching)
    return MatchingShape(matching=matching, job_id=job.id)


@router.get("/webhooks/{log_id}", summary="Read a delivery and its attempts", responses=errors(401, 404, 503))
@router.get("/webhook-logs/{log_id}", include_in_schema=False)
async def read(request: Request, log_id: str, caller: ByMerchant) -> DeliveryDetailShape:
    found = await find_log(services_of(request).pool, caller.merchant_id, _log_id(log_id))
    if found is None:
        raise _not_found()
    row, attempts = found
    return detail_shape(row, await services_of(request).order_keys.opened(row["body"]), attempts)


@router.post("/webhooks/{log_id}/retry", summary="Retry a delivery now", responses=errors(400, 401, 404, 503))
@router.post("/webhook-logs/{log_id}/retry", include_in_schema=False)
async def retry(request: Request, log_id: str, caller: ByMerchant) -> ScheduledShape:
    services = services_of(request)
    known_id = _log_id(log_id)
    if await find_log(services.pool, caller.merchant_id, known_id) is None:
        raise _not_found()
    await noted(request, caller, Action.DELIVERIES_RETRIED, str(known_id))
    try:
        due = await reopen_log(services.pool, caller.merchant_id, known_id, now())
    except NotRetryableError as error:
        raise bad_request(str(error)) from None
    if due is None:
        raise _not_found()
    await hand_over(services, [due])
    return ScheduledShape(id=str(due.log_id), message="Webhook retry scheduled")


def _log_id(value: str) -> uuid.UUID:
    """Raises ApiError 404, also for a malformed id."""
    try:
        return uuid.UUID(value)
    except ValueError:
        raise _not_found() from None


def _not_found() -> ApiError:
    return ApiError(ErrorCode.NOT_FOUND, "Webhook log not found")


@router.get(
    "/webhook-jobs/{job_id}", summary="Read the progress of a replay or a bulk retry", responses=errors(401, 404, 503)
)
async def read_job(request: Request, job_id: str, caller: ByMerchant) -> JobShape:
    found = await find_job(services_of(request).pool, caller.merchant_id, job_id) if is_id(JOB, job_id) else None
    if found is None:
        raise ApiError(ErrorCode.NOT_FOUND, "Webhook job not found")
    return job_shape(found)
