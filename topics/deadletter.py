"""Dead letters: records that failed for good, with reason and origin, so that they can be inspected and replayed.

    {"id": "dlq_<topic>-<partition>-<offset>", "type": "dead.command", …, "body": {reason, error, trace, origin,
     headers, header_list, null_key, null_value, value | value_base64, value_bytes, record_sha256, cut}}

The id is the position of the origin, so a repeat after a crash is recognised. `headers` is for readers; `header_list`,
the key and the value are the record byte for byte. A record whose letter would not fit into a record is cut: the letter
keeps its hash, its origin and its first KEPT_BYTES. Card data cannot be in here: it never reaches the log.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from topics.catalogue import (
    COMMANDS,
    DELIVERIES,
    EVENTS,
    PAYMENTS_DLQ,
    RETRY_PREFIX,
    SMALL_PARTITIONS,
    WEBHOOKS_DLQ,
    partition_of,
)
from topics.envelope import FIRST_VERSION, HEADER_ORIGIN, HEADER_TYPE, ID_CHARACTERS_MAX, Envelope, encode
from topics.producer import Headers, Record

REASON_UNDECODABLE = "undecodable"
REASON_INVARIANT = "invariant_broken"
REASON_UNWRITABLE = "unwritable"
REASON_QUARANTINED = "quarantined"
"""Three workers died while processing it (agents/quarantine.py)."""
REASON_UNKNOWN_ATTEMPT = "unknown_attempt"
"""A bank's report about a payment or refund that does not exist: money may have moved for something unknown to us."""
REASON_FORGED = "forged"
"""A bank's report that no role of this gateway has signed (topics/proof.py)."""
REASON_EXPIRED = "expired"
"""A command older than the inbox can remember: whether it was decided before is unknown."""
HEADER_REASON = "reason"
DEAD_COMMAND, DEAD_EVENT, DEAD_DELIVERY = "dead.command", "dead.event", "dead.delivery"
ERROR_CHARACTERS_MAX = 2_000
TRACE_CHARACTERS_MAX = 8_000
LETTER_BYTES_MAX = 900_000
"""A broker takes 1,048,588 bytes with the batch around them, and consumers fetch 1 MiB."""
KEPT_BYTES = 65_536
KEPT_HEADERS, KEPT_HEADER_BYTES, KEPT_KEY_BYTES = 32, 1_024, 1_024


@dataclass(frozen=True, slots=True)
class Origin:
    """The position of a record."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


def home_of(topic: str) -> tuple[str, str] | None:
    """(dead-letter topic, type of letter) for records of this topic; None for letters themselves."""
    if topic == COMMANDS:
        return PAYMENTS_DLQ, DEAD_COMMAND
    if topic == EVENTS:
        return PAYMENTS_DLQ, DEAD_EVENT
    if topic == DELIVERIES or topic.startswith(RETRY_PREFIX):
        return WEBHOOKS_DLQ, DEAD_DELIVERY
    return None


def letter_about(message: Any, *, reason: str, error: str, trace: str = "", at: datetime) -> Record | None:
    """The dead letter of a consumed record, whichever topic it is from; None for a record that is a letter itself."""
    home = home_of(message.topic)
    if home is None:
        return None
    to_topic, kind = home
    return dead_letter(
        to_topic=to_topic,
        kind=kind,
        key=message.key,
        value=message.value,
        headers=message.headers or (),
        origin=Origin(message.topic, message.partition, message.offset),
        reason=reason,
        error=error,
        trace=trace,
        at=at,
    )


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
    """Record for a dead-letter topic, of at most LETTER_BYTES_MAX. `kind`: one of the DEAD_ types."""
    why = {
        "reason": reason,
        "error": _readable(error[:ERROR_CHARACTERS_MAX]),
        "trace": _readable(trace[-TRACE_CHARACTERS_MAX:]),
        "origin": {"topic": origin.topic, "partition": origin.partition, "offset": origin.offset},
    }
    letter_id = f"dlq_{origin.topic}-{origin.partition}-{origin.offset}"
    letter = b""
    if len(key or b"") <= KEPT_KEY_BYTES and len(value or b"") <= LETTER_BYTES_MAX:
        letter = _encoded(letter_id, kind, key or b"", {**why, **_whole(key, value, headers)}, at)
    letter_key = key or b""
    if not letter or len(letter) > LETTER_BYTES_MAX:
        letter_key = letter_key[:KEPT_KEY_BYTES]
        letter = _encoded(letter_id, kind, letter_key, {**why, **_cut(key, value, headers)}, at)
    return Record(
        topic=to_topic,
        partition=partition_of(letter_key, SMALL_PARTITIONS),
        key=letter_key,
        value=letter,
        headers=[
            (HEADER_TYPE, kind.encode()),
            (HEADER_ORIGIN, str(origin).encode()),
            (HEADER_REASON, reason.encode()),
        ],
    )


def hash_of(key: bytes | None, value: bytes | None, headers: Headers) -> str:
    """SHA-256 of a whole record: identifies the original of a cut letter."""
    digest = hashlib.sha256()
    for part in (key, value, *(part for name, content in headers for part in (name.encode(), content))):
        digest.update(b"-" if part is None else b"%d:" % len(part) + part)
    return digest.hexdigest()


def _encoded(letter_id: str, kind: str, key: bytes, body: dict[str, Any], at: datetime) -> bytes:
    text = key.decode("utf-8", "replace").replace("\0", "\ufffd")[:ID_CHARACTERS_MAX]
    return encode(Envelope(letter_id, kind, FIRST_VERSION, text, at, request_id=None, caused_by=None, body=body))


def _whole(key: bytes | None, value: bytes | None, headers: Headers) -> dict[str, Any]:
    return {
        "headers": _headers_for_people(headers),
        "header_list": [_header(name, content) for name, content in headers],
        **_value(value),
        **_facts(key, value, headers, cut=False),
    }


def _cut(key: bytes | None, value: bytes | None, headers: Headers) -> dict[str, Any]:
    """The beginning of everything: less than 300 KB whatever the record contains."""
    kept = [
        (name[:KEPT_HEADER_BYTES], None if content is None else content[:KEPT_HEADER_BYTES])
        for name, content in headers[:KEPT_HEADERS]
    ]
    return {
        "headers": _headers_for_people(kept),
        "value_base64": base64.b64encode((value or b"")[:KEPT_BYTES]).decode(),
        **_facts(key, value, headers, cut=True),
    }


def _facts(key: bytes | None, value: bytes | None, headers: Headers, *, cut: bool) -> dict[str, Any]:
    return {
        "null_key": key is None,
        "null_value": value is None,
        "value_bytes": len(value or b""),
        "record_sha256": hash_of(key, value, headers),
        "cut": cut,
    }


def _headers_for_people(headers: Headers) -> dict[str, str]:
    return {name: (content or b"").decode("utf-8", "replace") for name, content in headers}


def _header(name: str, content: bytes | None) -> dict[str, str | None]:
    return {"name": name, "value_base64": None if content is None else base64.b64encode(content).decode()}


def _value(value: bytes | None) -> dict[str, str]:
    try:
        return {"value": (value or b"").decode()}
    except UnicodeDecodeError:
        return {"value_base64": base64.b64encode(value or b"").decode()}


def _readable(text: str) -> str:
    """Without lone surrogates, which have no UTF-8 form."""
    return text.encode("utf-8", "replace").decode()
