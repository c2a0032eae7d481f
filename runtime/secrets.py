"""Secrets at rest: API secrets as keyed hashes, passwords by argon2, recoverable secrets sealed with AES-256-GCM.

    sealed = magic (4) ─ tag of the key (4) ─ nonce (12) ─ ciphertext and tag of AES-256-GCM
             authenticated beside it: the first eight bytes, the column, and the id of its row

A sealed value opens in its own row and column only. Values of the first release (nonce and ciphertext, bound to
nothing) still open; `gateway keys rotate` seals them again. An API secret has 160 random bits, so a keyed hash (3 µs)
is enough; argon2 (130 ms) is for passwords that people choose.
"""

from __future__ import annotations

import hmac
import os
from enum import StrEnum

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from runtime.keyring import TAG_BYTES, KeyRing, derived_key, first_key, tag_of

_PASSWORDS = PasswordHasher()
_MAGIC = b"\xf5gs2"
"""Of this form. A value of the first release begins with it once in four billion, and is still tried as one."""
HEADER_BYTES = len(_MAGIC) + TAG_BYTES
_NONCE_BYTES = 12


class SealError(ValueError):
    """The value was sealed with a key that is not in the ring, for another row, or was altered."""


class Sealed(StrEnum):
    """What is sealed: table and column. Each has a key of its own."""

    WEBHOOK_SECRET = "webhooks.secret"
    WEBHOOK_HEADERS = "webhooks.headers"
    RETURN_SECRET = "merchants.return_secret"
    API_SECRET = "razorpay_keys.secret"
    SECOND_FACTOR = "users.second_factor"
    ORDER_KEY = "order_keys.key"


def hash_api_secret(secret: SecretStr, key: SecretStr) -> bytes:
    """The stored form of an API secret: HMAC-SHA256 under a key that is not in the database."""
    return hmac.digest(first_key(key, "api-secret"), secret.get_secret_value().encode(), "sha256")


def api_secret_matches(secret: SecretStr, stored: bytes, ring: KeyRing) -> bool:
    """Whether a presented secret matches the stored hash under one of the keys. Constant time for each."""
    return any(hmac.compare_digest(hash_api_secret(secret, key), stored) for key in ring.secrets)


def hash_password(password: str) -> str:
    """argon2id with the library's current parameters. Takes about 100 ms: never on the event loop."""
    return _PASSWORDS.hash(password)


def password_matches(password: str, stored: str) -> bool:
    """Never raises for a wrong password or an unreadable hash. Blocking: run it in a thread."""
    try:
        return _PASSWORDS.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def password_is_outdated(stored: str) -> bool:
    """Whether the hash was made with weaker parameters than the library uses today."""
    return _PASSWORDS.check_needs_rehash(stored)


def seal(plain: str, ring: KeyRing, kind: Sealed, row_id: str) -> bytes:
    """Encrypt a short secret under the newest key, for one column of one row."""
    header, nonce = sealed_header(ring), os.urandom(_NONCE_BYTES)
    cipher = AESGCM(derived_key(ring.newest, f"seal {kind}"))
    return header + nonce + cipher.encrypt(nonce, plain.encode(), _bound_to(header, kind, row_id))


def unseal(sealed: bytes, ring: KeyRing, kind: Sealed, row_id: str) -> str:
    """Decrypt what `seal` made, in this release or the first. Raises SealError."""
    opened = _opened(sealed, ring, kind, row_id)
    if opened is None:
        opened = _opened_as_first(sealed, ring)
    if opened is None:
        raise SealError("cannot be decrypted with these keys in this row")
    return opened.decode()


def sealed_header(ring: KeyRing) -> bytes:
    """The first HEADER_BYTES of whatever is sealed now. A value that begins otherwise has to be sealed again."""
    return _MAGIC + tag_of(ring.newest)


def _opened(sealed: bytes, ring: KeyRing, kind: Sealed, row_id: str) -> bytes | None:
    header, nonce, text = sealed[:HEADER_BYTES], sealed[HEADER_BYTES:][:_NONCE_BYTES], sealed[HEADER_BYTES:]
    key = ring.by_tag(header[len(_MAGIC) :]) if header.startswith(_MAGIC) else None
    if key is None:
        return None
    cipher = AESGCM(derived_key(key, f"seal {kind}"))
    return _decrypted(cipher, nonce, text[_NONCE_BYTES:], _bound_to(header, kind, row_id))


def _opened_as_first(sealed: bytes, ring: KeyRing) -> bytes | None:
    tried = (
        _decrypted(AESGCM(first_key(key, "seal")), sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        for key in ring.secrets
    )
    return next((opened for opened in tried if opened is not None), None)


def _bound_to(header: bytes, kind: Sealed, row_id: str) -> bytes:
    return header + f"{kind}/{row_id}".encode()


def _decrypted(cipher: AESGCM, nonce: bytes, text: bytes, bound_to: bytes | None) -> bytes | None:
    """None for anything else, including a value that is too short."""
    try:
        return cipher.decrypt(nonce, text, bound_to)
    except (InvalidTag, ValueError):
        return None
