"""A fenced actor is seen as such: by its facts, in the job status, and nothing of a closed partition is read."""

from __future__ import annotations

from typing import Any

import pytest
from faust.transport.drivers.aiokafka import Consumer
from faust.types import TP

from agents.payments.transport import EagerConsumer
from ops.health.command import _fenced
from runtime.fenced import FENCED, FENCED_BY, is_fenced
from store.log.feed import FeedPlace, holds
from store.redis.job_counters import worker_status

CLOSED = {FENCED: "3, 7", FENCED_BY: "evt_0Ab3xZQwErTyUiOp_4"}


def test_an_actor_with_closed_partitions_is_fenced_and_the_job_status_degraded() -> None:
    assert is_fenced(CLOSED)
    assert not is_fenced({"lag": 4})
    beside: dict[str, dict[str, Any]] = {"processor": {"processor-0": {}}, "jobs": {"jobs-0": {}}}
    assert worker_status({"payments": {"payments-0": CLOSED}, **beside}) == "degraded"
    assert worker_status({"payments": {"payments-0": {}}, **beside}) == "running"


def test_health_names_the_partitions_the_event_and_the_command() -> None:
    (message,) = _fenced({"payments": {"payments-0": CLOSED}})
    assert "payments-0 decides nothing on partitions 3, 7" in message
    assert "evt_0Ab3xZQwErTyUiOp_4" in message
    assert "run `gateway recover`" in message


async def test_only_partitions_that_were_opened_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[set[TP]] = []

    async def getmany(_self: Any, active_partitions: set[TP], timeout: float) -> dict[TP, Any]:
        fetched.append(active_partitions)
        return {}

    async def sleep(_seconds: float) -> None: ...

    monkeypatch.setattr(Consumer, "_getmany", getmany)
    # Given a consumer that Faust has resumed on two partitions, of which the fence has opened none,
    consumer: Any = EagerConsumer.__new__(EagerConsumer)
    consumer.open_partitions, consumer.sleep = set(), sleep
    active = {TP("commands", 0), TP("commands", 1)}
    # then nothing is fetched; once one is open, it alone is.
    assert await consumer._getmany(active, 1.0) == {}
    assert fetched == []
    consumer.open_partitions.add(1)
    await consumer._getmany(active, 1.0)
    assert fetched == [{TP("commands", 1)}]


EPOCHS = {1: 0, 2: 100, 3: 80}
"""The third began after a restore that went back behind the beginning of the second."""


@pytest.mark.parametrize(
    ("place", "is_held"),
    [
        (FeedPlace(3, 120), True), (FeedPlace(3, 121), False), (FeedPlace(2, 80), True), (FeedPlace(2, 81), False),
        (FeedPlace(1, 80), True), (FeedPlace(1, 90), False), (FeedPlace(4, 1), False), (FeedPlace(1, 0), True),
    ],
)  # fmt: skip
def test_a_cursor_holds_up_to_where_any_later_epoch_began(place: FeedPlace, is_held: bool) -> None:
    assert holds(place, EPOCHS, last_place=120) is is_held
