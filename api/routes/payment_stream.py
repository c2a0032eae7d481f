"""A payment's status as it changes, for the checkout page (Server-Sent Events).

    event: status · id: the payment's version · data: the public payment and `webhook_delivered`

Redis only wakes the stream; the content comes from PostgreSQL, so nothing is shown twice or missed. The stream closes
once the payment is decided, or up to DELIVERY_SECONDS later when its webhook was delivered; a browser that reconnects
with the last id then gets 204, which ends its EventSource.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.sse import format_sse_event
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.answers.resources import Found, find
from api.http.errors import unavailable
from api.openapi.annotations import errors
from api.process.live import Watch
from api.process.services import Services, services_of
from api.process.streams import SeatedResponse
from api.routes.public import limit_reads, payment_of_payer, public_shape
from domain.event import EventType
from domain.payment import UNDECIDED, Payment, PaymentStatus
from runtime.logs import get_logger
from store.errors import DatabaseError
from store.log.delivered import outcome_delivered
from store.payments import find_payment
from store.redis.replies import payment_channel
from topics.envelope import encode_json

log = get_logger("payment-stream")
router = APIRouter(tags=["Checkout"])

HEARTBEAT_SECONDS = 15.0
DELIVERY_SECONDS = 10.0
DELIVERY_LOOK_SECONDS = 0.5
RECONNECT_MS = 1_000
FRAMES = (
    "text/event-stream: `event: status`, `id` is the payment's version, `data` the public payment and webhook_delivered"
)


@router.get(
    "/payments/{payment_id}/public/stream",
    summary="Follow a payment until it is decided",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": FRAMES},
        204: {"description": "The payment is decided and the client has its last event; do not reconnect"},
        **errors(403, 404, 429, 503),
    },
)
async def stream(request: Request, payment_id: str) -> Response:
    await limit_reads(request)
    services = services_of(request)
    found = await payment_of_payer(request, payment_id)
    seen = _last_seen(request)
    if _decided(found.row) and _version(found.row) <= seen:
        return Response(status_code=204)
    if not services.payer_seats.take(found.merchant_id):
        raise unavailable("Too many streams are open; poll the payment instead")
    return SeatedResponse(_frames(services, payment_id, seen), services.payer_seats, found.merchant_id)


def _last_seen(request: Request) -> int:
    """Version in Last-Event-ID; -1: nothing was seen. Anything else counts as nothing."""
    sent = request.headers.get("last-event-id", "")
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 10 else -1


async def _frames(services: Services, payment_id: str, seen: int) -> AsyncIterator[bytes]:
    yield format_sse_event(retry=RECONNECT_MS)
    try:
        async with services.live.watch(payment_channel(payment_id)) as watch:
            async for frame in _changes(services, payment_id, seen, watch):
                yield frame
    except (DatabaseError, RedisError, OSError) as error:
        # The browser reconnects automatically and resumes.
        log.warning("stream_broken_off", payment_id=payment_id, error=repr(error))


async def _changes(services: Services, payment_id: str, seen: int, watch: Watch) -> AsyncIterator[bytes]:
    while not watch.closing:
        found = await find(services, payment_id, find_payment)
        if found is None:
            return
        if _version(found.row) > seen:
            seen = _version(found.row)
            delivered = await _delivered(services, found.row)
            yield _frame(found, delivered)
            if _decided(found.row):
                async for frame in _delivery(services, found, watch, delivered):
                    yield frame
        if _decided(found.row):
            return
        if await watch.next(HEARTBEAT_SECONDS) is None:
            yield format_sse_event(comment="heartbeat")


async def _delivery(services: Services, found: Found, watch: Watch, delivered: bool | None) -> AsyncIterator[bytes]:
    """One more frame when the webhook was delivered, if that happens soon."""
    ends_at = time.monotonic() + DELIVERY_SECONDS
    while delivered is False and time.monotonic() < ends_at and not watch.closing:
        await watch.next(DELIVERY_LOOK_SECONDS)
        delivered = await _delivered(services, found.row)
        if delivered:
            yield _frame(found, delivered)


async def _delivered(services: Services, row: object) -> bool | None:
    """Whether the outcome's webhooks arrived; None before there is an outcome, or without an endpoint."""
    if not isinstance(row, Payment) or row.status in UNDECIDED:
        return None
    event_type = EventType.PAYMENT_SUCCESS if row.status is PaymentStatus.SUCCESS else EventType.PAYMENT_FAILED
    return await outcome_delivered(services.pool, payment_id=row.id, merchant_id=row.merchant_id, event_type=event_type)


def _decided(row: object) -> bool:
    return isinstance(row, Payment) and row.status not in UNDECIDED


def _version(row: object) -> int:
    """0: accepted, not decided by its actor yet."""
    return row.version if isinstance(row, Payment) else 0


def _frame(found: Found, delivered: bool | None) -> bytes:
    data = encode_json({**public_shape(found.resource), "webhook_delivered": delivered})
    return format_sse_event(event="status", id=str(_version(found.row)), data_str=data.decode())
