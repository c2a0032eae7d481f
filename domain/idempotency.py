"""Idempotency keys (IETF draft-ietf-httpapi-idempotency-key-header): the key becomes the command's identity.

A command with a key has an id derived from scope, route and key; the actor's inbox row under that id *is* the
idempotency record. The fingerprint holds one keyed hash for each field of the request, so that a mismatch can name
the fields that differ without storing any of the request's content (a card number, say).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence

from domain.rejection import ErrorCode, Rejected

KEY_LENGTH_MAX = 255
_JSON = json.JSONEncoder(sort_keys=True)
DERIVED_PREFIX = "idk_"


def is_key(value: str) -> bool:
    """1–255 printable ASCII characters."""
    return 1 <= len(value) <= KEY_LENGTH_MAX and value.isascii() and value.isprintable()


def derived_command_id(*, scope: str, route: str, key: str) -> str:
    """The same id for the same key on the same route of the same merchant (public routes: of the same order)."""
    text = f"{len(scope)}:{scope}{len(route)}:{route}{key}"
    return DERIVED_PREFIX + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def fingerprint(fields: Mapping[str, object], *, secrets: Sequence[bytes]) -> dict[str, str]:
    """Field name -> 12 hex digits of a keyed hash of its JSON value, for each secret, `newest,…,oldest`."""
    return {name: ",".join(_hashed(name, value, secret) for secret in secrets) for name, value in fields.items()}


def _hashed(name: str, value: object, secret: bytes) -> str:
    return hmac.digest(secret, _JSON.encode([name, value]).encode(), "sha256").hex()[:12]


def by_oldest(sent: Mapping[str, str]) -> dict[str, str]:
    """The fingerprint under the oldest secret alone: it stays the same when a newer secret is added."""
    return {name: hashes.rpartition(",")[2] for name, hashes in sent.items()}


def compare(stored: Mapping[str, str], sent: Mapping[str, str]) -> Rejected | None:
    """None if both match; otherwise the refusal that names the fields that differ."""
    names = stored.keys() | sent.keys()
    differing = sorted(name for name in names if not _agree(stored.get(name), sent.get(name)))
    if not differing:
        return None
    return Rejected(
        ErrorCode.IDEMPOTENCY_MISMATCH,
        f"Idempotency-Key was used with another request; these fields differ: {', '.join(differing)}",
    )


def _agree(stored: str | None, sent: str | None) -> bool:
    """Whether one secret made the same hash of both: the secrets may have been rotated between them."""
    if stored is None or sent is None:
        return stored is sent
    return not set(stored.split(",")).isdisjoint(sent.split(","))
