"""The one clock and the one source of identifiers of the impure side."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime

from domain.ids import RANDOM_SPACE, new_id


def now() -> datetime:
    """Aware UTC instant, microseconds never zero, so that every rendering has six digits after the second."""
    instant = datetime.now(UTC)
    return instant if instant.microsecond else instant.replace(microsecond=1)


def make_id(prefix: str) -> str:
    """A fresh identifier, see domain.ids."""
    return new_id(prefix, now_ms=time.time_ns() // 1_000_000, random=secrets.randbelow(RANDOM_SPACE))


def random_token() -> str:
    """128 random bits in hexadecimal."""
    return secrets.token_hex(16)
