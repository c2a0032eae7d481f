"""The one clock and the one source of identifiers of the impure side."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime

from domain.ids import RANDOM_SPACE, new_id


def now() -> datetime:
    """Aware UTC instant, microseconds never zero, so that every rendering has six digits after the second."""
    instant = datetime.now(UTC)
    return instant if instant.microsecond else instant.replace(microsecond=1)


def make_id(prefix: str) -> str:
    """A fresh identifier, see domain.ids."""
    # 16 bytes modulo a space of 60 bits: the bias is below 2^-68.
    random = int.from_bytes(_randomness.take(16)) % RANDOM_SPACE
    return new_id(prefix, now_ms=time.time_ns() // 1_000_000, random=random)


def random_token() -> str:
    """128 random bits in hexadecimal."""
    return _randomness.take(16).hex()


class _Randomness:
    """The system's randomness, fetched in portions: a system call for each identifier costs more than the rest of it.

    Every byte is handed out once; a forked child begins with a portion of its own.
    """

    PORTION_BYTES = 4_096

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._portion = b""
        self._next = 0
        os.register_at_fork(after_in_child=self.forget)

    def take(self, count: int) -> bytes:
        with self._lock:
            if self._next + count > len(self._portion):
                self._portion, self._next = os.urandom(self.PORTION_BYTES), 0
            self._next += count
            return self._portion[self._next - count : self._next]

    def forget(self) -> None:
        self._portion, self._next = b"", 0


_randomness = _Randomness()
