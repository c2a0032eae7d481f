"""When a dead process is restarted. Pure.

dies after a healthy while   -> at once (an actor killed by SIGKILL must serve again within 2 s)
keeps dying                  -> at once, 0.25, 0.5, 1, 2, 4, 8, 10, 10 … s
"""

from __future__ import annotations

from dataclasses import dataclass

HEALTHY_AFTER_SECONDS = 5.0
FIRST_DELAY_SECONDS = 0.25
DELAY_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often in a row a process died soon after its start."""

    deaths: int = 0

    def after_death(self, *, lived_seconds: float) -> tuple[Backoff, float]:
        """The next state, and the seconds to wait before the next start."""
        if lived_seconds >= HEALTHY_AFTER_SECONDS:
            return Backoff(deaths=1), 0.0
        return Backoff(deaths=self.deaths + 1), delay_seconds(self.deaths)


def delay_seconds(deaths_before: int) -> float:
    if deaths_before <= 0:
        return 0.0
    return min(DELAY_SECONDS_MAX, FIRST_DELAY_SECONDS * 2.0 ** min(deaths_before - 1, 16))
