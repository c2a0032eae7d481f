"""The form of every record: a JSON envelope, readable by any Kafka tool.

    {"id", "type", "v", "key", "at", "request_id", "caused_by", "body"}     commands may add "nonce", "fingerprint"

`id` is the record's identity for deduplication; `caused_by` the id of its cause; `v` the version, 1 if absent. No card
data, no secrets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from runtime.order_keys import MARK, is_sealed

VERSION = 3
"""The newest version that this code reads. Raised only for a change that a reader of the previous version would
misunderstand; docs/decisions/0029 has the order of such an upgrade."""
FIRST_VERSION = 1
"""The version of every record that a reader of the first version understands, and of one without a version. A record
has the lowest version whose readers understand it, so that older readers stop only where they must."""
SEALED_VERSION = 3
"""The version of every record with a sealed field (runtime/order_keys.py): an earlier reader would pass it on
unopened."""
VERSION_MAX = 1_000
"""A record with a greater version is damaged, not written by a later release."""
ID_CHARACTERS_MAX = 255
"""Limit of every id, type and key. An index entry of PostgreSQL holds 2,704 bytes; four bytes a character still fit."""
FINGERPRINT_FIELDS_MAX = 64
NESTED_MAX = 64
"""Levels of a value; ours need six."""
WRITTEN_MAX = 254
"""Levels that orjson writes."""
HEADER_TYPE, HEADER_REPLY_TO, HEADER_ORIGIN = "type", "reply_to", "origin"
HEADER_FORWARDED = "forwarded_from"
"""On a command that an actor forwarded to its order's partition: its earlier position. Once for each time."""
ERROR_CHARACTERS_MAX = 2_000
"""A parser's message can quote its whole input."""
_ENCODE = orjson.OPT_UTC_Z
_VERSION_FIELD = b'"v":'
_BELOW_SEALED = re.compile(rb'"v":[12],')
_SEALED_FIELD = _VERSION_FIELD + b"%d," % SEALED_VERSION
_OUR_VERSIONS = tuple(_VERSION_FIELD + b"%d," % version for version in range(FIRST_VERSION, VERSION + 1))


class UndecodableError(ValueError):
    """The record is not an envelope, or its body does not match its type. It belongs in a dead-letter topic."""


class NewerRecordError(UndecodableError):
    """A newer version of the gateway wrote the record. Its reader stops there; it never becomes a dead letter."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One decoded record. `nonce` distinguishes a repeated request (same id, other nonce) from a redelivered record."""

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
    return with_version(orjson.dumps(record, option=_ENCODE))


def with_version(value: bytes) -> bytes:
    """The record's value with the version that its content needs; without sealed fields this costs a search."""
    if MARK not in value:
        return value
    return _BELOW_SEALED.sub(_SEALED_FIELD, value, count=1)


def decode(value: bytes | None) -> Envelope:
    """Read a record's value. Raises UndecodableError (NewerRecordError among them), never anything else."""
    try:
        return _envelope(read_json(value or b""))
    except UndecodableError:
        raise
    except Exception as error:
        # Whatever bytes break this, the record causes the error, not its reader.
        raise UndecodableError(f"not an envelope: {error!r}"[:ERROR_CHARACTERS_MAX]) from error


def _envelope(record: Mapping[str, Any]) -> Envelope:
    """Raises UndecodableError for a field of another type or size, or the error of a missing one."""
    version = record.get("v", FIRST_VERSION)
    if is_newer(version):
        raise NewerRecordError(f"a record of version {version}, newer than this version ({VERSION})")
    body, at = record["body"], datetime.fromisoformat(record["at"])
    known = type(version) is int and FIRST_VERSION <= version <= VERSION
    if not known or not isinstance(body, dict) or at.tzinfo is None:
        raise UndecodableError(f"not an envelope of version {FIRST_VERSION} to {VERSION}")
    request_id, caused_by, fingerprint = record["request_id"], record["caused_by"], record.get("fingerprint")
    if fingerprint is not None:
        _check_fingerprint(fingerprint)
    return Envelope(
        id=checked_text(record["id"], "id"),
        type=checked_text(record["type"], "type"),
        version=version,
        key=checked_text(record["key"], "key"),
        at=at,
        request_id=None if request_id is None else checked_text(request_id, "request_id"),
        caused_by=None if caused_by is None else checked_text(caused_by, "caused_by"),
        body=body,
        nonce=checked_text(record.get("nonce", ""), "nonce"),
        fingerprint=fingerprint,
    )


def is_newer(version: object) -> bool:
    """Whether a later release writes records of this version."""
    return type(version) is int and VERSION < version <= VERSION_MAX


def newer_version(value: bytes | None) -> int | None:
    """The version of a record that is newer than this code; None for every other value. For readers of every record.

    A record of ours is not decoded: the version is before the body, in this form.
    """
    at = value.find(_VERSION_FIELD) if value else -1
    if value is None or value.startswith(_OUR_VERSIONS, at):
        return None
    try:
        version = read_json(value)["v"]
    except Exception:  # as in `decode`
        return None
    return version if is_newer(version) else None


def read_json(value: bytes) -> Any:
    """The value of a JSON text that is nested at most NESTED_MAX levels. Raises ValueError (TypeError for the nesting).

    orjson itself reads 1,024 levels but writes only WRITTEN_MAX, and Python's stack ends in between; a value that
    cannot be written again must not be read. So a value with enough brackets is written once, inside as many lists as
    the two limits differ: a millisecond for the largest record, nothing for an ordinary one.
    """
    found = orjson.loads(value)
    if value.count(b"{") + value.count(b"[") > NESTED_MAX:
        wrapped = found
        for _ in range(WRITTEN_MAX - NESTED_MAX):
            wrapped = [wrapped]
        orjson.dumps(wrapped)
    return found


def checked_text(
    value: object, name: str, *, characters_max: int = ID_CHARACTERS_MAX, nul: bool = False, sealed_max: int = 0
) -> str:
    """The value, if it is a string that a key of the database can hold. Raises UndecodableError.

    `nul`: NUL may pass, for texts that are only written: the database refuses them, and the caller gets an error.
    `sealed_max`: characters of a sealed text, which is longer than what it holds.
    """
    if not isinstance(value, str):
        raise UndecodableError(f"{name} must be a string")
    if len(value) > characters_max and not (len(value) <= sealed_max and is_sealed(value)):
        raise UndecodableError(f"{name} has {len(value)} characters; {characters_max} are allowed")
    if not nul and "\x00" in value:
        raise UndecodableError(f"{name} contains NUL")
    return value


def _check_fingerprint(fingerprint: object) -> None:
    if not isinstance(fingerprint, dict):
        raise UndecodableError("fingerprint must be an object")
    if len(fingerprint) > FINGERPRINT_FIELDS_MAX:
        raise UndecodableError(f"fingerprint has {len(fingerprint)} fields; {FINGERPRINT_FIELDS_MAX} are allowed")
    for name, value in fingerprint.items():
        checked_text(name, "a field of fingerprint")
        checked_text(value, f"fingerprint.{name}")
