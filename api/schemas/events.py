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
"""Fields of an event's body that only our own roles need, or that are already beside the data."""


class EventData(BaseModel):
    """The order, payment or refund after the event. Events about a refund also contain its payment."""

    model_config = ConfigDict(extra="allow")

    order: OrderState | None = None
    payment: PaymentView | None = None
    refund: RefundView | None = None


class EventView(BaseModel):
    """One event."""

    id: str = Field(examples=["evt_0Xk3bQ9sLmT2vRcY_3"])
    type: EventType
    sequence: int = Field(description="Position among the order's events: 1, 2, 3 … without gaps")
    order_id: str
    at: datetime
    caused_by: str | None = Field(description="Id of the command that caused the event")
    request_id: str | None
    data: EventData


class EventPage(BaseModel):
    """`next_cursor` is the position after the last event returned. It is set even when there are no more events yet."""

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
    before: str | None = Field(description="Status of the payment or refund before the event")
    after: str
    topic: str
    partition: int
    offset: int | None = Field(
        description="Null if the event is not on the log yet or no longer, or the log is unavailable"
    )


class TimelineAttempt(BaseModel):
    """One request to an endpoint. For headers and body, read the delivery."""

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
    """An entry in the bank's books: the charge of the payment, or one of its refunds."""

    attempt_id: str = Field(description="Id of the payment or refund")
    kind: Literal["charge", "refund"]
    outcome: str | None = Field(description="Null until the bank decides")
    amount: int
    reference: str | None
    times_asked: int
    error_code: str | None


class Timeline(BaseModel):
    """The history of a payment: events in order, webhook deliveries with their attempts, the bank's books."""

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
