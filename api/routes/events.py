"""Domain events: the merchant's complete feed, one event, and the timeline of a payment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from api.access.auth import Caller, authenticated, looking_up
from api.answers.resources import json_response
from api.http.cursor import LIMIT_MAX
from api.http.errors import bad_request, refused
from api.openapi.annotations import errors
from api.process.services import Services, services_of
from api.routes.payments import owned_payment
from api.schemas.events import EventPage, EventView, Timeline, event_view
from domain.event import EventType
from domain.ids import event_id
from domain.rejection import ErrorCode, Rejected
from store.events import find_event, list_events
from store.log.feed import CursorError, FeedPlace, feed_end, place_of_cursor
from store.operations.inspection import EventSeen, JsonObject, bank_attempts, deliveries_of, events_of
from topics.catalogue import EVENTS, partition_of

router = APIRouter(tags=["Events"])
EVENT_NOT_FOUND = Rejected(ErrorCode.NOT_FOUND, "Event not found")


@router.get(
    "/events",
    summary="List all events in order",
    description="Pass `next_cursor` as `after` to continue, indefinitely: no event is ever inserted before one already "
    "returned. With `order=newest` the latest event comes first and `after` continues to older ones.",
    response_model=EventPage,
    responses=errors(400, 401, 503),
)
async def list_(
    request: Request,
    caller: Annotated[Caller, Depends(looking_up)],
    after: Annotated[str | None, Query(max_length=64, description="`next_cursor`, or the id of an event")] = None,
    order: Literal["oldest", "newest"] = "oldest",
    type: EventType | None = None,
    payment_id: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 50,
) -> Response:
    pool = services_of(request).pool
    place = await _place(services_of(request), caller.merchant_id, after)
    found = await list_events(
        pool,
        caller.merchant_id,
        place,
        newest_first=order == "newest",
        type_=type,
        payment_id=payment_id or None,
        limit=limit + 1,
    )
    shown = found[:limit]
    end = shown[-1].place if shown else place or await _beginning(services_of(request))
    events = [event_view(event.payload) for event in shown]
    return json_response({"data": events, "has_more": len(found) > limit, "next_cursor": end.cursor})


async def _place(services: Services, merchant_id: str, after: str | None) -> FeedPlace | None:
    if not after:
        return None
    try:
        return await place_of_cursor(services.pool, merchant_id, after)
    except CursorError as error:
        raise bad_request(f"after {error}", "after") from error


async def _beginning(services: Services) -> FeedPlace:
    return FeedPlace((await feed_end(services.pool)).epoch, 0)


@router.get("/events/{event_id}", summary="Read an event", response_model=EventView, responses=errors(401, 404, 503))
async def read(request: Request, event_id: str, caller: Annotated[Caller, Depends(authenticated)]) -> Response:
    payload = await find_event(services_of(request).pool, caller.merchant_id, event_id)
    if payload is None:
        raise refused(EVENT_NOT_FOUND)
    return json_response(event_view(payload))


@router.get(
    "/payments/{payment_id}/timeline",
    summary="Read the timeline of a payment",
    response_model=Timeline,
    responses=errors(401, 404, 503),
)
async def timeline(request: Request, payment_id: str, caller: Annotated[Caller, Depends(authenticated)]) -> Response:
    services = services_of(request)
    found = await owned_payment(services, payment_id, caller.merchant_id)
    events = [event for event in await events_of(services.pool, found.order_id) if _concerns(event, payment_id)]
    refunds = {event.record["body"]["refund"]["id"] for event in events if "refund" in event.record["body"]}
    written = [(event.written_at, event_id(found.order_id, event.sequence)) for event in events]
    places = await services.log_places.places(found.order_id, written)
    return json_response(
        {
            "payment_id": payment_id,
            "order_id": found.order_id,
            "data": _steps(events, found.order_id, services.settings.topic_partitions, places),
            "webhooks": [_delivery(row) for row in await deliveries_of(services.pool, [payment_id])],
            "bank": [_attempt(row) for row in await bank_attempts(services.pool, [payment_id, *sorted(refunds)])],
        }
    )


def _concerns(event: EventSeen, payment_id: str) -> bool:
    payment = event.record["body"].get("payment")
    return payment is not None and payment["id"] == payment_id


def _steps(
    events: list[EventSeen], order_id: str, partitions: int, places: Mapping[str, tuple[int, int]]
) -> list[dict[str, Any]]:
    """Each event with the status of its payment or refund before and after it, and its place on the log.

    Where the log does not show an event (yet), its partition is the one that the order has now.
    """
    status: dict[str, str] = {}
    steps = []
    for event in events:
        body = event.record["body"]
        subject = body.get("refund") or body["payment"]
        id = event_id(order_id, event.sequence)
        partition, offset = places.get(id, (partition_of(order_id.encode(), partitions), None))
        steps.append(
            {
                "id": id,
                "sequence": event.sequence,
                "type": event.type,
                "at": event.at,
                "caused_by": event.record["caused_by"],
                "request_id": event.record["request_id"],
                "before": status.get(subject["id"]),
                "after": subject["status"],
                "topic": EVENTS,
                "partition": partition,
                "offset": offset,
            }
        )
        status[subject["id"]] = subject["status"]
    return steps


def _delivery(row: JsonObject) -> dict[str, Any]:
    attempts = [
        {
            **{name: value for name, value in made.items() if name != "log_id"},
            "request_headers": None,
            "response_body": None,
        }
        for made in row["made"]
    ]
    return {
        "log_id": str(row["id"]),
        "endpoint_id": row["endpoint_id"],
        "event": row["event"],
        "event_id": row["event_id"],
        "status": row["status"],
        "attempts": attempts,
    }


def _attempt(row: JsonObject) -> dict[str, Any]:
    return {
        name: row[name]
        for name in ("attempt_id", "kind", "outcome", "amount", "reference", "times_asked", "error_code")
    }
