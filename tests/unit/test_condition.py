"""GET /health under load: a slow second is not an outage, two in a row and every error are."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from api.process import condition
from api.process.condition import Condition


class Service:
    """PostgreSQL, Redis or the log: does not respond to its first `slow` checks."""

    def __init__(self, *, slow: int = 0, error: Exception | None = None) -> None:
        self.checks = 0
        self._slow, self._error = slow, error

    async def ping(self) -> bool:
        self.checks += 1
        if self._error is not None:
            raise self._error
        if self.checks <= self._slow:
            await asyncio.Event().wait()
        return True

    check = ping


@pytest.fixture(autouse=True)
def actors(monkeypatch: pytest.MonkeyPatch) -> Service:
    """The heartbeats, of one actor; a check lasts no longer than it must."""
    heartbeats = Service()

    async def alive(_redis: object) -> dict[str, Any]:
        await heartbeats.ping()
        return {"payments": {"payments-0": {}}}

    monkeypatch.setattr(condition, "alive", alive)
    monkeypatch.setattr(condition, "CHECK_SECONDS", 0.05)
    return heartbeats


async def report(cache: Service) -> dict[str, Any]:
    database: Any = Service()
    log: Any = Service()
    redis: Any = cache
    return await Condition(database, redis, log).report()


async def test_a_service_that_responds_to_the_second_check_is_connected(actors: Service) -> None:
    actors._slow = 1
    found = await report(Service(slow=1))
    assert (found["status"], found["redis"], found["worker"]) == ("healthy", "connected", "running")
    assert actors.checks == 2


async def test_a_service_that_responds_to_neither_is_disconnected(actors: Service) -> None:
    actors._slow = 2
    cache = Service(slow=2)
    found = await report(cache)
    assert (found["status"], found["redis"], found["worker"]) == ("unhealthy", "disconnected", "unknown")
    assert (cache.checks, actors.checks) == (2, 2)


async def test_an_error_is_shown_at_once() -> None:
    cache = Service(error=RedisConnectionError("refused"))
    found = await report(cache)
    assert (found["status"], found["redis"]) == ("unhealthy", "disconnected")
    assert cache.checks == 1
