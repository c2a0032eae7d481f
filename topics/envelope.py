"""The form of every record: a JSON envelope, readable by any Kafka tool.

    {"id", "type", "v", "key", "at", "request_id", "caused_by", "body"}     commands may add "nonce", "fingerprint"

`id` is the record's identity for deduplication; `caused_by` the id of what led to it. No card data, no secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

VERSION = 1
HEADER_TYPE, HEADER_REPLY_TO, HEADER_ORIGIN = "type", "reply_to", "origin"
_ENCODE = orjson.OPT_UTC_Z


class UndecodableError(ValueError):
    """The record is not an envelope, or its body not what its type promises. It belongs into a dead-letter topic."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One decoded record. `nonce` tells a repeated request (same id, other nonce) from a redelivered record."""

    id: str
    type: str
    version: int
    key: str
    at: datetime
    request_id: str | None
    caused_by: str | None
    body: dict[str, Any]
    nonce: str = ""
    fingerprint: Mapping[str, str] | None = None


def encode_json(value: object) -> bytes:
    """Compact JSON, instants in RFC 3339 UTC with `Z`."""
    return orjson.dumps(value, option=_ENCODE)


def encode(envelope: Envelope) -> bytes:
    """The record's value."""
    record: dict[str, Any] = {
        "id": envelope.id,
        "type": envelope.type,
        "v": envelope.version,
        "key": envelope.key,
        "at": envelope.at,
        "request_id": envelope.request_id,
        "caused_by": envelope.caused_by,
    }
    if envelope.nonce:
        record["nonce"] = envelope.nonce
    if envelope.fingerprint is not None:
        record["fingerprint"] = dict(envelope.fingerprint)
    record["body"] = envelope.body
    return orjson.dumps(record, option=_ENCODE)


def decode(value: bytes | None) -> Envelope:
    """Read a record's value. Raises UndecodableError, never anything else."""
    try:
        record = orjson.loads(value or b"")
        envelope = Envelope(
            id=record["id"],
            type=record["type"],
            version=record["v"],
            key=record["key"],
            at=datetime.fromisoformat(record["at"]),
            request_id=record["request_id"],
            caused_by=record["caused_by"],
            body=record["body"],
            nonce=record.get("nonce", ""),
            fingerprint=record.get("fingerprint"),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UndecodableError(f"not an envelope: {error!r}") from error
    if envelope.version != VERSION or not isinstance(envelope.body, dict) or envelope.at.tzinfo is None:
        raise UndecodableError(f"not an envelope of version {VERSION}")
    if not (isinstance(envelope.id, str) and isinstance(envelope.type, str) and isinstance(envelope.key, str)):
        raise UndecodableError("id, type and key must be strings")
    return envelope
