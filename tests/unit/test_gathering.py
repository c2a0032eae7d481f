"""Gathering: records are held back at the broker only while many come, and aiokafka's fetches follow."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import Fetcher

from agents.gathering import (
    FLOOD,
    FLOOD_WAITS,
    GATHERED_BYTES,
    IDLE_WAIT_MS,
    LOOK_EVERY_MS,
    WINDOW_SECONDS,
    FetchTerms,
    Gathering,
    look_seldom,
)
from runtime.clock import Clock

GATHER_MS = 30
PLACE = TopicPartition("topic", 0)


class Hand(Clock):
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds


class Listener:
    """A listener's gathering, and the terms of its fetches as (min bytes, wait)."""

    def __init__(self) -> None:
        self.clock = Hand()
        self.fetcher = SimpleNamespace(_fetch_min_bytes=GATHERED_BYTES, _fetch_max_wait_ms=GATHER_MS)
        client = cast(Any, SimpleNamespace(_fetcher=self.fetcher))
        self.gathering = Gathering(client, gather_ms=GATHER_MS, clock=self.clock)

    def takes(self, records: int, *, times: int) -> tuple[int, int]:
        """The terms after one window in which so many looks brought so many records each."""
        began_at = self.clock.seconds
        for look in range(1, times + 1):
            self.clock.seconds = began_at + WINDOW_SECONDS * look / times
            self.gathering.took(records)
        return self.fetcher._fetch_min_bytes, self.fetcher._fetch_max_wait_ms


AT_ONCE = (1, IDLE_WAIT_MS)
GATHERED = (GATHERED_BYTES, GATHER_MS)


def test_with_nothing_to_read_fetches_are_rare_and_a_record_is_sent_at_once() -> None:
    assert Listener().takes(0, times=4) == AT_ONCE


def test_few_records_are_sent_at_once() -> None:
    listener = Listener()
    listener.takes(0, times=4)
    assert listener.takes(1, times=20) == AT_ONCE


def test_records_are_gathered_once_responses_are_more_frequent_than_gathering_allows() -> None:
    listener = Listener()
    listener.takes(0, times=4)
    assert listener.takes(1, times=100) == GATHERED


def test_few_responses_with_many_records_each_are_not_gathered() -> None:
    listener = Listener()
    listener.takes(0, times=4)
    assert listener.takes(500, times=20) == AT_ONCE


def test_gathering_lasts_while_many_records_arrive_however_few_the_responses() -> None:
    assert Listener().takes(10, times=30) == GATHERED


def test_more_records_are_gathered_for_longer() -> None:
    listener = Listener()
    assert listener.takes(FLOOD // 10, times=10) == (GATHERED_BYTES, GATHER_MS * FLOOD_WAITS)
    assert listener.takes(10, times=30) == GATHERED


def test_gathering_ends_when_few_records_come() -> None:
    listener = Listener()
    listener.takes(10, times=30)
    assert listener.takes(1, times=10) == AT_ONCE


def test_a_rate_in_between_changes_nothing() -> None:
    gathers, sends_at_once = Listener(), Listener()
    sends_at_once.takes(0, times=4)
    for _ in range(5):
        assert gathers.takes(1, times=25) == GATHERED
        assert sends_at_once.takes(1, times=25) == AT_ONCE


async def test_aiokafkas_next_fetch_has_the_changed_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given aiokafka's own consumer and fetcher, and a partition to read,
    consumer = AIOKafkaConsumer(fetch_min_bytes=GATHERED_BYTES, fetch_max_wait_ms=GATHER_MS)
    assert consumer._fetcher is None, "a consumer that has not started has no fetcher"
    monkeypatch.setattr(consumer._client.cluster, "leader_for_partition", lambda _place: 0)
    consumer.assign([PLACE])
    assignment = consumer._subscription.subscription.assignment
    assignment.state_value(PLACE).reset_to(7)
    consumer._fetcher = Fetcher(
        consumer._client,
        consumer._subscription,
        fetch_min_bytes=consumer._fetch_min_bytes,
        fetch_max_wait_ms=consumer._fetch_max_wait_ms,
    )
    assert _next_fetch(consumer._fetcher, assignment) == GATHERED
    # when the terms are changed, then the next request has them.
    FetchTerms(consumer).change(min_bytes=1, wait_ms=IDLE_WAIT_MS)
    assert _next_fetch(consumer._fetcher, assignment) == AT_ONCE
    await consumer.stop()


async def test_a_consumer_can_be_changed_to_poll_rarely() -> None:
    made, changed = AIOKafkaConsumer(consumer_timeout_ms=LOOK_EVERY_MS), AIOKafkaConsumer()
    assert vars(changed)["_consumer_timeout"] != vars(made)["_consumer_timeout"]
    look_seldom(changed)
    assert vars(changed)["_consumer_timeout"] == vars(made)["_consumer_timeout"]
    assert vars(changed).keys() == vars(made).keys()
    await made.stop()
    await changed.stop()


def _next_fetch(fetcher: Fetcher, assignment: Any) -> tuple[int, int]:
    ((_, request),), *_ = fetcher._get_actions_per_node(assignment)
    return request._min_bytes, request._max_wait_ms
