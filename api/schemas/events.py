"""Domain events over HTTP, and the timeline of a payment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from api.schemas.orders import OrderState
from api.schemas.payments import PaymentView
from api.schemas.refunds import RefundView
from api.schemas.webhooks import StatusWord
from domain.event import EventType

PRIVATE = frozenset({"bank", "merchant_id", "order_id", "sequence"})
"""Of an event's body: what only our own roles need, and what stands beside the data already."""


class EventData(BaseModel):
    """The order, payment or refund as the event left it. A refund's event carries its payment too."""

    model_config = ConfigDict(extra="allow")

    order: OrderState | None = None
    payment: PaymentView | None = None
    refund: RefundView | None = None


class EventView(BaseModel):
    """What happened."""

    id: str = Field(examples=["evt_0Xk3bQ9sLmT2vRcY_3"])
    type: EventType
    sequence: int = Field(description="Of the order: 1, 2, 3 … without a gap")
    order_id: str
    at: datetime
    caused_by: str | None = Field(description="Id of the command that led to it")
    request_id: str | None
    data: EventData


class EventPage(BaseModel):
    """`next_cursor` is the place after the last event shown: go on there, also when there is no more yet."""

    data: list[EventView]
    has_more: bool
    next_cursor: str


class TimelineEvent(BaseModel):
    id: str
    sequence: int
    type: EventType
    at: datetime
    caused_by: str | None
    request_id: str | None
    before: str | None = Field(description="Status of the payment or refund before")
    after: str
    topic: str
    partition: int
    offset: int | None = Field(description="Null where the log does not hold it yet, or no more, or does not answer")


class TimelineAttempt(BaseModel):
    """One request to an endpoint. Headers and body are read from the delivery itself."""

    attempt: int
    at: datetime
    duration_ms: int
    response_code: int | None
    error: str | None
    next_retry_at: datetime | None
    request_headers: None
    response_body: None


class TimelineDelivery(BaseModel):
    log_id: str
    endpoint_id: str
    event: str
    event_id: str
    status: StatusWord
    attempts: list[TimelineAttempt]


class BankAttempt(BaseModel):
    """A line of the bank's books: the charge of the payment, or one of its refunds."""

    attempt_id: str = Field(description="The payment's id, or the refund's")
    kind: Literal["charge", "refund"]
    outcome: str | None = Field(description="Null while the bank has not decided")
    amount: int
    reference: str | None
    times_asked: int
    error_code: str | None


class Timeline(BaseModel):
    """Everything that happened to a payment: events in order, webhooks with their attempts, the bank's books."""

    payment_id: str
    order_id: str
    data: list[TimelineEvent]
    webhooks: list[TimelineDelivery]
    bank: list[BankAttempt]


def event_view(payload: str) -> dict[str, Any]:
    """An event's record as the API shows it."""
    record = orjson.loads(payload)
    body: Mapping[str, Any] = record["body"]
    return {
        "id": record["id"],
        "type": record["type"],
        "sequence": body["sequence"],
        "order_id": body["order_id"],
        "at": record["at"],
        "caused_by": record["caused_by"],
        "request_id": record["request_id"],
        "data": {name: value for name, value in body.items() if name not in PRIVATE},
    }
