"""Records that were given up, with why and where from, so that they can be looked into and sent again.

    {"id": "dlq_<topic>-<partition>-<offset>", "type": "dead.command", …, "body": {reason, error, trace, origin,
     headers, value | value_base64}}

The id is the origin's place, so a repeat after a crash is seen as one. Card data cannot be in here: it never reaches
the log.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from topics.catalogue import SMALL_PARTITIONS, partition_of
from topics.envelope import HEADER_ORIGIN, HEADER_TYPE, VERSION, Envelope, encode
from topics.producer import Headers, Record

REASON_UNDECODABLE = "undecodable"
REASON_INVARIANT = "invariant_broken"
REASON_UNWRITABLE = "unwritable"
HEADER_REASON = "reason"
TRACE_CHARACTERS_MAX = 8_000


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record stood."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


def dead_letter(
    *,
    to_topic: str,
    kind: str,
    key: bytes | None,
    value: bytes | None,
    headers: Headers,
    origin: Origin,
    reason: str,
    error: str,
    trace: str,
    at: datetime,
) -> Record:
    """Record for a dead-letter topic. `kind`: `dead.command` or `dead.delivery`."""
    body: dict[str, Any] = {
        "reason": reason,
        "error": error,
        "trace": trace[-TRACE_CHARACTERS_MAX:],
        "origin": {"topic": origin.topic, "partition": origin.partition, "offset": origin.offset},
        "headers": {name: content.decode("utf-8", "replace") for name, content in headers},
    }
    try:
        body["value"] = (value or b"").decode()
    except UnicodeDecodeError:
        body["value_base64"] = base64.b64encode(value or b"").decode()
    record_key = key or b""
    envelope = Envelope(
        id=f"dlq_{origin.topic}-{origin.partition}-{origin.offset}",
        type=kind,
        version=VERSION,
        key=record_key.decode("utf-8", "replace"),
        at=at,
        request_id=None,
        caused_by=None,
        body=body,
    )
    return Record(
        topic=to_topic,
        partition=partition_of(record_key, SMALL_PARTITIONS),
        key=record_key,
        value=encode(envelope),
        headers=[
            (HEADER_TYPE, kind.encode()),
            (HEADER_ORIGIN, str(origin).encode()),
            (HEADER_REASON, reason.encode()),
        ],
    )
