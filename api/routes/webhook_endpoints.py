"""Webhook endpoints of a merchant: create, read, change, delete; rotate the secret; test; replay a period."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request

from api.access.audit import noted, witness
from api.access.auth import Caller, authenticated
from api.http.bodies import read_json, read_optional_json
from api.http.errors import bad_request
from api.http.period import period_of
from api.openapi.annotations import errors, json_body
from api.process.services import services_of
from api.schemas.webhook_endpoints import (
    ChangeEndpointBody,
    EndpointShape,
    EndpointsShape,
    EndpointWithSecretShape,
    MatchingShape,
    NewEndpointBody,
    ReplayBody,
    RotateBody,
    ScheduledShape,
    endpoint_shape,
    endpoint_with_secret_shape,
)
from api.webhooks import (
    checked_url,
    endpoint_not_found,
    opened_job,
    publish_switches,
    sealed_headers,
    sealed_secret,
    send_test,
)
from domain.audited import Action
from domain.delivery import PREVIOUS_SECRETS_MAX
from domain.ids import ENDPOINT, is_id
from runtime.clock import make_id, now
from runtime.settings import Settings
from store.webhooks.endpoints import (
    ENDPOINTS_MAX,
    Endpoint,
    NewEndpoint,
    TooManyEndpointsError,
    TooManySecretsError,
    change_endpoint,
    delete_endpoint,
    find_endpoint,
    insert_endpoint,
    list_endpoints,
    rotate_secret,
)
from store.webhooks.jobs import REPLAY, Period, count_replay, target_of

router = APIRouter(prefix="/webhook-endpoints", tags=["Webhook endpoints"])
ByMerchant = Annotated[Caller, Depends(authenticated)]


def _well_formed(endpoint_id: str) -> str:
    """A malformed id is treated as unknown: 404."""
    if not is_id(ENDPOINT, endpoint_id):
        raise endpoint_not_found()
    return endpoint_id


EndpointId = Annotated[str, Depends(_well_formed)]
EXAMPLE = {"url": "https://shop.example/webhooks", "events": ["payment.success", "payment.failed"]}


@router.post(
    "",
    summary="Create an endpoint",
    description="Only this response contains the endpoint's secret.",
    status_code=201,
    responses=errors(400, 401, 413, 503),
    openapi_extra=json_body(NewEndpointBody, EXAMPLE),
)
async def create(request: Request, caller: ByMerchant) -> EndpointWithSecretShape:
    body = await read_json(request, NewEndpointBody)
    endpoint, secret = await add_endpoint(request, caller, body)
    return endpoint_with_secret_shape(endpoint, secret)


async def add_endpoint(
    request: Request, caller: Caller, body: NewEndpointBody, *, is_config: bool = False, field: str = "url"
) -> tuple[Endpoint, str]:
    """A new endpoint and its secret. Raises ApiError 400; UniqueViolationError for a second config endpoint."""
    services = services_of(request)
    url = checked_url(body.url, services.settings, field=field)
    endpoint_id = make_id(ENDPOINT)
    secret, sealed, hint = sealed_secret(services.settings, endpoint_id, body.secret)
    new = NewEndpoint(
        id=endpoint_id,
        merchant_id=caller.merchant_id,
        url=url,
        events=body.events,
        description=body.description,
        ordering=body.ordering,
        active=body.active,
        secret_sealed=sealed,
        secret_hint=hint,
        is_config=is_config,
        headers_sealed=sealed_headers(services.settings, endpoint_id, body.headers),
        header_names=list(body.headers),
    )
    try:
        return await insert_endpoint(services.pool, new, witness(request, caller, Action.ENDPOINT_CREATED)), secret
    except TooManyEndpointsError:
        raise bad_request(f"A merchant has at most {ENDPOINTS_MAX} webhook endpoints") from None


@router.get("", summary="List endpoints, oldest first", responses=errors(401, 503))
async def list_(request: Request, caller: ByMerchant) -> EndpointsShape:
    found = await list_endpoints(services_of(request).pool, caller.merchant_id)
    return EndpointsShape(data=[endpoint_shape(endpoint) for endpoint in found])


@router.get("/{endpoint_id}", summary="Read an endpoint", responses=errors(401, 404, 503))
async def read(request: Request, endpoint_id: EndpointId, caller: ByMerchant) -> EndpointShape:
    return endpoint_shape(await owned(request, caller, endpoint_id))


async def owned(request: Request, caller: Caller, endpoint_id: str) -> Endpoint:
    """The merchant's endpoint. Raises ApiError 404."""
    found = await find_endpoint(services_of(request).pool, caller.merchant_id, endpoint_id)
    if found is None:
        raise endpoint_not_found()
    return found


@router.patch(
    "/{endpoint_id}",
    summary="Update an endpoint",
    description="Omitted fields are unchanged. `active: true` also sends the deliveries held until now, in order.",
    responses=errors(400, 401, 404, 413, 503),
    openapi_extra=json_body(ChangeEndpointBody, {"active": True}),
)
async def change(request: Request, endpoint_id: EndpointId, caller: ByMerchant) -> EndpointShape:
    services = services_of(request)
    changes = _changes(await read_json(request, ChangeEndpointBody), services.settings, endpoint_id)
    if not changes:
        return endpoint_shape(await owned(request, caller, endpoint_id))
    if "url" in changes:
        checked_url(changes["url"], services.settings)
    return endpoint_shape(await apply_changes(request, caller, endpoint_id, changes))


