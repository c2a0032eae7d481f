"""Bodies of the webhook endpoint routes, and of the one-endpoint form `/webhooks/config`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from api.http.period import Bound
from api.schemas.instant import Instant
from domain.custom_headers import check_headers
from domain.event_kind import SUBSCRIBABLE_EVENTS
from domain.signature import SECRET_BYTES_MAX, SECRET_BYTES_MIN, SECRET_PREFIX, is_secret
from store.webhooks.endpoints import Endpoint

EVERY_EVENT = "*"
DESCRIPTION_LENGTH_MAX = 255


def _events(events: list[str]) -> list[str]:
    if EVERY_EVENT in events:
        return list(SUBSCRIBABLE_EVENTS)
    unknown = next((event for event in events if event not in SUBSCRIBABLE_EVENTS), None)
    if unknown is not None:
        raise ValueError(f"events must be among {', '.join(SUBSCRIBABLE_EVENTS)}")
    return list(dict.fromkeys(events))


def _headers(headers: dict[str, str]) -> dict[str, str]:
    bad = check_headers(headers)
    if bad is not None:
        raise ValueError(bad.description)
    return headers


def _own_secret(secret: str) -> str:
    if not is_secret(secret):
        raise ValueError(
            f"secret must be {SECRET_PREFIX} and the base64 of {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes"
        )
    return secret


Events = Annotated[list[str], Field(max_length=50), AfterValidator(_events)]
Headers = Annotated[dict[str, str], AfterValidator(_headers)]
OwnSecret = Annotated[str, StringConstraints(max_length=128), AfterValidator(_own_secret)]
Description = Annotated[str, StringConstraints(max_length=DESCRIPTION_LENGTH_MAX)]
OrderingWord = Literal["per_payment", "none"]


class Body(BaseModel):
    """A request. Unknown fields are refused, so that nothing is ignored silently; types are never converted."""

    model_config = ConfigDict(strict=True, extra="forbid")


class NewEndpointBody(Body):
    """An endpoint without `events` receives payment.success, payment.failed, refund.processed and refund.failed.

    `headers` are added to every request; they are stored encrypted and never returned. `secret` is your own secret
    instead of a generated one: `whsec_` followed by the base64 of 24 to 64 bytes.
    """

    url: str
    events: Events = []
    description: Description | None = None
    ordering: OrderingWord = "per_payment"
    active: bool = True
    headers: Headers = {}
    secret: OwnSecret | None = None


class ChangeEndpointBody(Body):
    """Omitted fields are unchanged. `active: true` also sends the held deliveries. `headers` replaces all headers."""

    url: str | None = None
    events: Events | None = None
    description: Description | None = None
    ordering: OrderingWord | None = None
    active: bool | None = None
    headers: Headers | None = None


class RotateBody(Body):
    """`secret`: your own secret instead of a generated one. `expire_previous`: earlier secrets stop signing now."""

    secret: OwnSecret | None = None
    expire_previous: bool = False


class ReplayBody(Body):
    """Replays events from `from` (inclusive) to `to` (exclusive, default: now; a date includes that whole day)."""

    begins_at: Bound = Field(alias="from")
    ends_at: Bound | None = Field(None, alias="to")
    dry_run: bool = False


class ConfigBody(Body):
    """`null` or an empty string removes the endpoint."""

    webhook_url: str | None


class EndpointShape(BaseModel):
    """`header_names`: names of your custom headers; their values are never returned."""

    id: str
    url: str
    events: list[str]
    description: str | None
    ordering: OrderingWord
    active: bool
    disabled_reason: Literal["merchant", "gone", "failing"] | None
    secret_hint: str
    header_names: list[str]
    previous_secret_expires_at: Instant | None
    created_at: Instant
    updated_at: Instant | None


class EndpointWithSecretShape(EndpointShape):
    """Only this response contains `secret`."""

    secret: str


class EndpointsShape(BaseModel):
    data: list[EndpointShape]


class ConfigShape(BaseModel):
    """`webhook_secret` is present only in the response that created it."""

    webhook_url: str | None
    endpoint_id: str | None
    events: list[str]
    active: bool
    secret_hint: str | None
    previous_secret_expires_at: Instant | None
    webhook_secret: str | None


class MatchingShape(BaseModel):
    """How many deliveries a replay or a bulk retry covers. `job_id` is null for a dry run."""

    matching: int
    job_id: str | None


class ScheduledShape(BaseModel):
    """A scheduled delivery; `id` is the id of its log."""

    id: str
    status: Literal["pending"] = "pending"
    message: str


def endpoint_shape(endpoint: Endpoint) -> EndpointShape:
    return EndpointShape.model_validate(_fields(endpoint))


def endpoint_with_secret_shape(endpoint: Endpoint, secret: str) -> EndpointWithSecretShape:
    return EndpointWithSecretShape.model_validate({**_fields(endpoint), "secret": secret})


def config_shape(endpoint: Endpoint | None, secret: str | None = None) -> ConfigShape:
    if endpoint is None:
        return ConfigShape(
            webhook_url=None,
            endpoint_id=None,
            events=[],
            active=False,
            secret_hint=None,
            previous_secret_expires_at=None,
            webhook_secret=None,
        )
    return ConfigShape(
        webhook_url=endpoint.url,
        endpoint_id=endpoint.id,
        events=list(endpoint.events),
        active=endpoint.active,
        secret_hint=endpoint.secret_hint,
        previous_secret_expires_at=endpoint.previous_expires_at,
        webhook_secret=secret,
    )


def _fields(endpoint: Endpoint) -> dict[str, object]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "description": endpoint.description,
        "ordering": endpoint.ordering,
        "active": endpoint.active,
        "disabled_reason": endpoint.disabled_reason,
        "secret_hint": endpoint.secret_hint,
        "header_names": list(endpoint.header_names),
        "previous_secret_expires_at": endpoint.previous_expires_at,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }
