"""The records of webhooks on the log, and the body that merchants receive.

    event envelope ─► webhook_body        the exact bytes, built once, stored, signed and sent unchanged
    Due ⇄ delivery record                 {"id": "dlv_<log id>_<attempt>", "type": "delivery.attempt", "body": {…}}

A delivery record names its row; it contains neither the body nor a secret.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from domain.delivery import Due
from domain.event_kind import TEST_EVENT
from topics.catalogue import DELIVERIES, SMALL_PARTITIONS, partition_of, retry_topic
from topics.envelope import (
    ERROR_CHARACTERS_MAX,
    FIRST_VERSION,
    HEADER_TYPE,
    Envelope,
    UndecodableError,
    checked_text,
    decode,
    encode,
)
from topics.events import EventRecord
from topics.producer import Headers, Record

DELIVERY_ATTEMPT = "delivery.attempt"
HEADER_DUE_AT = "due_at"
"""Unix milliseconds at which a record in a retry tier goes back to the deliveries topic."""
DUE_AT_DIGITS_MAX = 15
"""Until the year 33658."""
ATTEMPT_MAX = 2**31 - 1
"""PostgreSQL's integer."""


def webhook_body(*, event_id: str, event: str, at: datetime, sequence: int, data: Mapping[str, Any]) -> bytes:
    """Compact JSON, non-ASCII as it is, keys in this order."""
    return orjson.dumps(
        {"id": event_id, "event": event, "timestamp": int(at.timestamp()), "sequence": sequence, "data": data},
        option=orjson.OPT_UTC_Z,
    )


def event_webhook_body(event: EventRecord) -> bytes:
    """Body for a domain event: its refund, its payment, or its order."""
    return webhook_body(event_id=event.id, event=event.type, at=event.at, sequence=event.sequence, data=event.subject())


def trial_webhook_body(*, event_id: str, endpoint_id: str, at: datetime) -> bytes:
    """Body of a `webhook.test`, which belongs to no payment."""
    data = {"test": {"endpoint_id": endpoint_id, "message": "This is a test webhook."}}
    return webhook_body(event_id=event_id, event=TEST_EVENT, at=at, sequence=1, data=data)


def delivery_key(endpoint_id: str, order_id: str) -> bytes:
    """Key that keeps one endpoint's deliveries of one order in one partition."""
    return f"{endpoint_id}:{order_id}".encode()


def delivery_record(due: Due, *, at: datetime, partitions: int) -> Record:
    """Record for the deliveries topic: one attempt to make now."""
    key = delivery_key(due.endpoint_id, due.order_id)
    return Record(DELIVERIES, partition_of(key, partitions), key, _value(due, key, at), _headers())


def retry_record(due: Due, *, tier_seconds: int, due_at: datetime, at: datetime, partitions: int) -> Record:
    """Record for a retry tier; a step of 0 s has none and goes straight to the deliveries topic."""
    if tier_seconds == 0:
        return delivery_record(due, at=at, partitions=partitions)
    key = delivery_key(due.endpoint_id, due.order_id)
    headers = [*_headers(), (HEADER_DUE_AT, str(int(due_at.timestamp() * 1_000)).encode())]
    return Record(retry_topic(tier_seconds), partition_of(key, SMALL_PARTITIONS), key, _value(due, key, at), headers)


def read_delivery(value: bytes | None) -> Due:
    """The Due of a record. Raises UndecodableError, never anything else."""
    envelope = decode(value)
    if envelope.type != DELIVERY_ATTEMPT:
        raise UndecodableError(f"unknown delivery type {envelope.type!r}")
    body = envelope.body
    try:
        due = Due(
            log_id=uuid.UUID(checked_text(body["log_id"], "log_id")),
            endpoint_id=checked_text(body["endpoint_id"], "endpoint_id"),
            order_id=checked_text(body["order_id"], "order_id"),
            attempt=body["attempt"],
        )
    except UndecodableError:
        raise
    except Exception as error:
        raise UndecodableError(f"body of {envelope.type}: {error!r}"[:ERROR_CHARACTERS_MAX]) from error
    if type(due.attempt) is not int or not 1 <= due.attempt <= ATTEMPT_MAX:
        raise UndecodableError(f"attempt must be an integer from 1 to {ATTEMPT_MAX}")
    return due


def due_at_ms(headers: Headers, *, latest_ms: int) -> int:
    """When a record of a retry tier is due; 0, at once, without such a header.

    Raises UndecodableError for a header that is not a number, or is later than `latest_ms`: such a record would wait
    beyond the topic's retention, and block its partition's offset all that time.
    """
    for name, content in headers:
        if name != HEADER_DUE_AT:
            continue
        if content is None or not content.isdigit() or len(content) > DUE_AT_DIGITS_MAX:
            raise UndecodableError(f"the header {HEADER_DUE_AT} is not a number of milliseconds")
        if int(content) > latest_ms:
            raise UndecodableError(f"the header {HEADER_DUE_AT} is further ahead than its topic keeps a record")
        return int(content)
    return 0


def _headers() -> list[tuple[str, bytes]]:
    return [(HEADER_TYPE, DELIVERY_ATTEMPT.encode())]


def _value(due: Due, key: bytes, at: datetime) -> bytes:
    return encode(
        Envelope(
            id=f"dlv_{due.log_id}_{due.attempt}",
            type=DELIVERY_ATTEMPT,
            version=FIRST_VERSION,
            key=key.decode(),
            at=at,
            request_id=None,
            caused_by=None,
            body={
                "log_id": str(due.log_id),
                "endpoint_id": due.endpoint_id,
                "order_id": due.order_id,
                "attempt": due.attempt,
            },
        )
    )