async def apply_changes(request: Request, caller: Caller, endpoint_id: str, changes: dict[str, Any]) -> Endpoint:
    """The endpoint as it is now; listeners are notified if it was disabled or enabled. Raises ApiError 404."""
    services, seen = services_of(request), witness(request, caller, Action.ENDPOINT_CHANGED)
    changed = await change_endpoint(services.pool, caller.merchant_id, endpoint_id, changes, now(), seen)
    if changed is None:
        raise endpoint_not_found()
    await publish_switches(services, changed.switches)
    return changed.endpoint


def _changes(body: ChangeEndpointBody, settings: Settings, endpoint_id: str) -> dict[str, Any]:
    """`null` removes a description or the headers; for all other fields it means the same as omitting them."""
    given = body.model_dump(exclude_unset=True)
    changes = {name: value for name, value in given.items() if value is not None or name in ("description", "headers")}
    if "headers" in changes:
        headers = changes.pop("headers") or {}
        changes |= {"headers_sealed": sealed_headers(settings, endpoint_id, headers), "header_names": list(headers)}
    return changes


@router.delete("/{endpoint_id}", summary="Delete an endpoint", status_code=204, responses=errors(401, 404, 503))
async def delete(request: Request, endpoint_id: EndpointId, caller: ByMerchant) -> None:
    seen = witness(request, caller, Action.ENDPOINT_DELETED)
    if not await delete_endpoint(services_of(request).pool, caller.merchant_id, endpoint_id, seen):
        raise endpoint_not_found()


@router.post(
    "/{endpoint_id}/rotate-secret",
    summary="Rotate an endpoint's secret",
    description="Each earlier secret also signs requests until 24 hours after it was replaced; `expire_previous` ends "
    "all of them now. Only this response contains the new secret.",
    responses=errors(400, 401, 404, 413, 503),
    openapi_extra=json_body(RotateBody, {"expire_previous": False}, required=False),
)
async def rotate(request: Request, endpoint_id: EndpointId, caller: ByMerchant) -> EndpointWithSecretShape:
    endpoint, secret = await new_secret_of(request, caller, endpoint_id, await read_optional_json(request, RotateBody))
    return endpoint_with_secret_shape(endpoint, secret)


async def new_secret_of(request: Request, caller: Caller, endpoint_id: str, body: RotateBody) -> tuple[Endpoint, str]:
    """Rotate; the endpoint and its new secret. Raises ApiError 404, or 400 if too many secrets sign already."""
    services = services_of(request)
    secret, sealed, hint = sealed_secret(services.settings, endpoint_id, body.secret)
    try:
        rotated = await rotate_secret(
            services.pool,
            caller.merchant_id,
            endpoint_id,
            secret_sealed=sealed,
            secret_hint=hint,
            expire_previous=body.expire_previous,
            at=now(),
            witness=witness(request, caller, Action.ENDPOINT_SECRET_ROTATED),
        )
    except TooManySecretsError:
        raise bad_request(
            f"{PREVIOUS_SECRETS_MAX} earlier secrets still sign; wait until one expires, or set expire_previous",
            "expire_previous",
        ) from None
    if rotated is None:
        raise endpoint_not_found()
    return rotated, secret


@router.post("/{endpoint_id}/test", summary="Send a `webhook.test`", responses=errors(400, 401, 404, 503))
async def test(request: Request, endpoint_id: EndpointId, caller: ByMerchant) -> ScheduledShape:
    endpoint = await owned(request, caller, endpoint_id)
    log_id = await send_test(services_of(request), caller.merchant_id, endpoint, request.scope.get("request_id"))
    return ScheduledShape(id=log_id, message="Test webhook scheduled")


@router.post(
    "/{endpoint_id}/replay",
    summary="Replay events from a period",
    description="Sends every event between `from` and `to` that passes the endpoint's filter, including events older "
    "than the endpoint, in order and at a limited rate. `dry_run` only counts them.",
    responses=errors(400, 401, 404, 413, 503),
    openapi_extra=json_body(ReplayBody, {"from": "2026-01-15T00:00:00Z", "to": "2026-01-16T00:00:00Z"}),
)
async def replay(request: Request, endpoint_id: EndpointId, caller: ByMerchant) -> MatchingShape:
    body = await read_json(request, ReplayBody)
    requested = period_of(body.begins_at, body.ends_at, UTC)
    assert requested.from_at is not None, "from is required"
    period = Period(endpoint_id, requested.from_at, requested.to_at or now())
    if period.begins_at >= period.ends_at:
        raise bad_request("from must be before to", "from")
    pool = services_of(request).pool
    target = await target_of(pool, caller.merchant_id, endpoint_id)
    if target is None:
        raise endpoint_not_found()
    matching = await count_replay(pool, target, period)
    if body.dry_run:
        return MatchingShape(matching=matching, job_id=None)
    details = {"from": period.begins_at, "to": period.ends_at, "matching": matching}
    await noted(request, caller, Action.EVENTS_REPLAYED, endpoint_id, after=details)
    job = await opened_job(request, caller.merchant_id, kind=REPLAY, filters=period, total=matching)
    return MatchingShape(matching=matching, job_id=job.id)
