"""What the webhook routes share: new secrets, checked targets, and deliveries handed to the dispatcher.

A delivery's row is written first. Should its record not reach the topic, the forwarder's upkeep finds the row within
half a minute, so the response to the merchant holds either way.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

import orjson
from starlette.requests import Request

from api.access.limits import refuse
from api.http.errors import ApiError, bad_request
from api.process.services import Services, services_of
from domain.delivery import Due, log_id
from domain.event_kind import TEST_EVENT
from domain.rejection import ErrorCode
from domain.signature import SECRET_BYTES, SECRET_PREFIX, new_secret
from domain.target import check_url
from runtime.clock import make_id, now
from runtime.logs import get_logger
from runtime.secrets import Sealed, seal
from runtime.settings import Settings
from store.webhooks.endpoint_events import Switch, announce
from store.webhooks.endpoints import Endpoint
from store.webhooks.jobs import JOB, Job, LogFilter, Period, open_job
from store.webhooks.plan import Draft, plan_deliveries
from topics.delivery import delivery_record, trial_webhook_body
from topics.producer import LogUnavailableError

log = get_logger("webhooks")

PUBLISH_SECONDS = 2.0


async def opened_job(request: Request, merchant_id: str, *, kind: str, filters: Period | LogFilter, total: int) -> Job:
    """A new job. Raises ApiError 429 if the merchant has too many unfinished ones."""
    services = services_of(request)
    job = await open_job(
        services.pool,
        job_id=make_id(JOB),
        merchant_id=merchant_id,
        kind=kind,
        filters=filters,
        total=total,
        open_max=services.settings.jobs_open_per_merchant,
    )
    if job is None:
        message = "Too many jobs are open; wait until one is done"
        await refuse(request, f"jobs:{merchant_id}", message, retry_after=10)
    return job


def endpoint_not_found() -> ApiError:
    return ApiError(ErrorCode.NOT_FOUND, "Webhook endpoint not found")


def checked_url(url: str, settings: Settings, *, field: str = "url") -> str:
    """The URL, if webhooks may go there. Raises ApiError 400."""
    bad = check_url(url, private_allowed=settings.private_targets_allowed)
    if bad is not None:
        raise bad_request(bad.description, field)
    return url


def sealed_secret(settings: Settings, endpoint_id: str, own: str | None) -> tuple[str, bytes, str]:
    """The merchant's own secret or a new one, sealed for this endpoint, and its hint."""
    secret = own or new_secret(os.urandom(SECRET_BYTES))
    sealed = seal(secret, settings.keys, Sealed.WEBHOOK_SECRET, endpoint_id)
    return secret, sealed, f"{SECRET_PREFIX}…{secret[-4:]}"


def sealed_headers(settings: Settings, endpoint_id: str, headers: Mapping[str, str]) -> bytes | None:
    """The endpoint's own headers for its row; None if it has none."""
    if not headers:
        return None
    return seal(orjson.dumps(headers).decode(), settings.keys, Sealed.WEBHOOK_HEADERS, endpoint_id)


async def publish_switches(services: Services, switches: Sequence[Switch]) -> None:
    """Notify the merchant's other endpoints and live feeds that endpoints were disabled or enabled."""
    await announce(services.redis, switches)
    await hand_over(services, [due for switch in switches for due in switch.dues])


async def hand_over(services: Services, dues: Sequence[Due]) -> None:
    """Put attempts on the deliveries topic; the upkeep finds those that do not get there."""
    at, partitions = now(), services.settings.topic_partitions
    try:
        async with asyncio.timeout(PUBLISH_SECONDS):
            records = [delivery_record(due, at=at, partitions=partitions) for due in dues]
            await asyncio.gather(*[services.producer.send(record, timeout=PUBLISH_SECONDS) for record in records])
    except (LogUnavailableError, TimeoutError) as error:
        log.warning("delivery_left_to_upkeep", deliveries=len(dues), error=repr(error))


async def send_test(services: Services, merchant_id: str, endpoint: Endpoint, request_id: str | None) -> str:
    """Plan a `webhook.test` for the endpoint; its log id. Raises ApiError 400 if the endpoint is disabled."""
    if not endpoint.active:
        raise bad_request("The webhook endpoint is disabled")
    at = now()
    event_id = f"{make_id('evt_')}_1"
    draft = Draft(
        id=log_id(event_id, endpoint.id, at),
        merchant_id=merchant_id,
        endpoint_id=endpoint.id,
        event_id=event_id,
        event=TEST_EVENT,
        order_id=event_id,
        payment_id=None,
        sequence=1,
        body=trial_webhook_body(event_id=event_id, endpoint_id=endpoint.id, at=at),
        request_id=request_id,
        ordered=False,
        active=True,
    )
    await hand_over(services, await plan_deliveries(services.pool, [draft], at))
    return str(draft.id)
