"""Idempotency keys (IETF draft-ietf-httpapi-idempotency-key-header): the key becomes the command's identity.

A command with a key has an id derived from scope, route and key; the actor's inbox row under that id *is* the
idempotency record. The fingerprint holds one keyed hash for each field of the request, so that a mismatch can name
the fields that differ without anything of the request (a card number, say) being kept.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping

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


def fingerprint(fields: Mapping[str, object], *, secret: bytes) -> dict[str, str]:
    """Field name -> 12 hex digits of a keyed hash of its JSON value."""
    return {
        name: hmac.digest(secret, _JSON.encode([name, value]).encode(), "sha256").hex()[:12]
        for name, value in fields.items()
    }


def compare(stored: Mapping[str, str], sent: Mapping[str, str]) -> Rejected | None:
    """None where both say the same; else the refusal that names the fields that differ."""
    differing = sorted(name for name in stored.keys() | sent.keys() if stored.get(name) != sent.get(name))
    if not differing:
        return None
    names = ", ".join(differing)
    return Rejected(
        ErrorCode.IDEMPOTENCY_MISMATCH, f"Idempotency-Key was used with another request; these fields differ: {names}"
    )
