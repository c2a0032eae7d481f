"""Secrets at rest: API secrets as keyed hashes, passwords by argon2, webhook secrets encrypted with AES-256-GCM.

An API secret has 160 random bits, so a keyed hash (3 µs) is enough; argon2 (130 ms) is for what people choose.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

_PASSWORDS = PasswordHasher()
_NONCE_BYTES = 12


class SealError(ValueError):
    """The value was sealed with another SECRET_KEY or was altered."""


@lru_cache(maxsize=64)
def derived_key(secret_key: SecretStr, purpose: str) -> bytes:
    """32 bytes for one purpose; purposes never share a key."""
    return hmac.new(secret_key.get_secret_value().encode(), purpose.encode(), hashlib.sha256).digest()


def hash_api_secret(secret: SecretStr, secret_key: SecretStr) -> bytes:
    """What is stored of an API secret: HMAC-SHA256 under a key that is not in the database."""
    return hmac.new(derived_key(secret_key, "api-secret"), secret.get_secret_value().encode(), hashlib.sha256).digest()


def api_secret_matches(secret: SecretStr, stored: bytes, secret_key: SecretStr) -> bool:
    """Constant-time comparison of a presented secret with the stored hash."""
    return hmac.compare_digest(hash_api_secret(secret, secret_key), stored)


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


def seal(plain: str, secret_key: SecretStr) -> bytes:
    """Encrypt a short secret: nonce and ciphertext."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(derived_key(secret_key, "seal")).encrypt(nonce, plain.encode(), None)


def unseal(sealed: bytes, secret_key: SecretStr) -> str:
    """Decrypt what `seal` made. Raises SealError."""
    try:
        opened = AESGCM(derived_key(secret_key, "seal")).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
    except InvalidTag as error:
        raise SealError("cannot be decrypted with this SECRET_KEY") from error
    return opened.decode()
