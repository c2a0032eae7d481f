"""The merchant's live feed: every event as it happens, resumable at any of them (Server-Sent Events).

    Redis merchant:<id> ──"look"──► next events after the last one sent, from PostgreSQL ──► event: change

Redis only wakes the feed; the content comes from PostgreSQL. So nothing is sent twice or missed, and without Redis the
feed is merely two seconds slower. `id` is the cursor of GET /events.

Disabled and enabled endpoints are frames without an id: they belong to no order, so no cursor covers them. Each
connection begins with those of the last minute; a listener ignores ids it has seen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query, Request
from fastapi.sse import EventSourceResponse, format_sse_event
from redis.exceptions import RedisError
from starlette.responses import StreamingResponse

from api.access.auth import Caller, authenticated, identified
from api.access.limits import refuse
from api.access.sessions import still_signed_in
from api.http.errors import ApiError, bad_request
from api.openapi.annotations import errors
from api.process.live import Watch
from api.process.services import services_of
from api.process.streams import SeatedResponse
from runtime.clock import now
from runtime.logs import get_logger
from store.driver import Pool
from store.errors import DatabaseError
from store.log.feed import CursorError, FeedEvent, FeedPlace, feed_end, next_events, place_of_cursor
from store.redis.replies import merchant_channel
from store.webhooks.endpoint_events import switches_since

log = get_logger("stream")
router = APIRouter(prefix="/merchants", tags=["Merchants"])

EVENTS_AT_ONCE = 200
LOOK_EVERY_SECONDS = 2.0
LOOK_AGAIN_SECONDS = 0.1
GATHER_SECONDS = 0.05
"""Wait after a wake for related events: a payment's events arrive in twos and threes."""
HEARTBEAT_SECONDS = 15.0
CHECK_EVERY_SECONDS = 15.0
"""How long a feed outlives its session or its key. A check costs a call of Redis, or a key from memory."""
RECONNECT_MS = 1_000
SWITCHES_SINCE = timedelta(minutes=1)
"""Far longer than a reconnection takes."""
PRIVATE = frozenset({"bank", "merchant_id"})


@router.get(
    "/me/stream",
    summary="Follow all of the merchant's events",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "Server-Sent Events"},
        **errors(400, 401, 429, 503),
    },
)
async def stream(
    request: Request,
    caller: Annotated[Caller, Depends(authenticated)],
    after: Annotated[str | None, Query(description="Cursor to continue after; Last-Event-ID takes precedence")] = None,
) -> EventSourceResponse:
    services, cursor = services_of(request), request.headers.get("last-event-id") or after
    seats = services.feed_seats
    if not seats.take(caller.merchant_id):
        await refuse(request, f"feeds:{caller.merchant_id}", "Too many live feeds are open", retry_after=5)
    try:
        place = await _start(services.pool, caller.merchant_id, cursor)
    except BaseException:
        seats.give_back(caller.merchant_id)
        raise
    return SeatedResponse(_frames(request, caller, place), seats, caller.merchant_id)


async def _start(pool: Pool, merchant_id: str, cursor: str | None) -> FeedPlace:
    if not cursor:
        return await feed_end(pool)
    try:
        return await place_of_cursor(pool, merchant_id, cursor)
    except CursorError as error:
        raise bad_request(f"Last-Event-ID {error}", "Last-Event-ID") from error


async def _frames(request: Request, caller: Caller, place: FeedPlace) -> AsyncIterator[bytes]:
    yield format_sse_event(id=place.cursor, retry=RECONNECT_MS)
    try:
        async with services_of(request).live.watch(merchant_channel(caller.merchant_id)) as watch:
            async for frame in _changes(request, caller, place, watch):
                yield frame
    except (DatabaseError, RedisError, OSError) as error:
        # The browser reconnects automatically and resumes.
        log.warning("feed_broken_off", merchant_id=caller.merchant_id, error=repr(error))


async def _changes(request: Request, caller: Caller, place: FeedPlace, watch: Watch) -> AsyncIterator[bytes]:
    """Frames until the process stops or the caller loses access, which a busy feed must notice as well."""
    pool, pause = services_of(request).pool, LOOK_EVERY_SECONDS
    sent_at = checked_at = time.monotonic()
    switched, sent = True, list[str]()
    while not watch.closing:
        if time.monotonic() - checked_at >= CHECK_EVERY_SECONDS:
            if not await _may_look(request, caller):
                return
            checked_at = time.monotonic()
        if switched:
            known, sent = sent, await switches_since(pool, caller.merchant_id, now() - SWITCHES_SINCE)
            for switch in sent:
                if switch not in known:
                    yield b"event: change\ndata: %b\n\n" % switch.encode()
            switched = False
        events = await next_events(pool, caller.merchant_id, place, limit=EVENTS_AT_ONCE)
        for event in events:
            yield _frame(event)
        if events:
            place, sent_at = events[-1].place, time.monotonic()
        elif time.monotonic() - sent_at >= HEARTBEAT_SECONDS:
            yield format_sse_event(comment="alive")
            sent_at = time.monotonic()
        if len(events) < EVENTS_AT_ONCE:
            pause, switched = await _rest(watch, pause)


async def _rest(watch: Watch, pause: float) -> tuple[float, bool]:
    """Wait for a wake, `pause` seconds at most; returns the next pause, and whether to check for disabled endpoints.

    The event behind the wake may not be in the feed yet: the feeder numbers it once it is on the log. So after a wake
    the feed polls soon, then less and less often.
    """
    message = await watch.next(pause)
    switched, watch.gap = watch.gap, False
    if message is None:
        return min(LOOK_EVERY_SECONDS, pause * 2), switched
    await asyncio.sleep(GATHER_SECONDS)
    while message is not None:  # one poll covers all of them
        switched = switched or message.startswith(b"endpoint.")
        message = await watch.next(0)
    return LOOK_AGAIN_SECONDS, switched


async def _may_look(request: Request, caller: Caller) -> bool:
    """A feed ends with its session or its key, and keeps neither alive: an open tab is not activity."""
    if caller.via == "session":
        return await still_signed_in(request)
    try:
        await identified(request)
    except ApiError:
        return False
    return True


def _frame(event: FeedEvent) -> bytes:
    record = orjson.loads(event.payload)
    body = {name: value for name, value in record["body"].items() if name not in PRIVATE}
    data = orjson.dumps({"id": record["id"], "type": record["type"], "at": record["at"], **body})
    return format_sse_event(event="change", id=event.place.cursor, data_str=data.decode())
