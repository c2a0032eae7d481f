"""The clock and the source of identifiers of one process: two objects that are passed to their users.

    Clock   now(), epoch_ms(), monotonic()        Ids   make_id(prefix), token(), fraction()

Roles, the command bus and the routes that produce commands take theirs as arguments, so that a simulation can give
each process a clock of its own and draw every identifier from a seed. `now`, `make_id` and `random_token` are those of
this process, for everything else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime

from domain.ids import RANDOM_SPACE, new_id

FRACTION_BITS = 53
"""The precision of a float."""


class Clock:
    """The time on this host."""

    __slots__ = ()

    def now(self) -> datetime:
        """Aware UTC instant, microseconds never zero, so that every rendered instant has six fractional digits."""
        instant = datetime.now(UTC)
        return instant if instant.microsecond else instant.replace(microsecond=1)

    def epoch_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds since some moment; never set back."""
        return time.monotonic()


class Ids:
    """Identifiers and tokens. `randomness(count)` returns that many bytes, never the same twice.

    Each call reads the system's randomness: a pool needs a lock and a hook for forks, and was slower.
    """

    __slots__ = ("_clock", "_randomness")

    def __init__(self, clock: Clock, randomness: Callable[[int], bytes] = os.urandom) -> None:
        self._clock = clock
        self._randomness = randomness

    def make_id(self, prefix: str) -> str:
        """A fresh identifier, see domain.ids."""
        # 16 bytes modulo a space of 60 bits: the bias is below 2^-68.
        random = int.from_bytes(self._randomness(16)) % RANDOM_SPACE
        return new_id(prefix, now_ms=self._clock.epoch_ms(), random=random)

    def token(self) -> str:
        """128 random bits in hexadecimal."""
        return self._randomness(16).hex()

    def fraction(self) -> float:
        """A number in [0, 1), for jitter."""
        return (int.from_bytes(self._randomness(8)) >> (64 - FRACTION_BITS)) / (1 << FRACTION_BITS)


SYSTEM_CLOCK = Clock()
SYSTEM_IDS = Ids(SYSTEM_CLOCK)

now = SYSTEM_CLOCK.now
make_id = SYSTEM_IDS.make_id
random_token = SYSTEM_IDS.token
