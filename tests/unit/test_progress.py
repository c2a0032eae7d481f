"""A reader that has something to read and does nothing is not well, wherever its state is shown."""

from __future__ import annotations

from typing import Any

import pytest

from agents.consumer import LogConsumer
from api.process import condition
from runtime.progress import FACT, STALLED_SECONDS, Progress, is_stalled
from runtime.settings import Settings
from store.redis.job_counters import worker_status


class Clock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds


def test_a_reader_is_stalled_once_it_has_done_nothing_for_long_with_something_to_read() -> None:
    clock = Clock()
    progress = Progress(clock)  # type: ignore[arg-type]  # all that is asked of a clock here

    def after(seconds: float, *, position: int, lag: int) -> bool:
        clock.seconds += seconds
        return is_stalled({FACT: progress.stalled_seconds(position=position, lag=lag)})

    # Idle for an hour, then a record comes: not stalled at once,
    assert not after(3_600, position=5, lag=0)
    assert not after(1, position=5, lag=3)
    # but after a while.
    assert after(STALLED_SECONDS + 1, position=5, lag=3)
    # A step, or an empty topic, and it is well again.
    assert not after(1, position=6, lag=2)
    assert after(STALLED_SECONDS + 1, position=6, lag=2)
    assert not after(1, position=6, lag=0)


def test_a_consumer_whose_fetches_fail_is_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    settings = Settings(kafka_bootstrap_servers="127.0.0.1:1", test_mode=True)
    made: Any = LogConsumer(settings, "t", group="g", member="m", clock=clock, make_client=lambda **_: None)  # type: ignore[arg-type]
    monkeypatch.setattr(LogConsumer, "lag", lambda _: 7)
    assert not is_stalled(made.facts())
    clock.seconds += STALLED_SECONDS + 1
    assert is_stalled(made.facts())
    made._steps += 1
    assert not is_stalled(made.facts())


WELL, STALLED = {FACT: 0.0, "lag": 3}, {FACT: STALLED_SECONDS + 1, "lag": 3}


@pytest.mark.parametrize(
    ("workers", "status"),
    [
        ({"payments": {"a": WELL}, "processor": {"a": WELL}, "jobs": {"a": {}}}, "running"),
        ({"payments": {"a": WELL, "b": STALLED}, "processor": {"a": WELL}, "jobs": {"a": {}}}, "degraded"),
        ({"payments": {"a": WELL}, "processor": {"a": STALLED}, "jobs": {"a": {}}}, "degraded"),
        ({"payments": {"a": WELL}, "jobs": {"a": {}}}, "degraded"),
        ({}, "stopped"),
    ],
)
def test_the_job_status_is_not_running_while_a_role_is_stalled(workers: dict[str, Any], status: str) -> None:
    assert worker_status(workers) == status


@pytest.mark.parametrize(
    ("actors", "message"), [({"a": WELL}, "running"), ({"a": WELL, "b": STALLED}, "stalled"), ({}, "stopped")]
)
async def test_health_shows_a_stalled_actor(
    monkeypatch: pytest.MonkeyPatch, actors: dict[str, Any], message: str
) -> None:
    async def alive(_redis: object) -> dict[str, Any]:
        return {"payments": actors}

    monkeypatch.setattr(condition, "alive", alive)
    nothing: Any = None
    assert await condition.Condition(nothing, nothing, nothing)._worker() == message
