"""Bodies of the delivery log's routes and of its bulk jobs."""

from __future__ import annotations

from datetime import UTC
from typing import Any, Literal

import orjson
from pydantic import BaseModel, Field

from api.http.period import Bound, period_of
from api.schemas.instant import Instant
from api.schemas.webhook_endpoints import Body
from store.driver import Row
from store.webhooks.deliveries import Attempt
from store.webhooks.jobs import Job, LogFilter

StatusWord = Literal["pending", "success", "failed", "held"]


class DeliveryShape(BaseModel):
    id: str
    event: str
    event_id: str
    endpoint_id: str
    payment_id: str | None
    status: StatusWord
    attempts: int
    created_at: Instant
    last_attempt_at: Instant | None
    next_retry_at: Instant | None
    response_code: int | None


class DeliveriesShape(BaseModel):
    data: list[DeliveryShape]
    total: int
    limit: int
    offset: int


class AttemptShape(BaseModel):
    """`error`: why there was no response, or why it broke off after the status line. `response_headers`: the first
    4,096 characters; null if there was no response, and for attempts older than this field."""

    attempt: int
    at: Instant
    duration_ms: int
    url: str
    request_headers: dict[str, str]
    response_code: int | None
    response_headers: dict[str, str] | None
    response_body: str | None
    error: str | None
    next_retry_at: Instant | None


class DeliveryDetailShape(DeliveryShape):
    """`body` is what was sent, as JSON; `raw_body` is the exact text that was signed."""

    body: dict[str, Any]
    raw_body: str
    request_id: str | None
    replay: bool
    attempts_log: list[AttemptShape]


class FilterBody(Body):
    """Which finished deliveries to retry. A delivery must match every condition."""

    status: Literal["success", "failed"] | None = "failed"
    event: str | None = None
    endpoint_id: str | None = None
    payment_id: str | None = None
    begins_at: Bound | None = Field(None, alias="from")
    ends_at: Bound | None = Field(None, alias="to")


class BulkRetryBody(Body):
    filter: FilterBody = FilterBody.model_validate({})
    dry_run: bool = False


class JobShape(BaseModel):
    id: str
    kind: Literal["replay", "retry"]
    state: Literal["queued", "running", "done", "failed"]
    total: int
    done: int


def delivery_shape(row: Row) -> DeliveryShape:
    return DeliveryShape.model_validate(_summary(row))


def detail_shape(row: Row, body: bytes, attempts: list[Attempt]) -> DeliveryDetailShape:
    """`body`: the row's body with its sealed fields opened, as it is sent."""
    return DeliveryDetailShape.model_validate(
        {
            **_summary(row),
            "body": orjson.loads(body),
            "raw_body": body.decode(),
            "request_id": row["request_id"],
            "replay": row["replay"],
            "attempts_log": [attempt_shape(attempt) for attempt in attempts],
        }
    )


def attempt_shape(attempt: Attempt) -> AttemptShape:
    return AttemptShape(
        attempt=attempt.attempt,
        at=attempt.at,
        duration_ms=attempt.duration_ms,
        url=attempt.url,
        request_headers=orjson.loads(attempt.request_headers),
        response_code=attempt.response_code,
        response_headers=None if attempt.response_headers is None else orjson.loads(attempt.response_headers),
        response_body=attempt.response_body,
        error=attempt.error,
        next_retry_at=attempt.next_retry_at,
    )


def filter_of(body: FilterBody) -> LogFilter:
    """Raises ApiError 400 if the period ends before it begins."""
    created = period_of(body.begins_at, body.ends_at, UTC)
    return LogFilter(
        status=body.status,
        event=body.event,
        endpoint_id=body.endpoint_id,
        payment_id=body.payment_id,
        begins_at=created.from_at,
        ends_at=created.to_at,
    )


def job_shape(job: Job) -> JobShape:
    return JobShape.model_validate(
        {"id": job.id, "kind": job.kind, "state": job.state, "total": job.total, "done": job.done}
    )


def _summary(row: Row) -> dict[str, Any]:
    return {**{name: row[name] for name in DeliveryShape.model_fields if name != "id"}, "id": str(row["id"])}
