"""The gateway's own keys: a ring of secrets, newest first. The newest seals and signs; every key opens and proves.

    SECRET_KEYS=2027-01:…,2026-06:…      SECRET_KEY=…  (alone, or as the oldest of the ring)
         └► derived_key(secret, purpose)   one key for each purpose, by HKDF-SHA256 (RFC 5869)
         └► tag_of(secret)                 four bytes that name a key beside what it has sealed

A tag follows from the secret, so a key may get another id, or move from SECRET_KEY into the ring, at any time.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

KEYS_MAX = 8
"""In a ring: a value that any of them may have sealed is tried with each."""
SECRET_CHARACTERS_MIN = 32
ENTROPY_BITS_MIN = 80
"""By the characters that occur and by the steps between them: 32 random hexadecimal digits have 100 to 125, words of a
sentence about 100, a repeated or counted-up text next to none."""
TAG_BYTES = 4
MAKE_ONE = "`gateway keys make` prints a good one"
_SALT = b"payment gateway"
_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """One key. `id` is the operator's name for it."""

    id: str
    secret: SecretStr


@dataclass(frozen=True)
class KeyRing:
    """At least one key, newest first."""

    keys: tuple[GatewayKey, ...]
    _by_tag: dict[str, Mapping[bytes, bytes]] = field(default_factory=dict, compare=False, repr=False)
    """Cache of `derived`: a lookup costs a tenth of a microsecond, a key's hash several."""

    @property
    def newest(self) -> SecretStr:
        return self.keys[0].secret

    @property
    def oldest(self) -> SecretStr:
        return self.keys[-1].secret

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        return tuple(key.secret for key in self.keys)

    def derived(self, purpose: str) -> Mapping[bytes, bytes]:
        """Tag -> each key's key for this purpose, newest first."""
        found = self._by_tag.get(purpose)
        if found is None:
            found = {tag_of(secret): derived_key(secret, purpose) for secret in self.secrets}
            self._by_tag[purpose] = found
        return found

    def by_tag(self, tag: bytes) -> SecretStr | None:
        """The key that has this tag; None if the ring lacks it."""
        return next((secret for secret in self.secrets if tag_of(secret) == tag), None)


def parse_ring(text: str) -> tuple[GatewayKey, ...]:
    """The keys of SECRET_KEYS, `id:secret,id:secret`. Raises ValueError; its text never quotes a secret."""
    keys = tuple(_parse_key(part.strip()) for part in text.split(",") if part.strip())
    if len(keys) > KEYS_MAX:
        raise ValueError(f"SECRET_KEYS has {len(keys)} keys; {KEYS_MAX} are allowed")
    for values in ([key.id for key in keys], [key.secret.get_secret_value() for key in keys]):
        if len(set(values)) < len(values):
            raise ValueError("SECRET_KEYS repeats an id or a secret")
    return keys


def _parse_key(part: str) -> GatewayKey:
    key_id, _, secret = part.partition(":")
    if not _ID.fullmatch(key_id) or not secret:
        raise ValueError("SECRET_KEYS must be a comma list of id:secret, newest first, such as 2027-01:…,2026-06:…")
    return GatewayKey(key_id, SecretStr(secret))


def weakness_of(secret: str) -> str | None:
    """Why a secret is too weak to seal with; None if it is strong enough. A guard against typing errors, not a
    proof."""
    if len(secret) < SECRET_CHARACTERS_MIN:
        return f"has {len(secret)} characters; at least {SECRET_CHARACTERS_MIN} are needed"
    if secret in (secret + secret)[1:-1]:
        return "repeats a shorter text"
    steps = [ord(after) - ord(before) for before, after in pairwise(secret)]
    if min(_entropy_bits(secret), _entropy_bits(steps)) < ENTROPY_BITS_MIN:
        return "is too regular to be random"
    return None


def _entropy_bits(symbols: str | list[int]) -> float:
    """Shannon entropy of the symbols as they occur, times their number."""
    total = len(symbols)
    return -sum(count * math.log2(count / total) for count in Counter(symbols).values())


@lru_cache(maxsize=256)
def derived_key(secret: SecretStr, purpose: str) -> bytes:
    """32 bytes for one purpose; purposes never share a key."""
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=_SALT, info=purpose.encode())
    return hkdf.derive(secret.get_secret_value().encode())


@lru_cache(maxsize=64)
def first_key(secret: SecretStr, purpose: str) -> bytes:
    """32 bytes for one purpose, as the first release derived them: HMAC-SHA256(secret, purpose).

    For API secrets and fingerprints: their stored hashes cannot be computed again, and an HMAC separates purposes as
    well as HKDF does (docs/decisions/0040).
    """
    return hmac.new(secret.get_secret_value().encode(), purpose.encode(), hashlib.sha256).digest()


def tag_of(secret: SecretStr) -> bytes:
    """TAG_BYTES that name a key without revealing anything of it."""
    return derived_key(secret, "tag")[:TAG_BYTES]
