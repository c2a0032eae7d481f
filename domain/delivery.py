"""One webhook delivery: an event for one endpoint, carried by small steps with a type between each.

    Due ─prepare─► Prepared ─send─► Sent ─classify─► Delivered | RetryLater | Dead | SwitchedOff
     ├──────────► (held)      the endpoint is disabled
     └──────────► (parked)    the endpoint is slow and its share is full: no attempt is spent

Nothing here does I/O; an undecided case cannot reach the next step.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.event_kind import DEFAULT_EVENTS
from domain.retry import Retry, next_retry
from domain.signature import Secrets

RESPONSE_CHARACTERS_MAX = 1_000
RESPONSE_BYTES_MAX = 65_536
RESPONSE_HEADERS_MAX = 50
RESPONSE_HEADERS_CHARACTERS_MAX = 4_096
"""Stored characters of a response's headers, names and values together."""
ROTATION_OVERLAP = timedelta(hours=24)
PREVIOUS_SECRETS_MAX = 4
"""Each adds two signatures to every request; five secrets in 24 hours are not a rotation."""

BREAK_AFTER_FAILURES = 20
BREAK_AFTER = timedelta(hours=24)
"""An endpoint is disabled after this many failures in a row that span at least this time."""

REASON_EXHAUSTED = "attempts_exhausted"
REASON_ENDPOINT_DELETED = "endpoint_deleted"


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    HELD = "held"
    SUCCESS = "success"
    FAILED = "failed"


UNDECIDED = (DeliveryStatus.PENDING, DeliveryStatus.HELD)


class Ordering(StrEnum):
    """`per_payment`: event n + 1 of a payment is not sent before n was delivered or dead."""

    PER_PAYMENT = "per_payment"
    NONE = "none"


class OffReason(StrEnum):
    """Why an endpoint is disabled."""

    MERCHANT = "merchant"
    GONE = "gone"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Due:
    """A record of the deliveries topic requests: attempt number `attempt` of this delivery, now."""

    log_id: uuid.UUID
    endpoint_id: str
    order_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that an attempt needs. `schedule_from`: attempts made before the schedule restarted.

    `merchant_id`: whose share of lookups and requests it uses. `headers`: the endpoint's own, checked when saved.
    """

    due: Due
    event_id: str
    payment_id: str | None
    url: str
    body: bytes
    secrets: Secrets
    schedule_from: int
    replay: bool
    merchant_id: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    razorpay: bool = False
    """Signed as the Razorpay double signs."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What an endpoint returned. `text` and `headers` are the beginning, bounded by RESPONSE_…_MAX."""

    code: int
    text: str
    retry_after_seconds: float | None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """The result of one attempt. `error`: no response arrived, or it broke off after its status line."""

    prepared: Prepared
    at: datetime
    duration_ms: int
    request_headers: dict[str, str]
    response: HttpResponse | None
    error: str | None

    @property
    def ended_at(self) -> datetime:
        return self.at + timedelta(milliseconds=self.duration_ms)


@dataclass(frozen=True, slots=True)
class Delivered:
    """2xx."""


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Another attempt waits in its tier."""

    retry: Retry


@dataclass(frozen=True, slots=True)
class Dead:
    """Given up: goes to the dead-letter topic."""

    reason: str


@dataclass(frozen=True, slots=True)
class SwitchedOff:
    """The receiver returned 410 Gone: its endpoint is disabled, and this delivery is held, not lost."""


Verdict = Delivered | RetryLater | Dead | SwitchedOff


def classify(sent: Sent, delays_seconds: Sequence[int], *, draw: float) -> Verdict:
    """What an attempt means. 3xx is not followed and fails; `draw` in [0, 1) moves the retry within its jitter."""
    response = sent.response
    if response is not None and 200 <= response.code < 300:
        return Delivered()
    if response is not None and response.code == 410:
        return SwitchedOff()
    retry = next_retry(
        delays_seconds,
        attempts_made=sent.prepared.due.attempt - sent.prepared.schedule_from,
        ended_at=sent.ended_at,
        draw=draw,
        retry_after_seconds=response.retry_after_seconds if response is not None else None,
    )
    return Dead(REASON_EXHAUSTED) if retry is None else RetryLater(retry)


def is_subscribed(endpoint_events: Collection[str], event: str) -> bool:
    """True if an endpoint with this filter gets this event; an empty filter means DEFAULT_EVENTS."""
    return event in (endpoint_events or DEFAULT_EVENTS)


def log_id(event_id: str, endpoint_id: str, at: datetime) -> uuid.UUID:
    """Identity of the delivery: the same however often the event is read, and sorted by time (UUID version 8).

    48 bits of Unix milliseconds, then 74 bits of SHA-256 over both ids.
    """
    milliseconds = int(at.timestamp() * 1_000) & 0xFFFF_FFFF_FFFF
    digest = int.from_bytes(hashlib.sha256(f"{event_id}/{endpoint_id}".encode()).digest()[:10], "big")
    number = milliseconds << 80 | (digest & 0xFFFF_FFFF_FFFF_FFFF_FFFF)
    number = number & ~(0xF << 76) | (0x8 << 76)
    return uuid.UUID(int=number & ~(0x3 << 62) | (0x2 << 62))


def is_ordered(*, ordering: str, payment_id: str | None) -> bool:
    """True if this delivery waits for earlier ones of its payment."""
    return ordering == Ordering.PER_PAYMENT and payment_id is not None
