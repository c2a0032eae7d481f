"""The signature of the bank's reports: distinguishes them from records by others with access to the broker.

    header `signature` = "v1:" ─ tag of the key, hex ─ ":" ─ HMAC-SHA256(settlements' key, text, key and value), hex

Only the gateway's own roles have the key. A record that is replayed byte for byte keeps its signature, and changes
nothing: its command's id is in the inbox. docs/decisions/0041.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from enum import StrEnum

from runtime.keyring import TAG_BYTES, KeyRing
from runtime.settings import Settings
from topics.producer import Headers, Record

HEADER_SIGNATURE = "signature"
_PURPOSE = "settlements"
_TEXT = b"gateway settlement v1\0"
"""Prefix of the signed text: no other signature with this key can pass for a settlement's."""
_FORM = b"v1:"
_SIGNATURE_BYTES = len(_FORM) + 2 * TAG_BYTES + 1 + 64


class SignatureRule(StrEnum):
    """How to treat a bank's report without a signature. Both refuse a wrong signature."""

    REQUIRED = "required"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Proofs:
    """The verifier: its keys and its rule."""

    ring: KeyRing
    rule: SignatureRule

    def fault_of(self, key: bytes | None, value: bytes | None, headers: Headers) -> str | None:
        """Why a record is not accepted as the gateway's own; None if it is, or if it may be unsigned."""
        given = [content or b"" for name, content in headers if name == HEADER_SIGNATURE]
        if not given:
            return None if self.rule is SignatureRule.ACCEPTED else "it has no signature"
        if len(given) > 1 or len(given[0]) != _SIGNATURE_BYTES:
            return "its signature cannot be read"
        secret = self.ring.derived(_PURPOSE).get(_tag_in(given[0]))
        if secret is None:
            return "its signature names a key that is not in the ring"
        if not hmac.compare_digest(given[0], _signature(key or b"", value or b"", _tag_in(given[0]), secret)):
            return "its signature is wrong"
        return None


def proofs_of(settings: Settings) -> Proofs:
    return Proofs(settings.keys, SignatureRule(settings.settlement_signatures))


def signed(record: Record, ring: KeyRing) -> Record:
    """The record with the signature of the newest key."""
    tag, secret = next(iter(ring.derived(_PURPOSE).items()))
    signature = _signature(record.key or b"", record.value or b"", tag, secret)
    headers = [*record.headers, (HEADER_SIGNATURE, signature)]
    return Record(record.topic, record.partition, record.key, record.value, headers)


def _tag_in(signature: bytes) -> bytes:
    """The key's tag in a signature; b"" if it cannot be read."""
    try:
        return bytes.fromhex(signature[len(_FORM) :][: 2 * TAG_BYTES].decode())
    except ValueError:
        return b""


def _signature(key: bytes, value: bytes, tag: bytes, secret: bytes) -> bytes:
    """The length of the key precedes it, so that no byte can move between key and value."""
    text = b"%b%d:%b%b" % (_TEXT, len(key), key, value)
    return f"v1:{tag.hex()}:{hmac.digest(secret, text, 'sha256').hex()}".encode()
