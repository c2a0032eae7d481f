"""The clock of a simulated host: the world's time with an error."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from runtime.clock import Clock
from simulation.scheduler import Scheduler

EPOCH = datetime(2026, 1, 1, 0, 20, tzinfo=UTC)
EPOCH_MS = int(EPOCH.timestamp()) * 1_000


class HostClock(Clock):
    """Reads the world's time plus the host's error."""

    __slots__ = ("_error_seconds", "_scheduler")

    def __init__(self, scheduler: Scheduler, error_seconds: float = 0.0) -> None:
        self._scheduler = scheduler
        self._error_seconds = error_seconds

    def now(self) -> datetime:
        instant = EPOCH + timedelta(seconds=self._scheduler.now + self._error_seconds)
        return instant if instant.microsecond else instant.replace(microsecond=1)

    def epoch_ms(self) -> int:
        return EPOCH_MS + int((self._scheduler.now + self._error_seconds) * 1_000)

    def monotonic(self) -> float:
        return self._scheduler.now
