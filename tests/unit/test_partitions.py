"""A log that has grown: where an order's records may stand, in which order they are read, and what a start accepts."""

from __future__ import annotations

import asyncio
import itertools
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.payments.fence import sources_of
from ops.audit.verify.anchor import Anchor, AnchorFile, TableChains, TopicChains
from ops.console.environment import REPOSITORY
from ops.console.errors import GatewayError
from runtime.settings import Settings
from store.log import log_partitions
from store.log.log_partitions import LogState, LogWatch, PartitionCountError, with_counts
from topics.catalogue import bands, homes, lineage, partition_of
from topics.records import LogRecord

KEYS = [f"order_{number:016d}".encode() for number in range(400)]


@pytest.mark.parametrize(
    ("first", "now", "counts"),
    [(12, 12, (12,)), (12, 48, (12, 24, 48)), (12, 60, (12, 60)), (1, 6, (1, 2, 3, 6)), (12, 256, ())],
)
def test_a_lineage_has_every_count_between_that_is_a_multiple_of_the_one_before(
    first: int, now: int, counts: tuple[int, ...]
) -> None:
    assert lineage(first, now) == counts


growths = st.tuples(st.integers(1, 12), st.lists(st.integers(2, 4), max_size=3)).map(
    lambda drawn: [drawn[0]] + [drawn[0] * _product(drawn[1][: n + 1]) for n in range(len(drawn[1]))]
)


def _product(factors: list[int]) -> int:
    total = 1
    for factor in factors:
        total *= factor
    return total


@given(growths, st.binary(min_size=1, max_size=20))
def test_a_key_that_moves_goes_to_a_later_band_and_never_returns(counts: list[int], key: bytes) -> None:
    walked = [partition_of(key, count) for count in counts]
    assert walked == sorted(walked)
    all_counts = lineage(counts[0], counts[-1])
    assert set(walked) <= set(homes(key, all_counts))
    band_of = {number: index for index, band in enumerate(bands(all_counts)) for number in band}
    assert sorted(band_of) == list(range(counts[-1]))
    for before, after in itertools.pairwise(walked):
        assert before == after or band_of[before] < band_of[after]


@given(growths, st.binary(min_size=1, max_size=20))
def test_the_fence_looks_at_every_partition_where_an_order_of_its_own_has_events(counts: list[int], key: bytes) -> None:
    owner = partition_of(key, counts[-1])
    assert {partition_of(key, count) for count in counts} <= sources_of(owner, counts)


def settings(partitions: int) -> Settings:
    return Settings(test_mode=True, topic_partitions=partitions)


def test_a_start_works_with_the_number_that_postgresql_remembers() -> None:
    state = LogState((12, 48), since_seconds=5.0)
    for given_one in (12, 48):
        counted = with_counts(settings(given_one), state)
        assert (counted.topic_partitions, counted.partition_counts) == (48, (12, 24, 48))
        assert counted.partitions_are_new
    assert not with_counts(settings(48), LogState((12, 48), since_seconds=3_600.0)).partitions_are_new
    assert not with_counts(settings(12), LogState((12,), since_seconds=5.0)).partitions_are_new


def test_a_database_that_remembers_nothing_leaves_the_number_of_the_environment() -> None:
    assert with_counts(settings(24), LogState(())).partition_counts == (24,)


def test_a_start_with_a_number_that_the_log_never_had_is_refused_with_the_way_to_grow() -> None:
    with pytest.raises(PartitionCountError) as refused:
        with_counts(settings(24), LogState((12,)))
    message = str(refused.value)
    assert "TOPIC_PARTITIONS is 24, and this gateway's log has 12 partitions" in message
    assert "Set TOPIC_PARTITIONS=12" in message
    assert "`gateway topics grow --partitions N`, N a multiple of 12" in message


NEEDS_NO_COUNT = {
    "console/environment.py",
    "stack/prepare.py",
    "stack/foreground.py",
    "audit/recount.py",
    "webhooks/trigger.py",
}
"""They make the environment, remember the number, or ask nothing of the log."""


def test_every_command_works_with_the_number_that_postgresql_remembers() -> None:
    """Settings from the environment alone say how many partitions the log began with."""
    ops = REPOSITORY / "ops"
    own = {str(file.relative_to(ops)) for file in ops.rglob("*.py") if "single_plan(" in file.read_text("utf-8")}
    assert {name for name in own if "counted(" not in (ops / name).read_text("utf-8")} == NEEDS_NO_COUNT


class Clock:
    """A monotonic clock that stands still."""

    at = 100.0

    def monotonic(self) -> float:
        return self.at


async def test_a_closed_log_opens_at_the_announced_time_even_without_a_database() -> None:
    clock = Clock()
    watch = LogWatch(settings(12), lambda: None, clock)  # type: ignore[arg-type]  # only `monotonic` is used
    assert not watch.is_closed
    assert not watch._has_grown(LogState((12,), closed_seconds=30.0))
    clock.at = 129.9
    assert watch.is_closed
    clock.at = 130.1
    assert not watch.is_closed


async def test_a_worker_is_notified_once_that_the_log_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    class Session:
        def terminate(self) -> None: ...

        def add_termination_listener(self, _listener: object) -> None: ...

        async def add_listener(self, _channel: str, _listener: object) -> None: ...

    states = [LogState((12,)), LogState((12,)), LogState((12, 48)), LogState((12, 48))]

    async def connected(_settings: Settings) -> Any:
        return Session()

    async def next_state(_connection: Any) -> LogState:
        return states.pop(0)

    monkeypatch.setattr(log_partitions, "_connect", connected)
    monkeypatch.setattr(log_partitions, "log_state", next_state)
    monkeypatch.setattr(log_partitions, "LOOK_EVERY_SECONDS", 0.0)
    received: list[str] = []
    async with asyncio.timeout(10):
        await LogWatch(settings(12), lambda: received.append("grown")).run()
    assert received == ["grown"]
    assert len(states) == 1, "it looked on until then, and no further"


async def test_roles_that_neither_submit_nor_decide_restart_once_the_log_is_open() -> None:
    grown = LogState((12, 48), closed_seconds=20.0)
    assert LogWatch(settings(12), lambda: None, at_once=True)._has_grown(grown)
    patient = LogWatch(settings(12), lambda: None)
    assert not patient._has_grown(grown)
    assert patient._has_grown(LogState((12, 48), closed_seconds=-1.0))


def record(key: bytes, partition: int, offset: int) -> LogRecord:
    return LogRecord("events", partition, offset, 0, key, b"%b %d" % (key, offset), ())


def chained(partitions: int, records: list[LogRecord], place_max: int, against: Anchor | None) -> Anchor:
    topic, table = TopicChains(partitions, against), TableChains(partitions, against)
    for one in records:
        topic.add(one.partition, [one])
    rows = sorted((one.key.decode(), 1, place, one.value) for place, one in enumerate(records, 1))
    table.add(rows)
    assert topic.findings() == []
    assert table.findings() == []
    return Anchor("here", "2026-01-01T00:00:00+00:00", place_max, topic.heads, table.heads)


def test_an_anchor_from_before_the_log_grew_still_proves_the_history() -> None:
    """An order's events stay where they are; the chains of the table are compared by the partitions of then."""
    before = [record(key, zlib.crc32(key) % 12, number) for number, key in enumerate(KEYS[:200])]
    anchor = chained(12, before, len(before), None)
    after = before + [record(key, zlib.crc32(key) % 48, 1_000 + number) for number, key in enumerate(KEYS[200:])]
    grown = chained(48, after, len(after), anchor)
    assert (len(grown.topic), len(grown.table)) == (48, 48)

    changed = [*after]
    changed[7] = record(changed[7].key + b"!", changed[7].partition, changed[7].offset)
    topic = TopicChains(48, anchor)
    for one in changed:
        topic.add(one.partition, [one])
    assert len(topic.findings()) == 1


def test_an_anchor_of_a_number_from_which_the_log_cannot_have_grown_is_refused() -> None:
    anchor = chained(12, [], 0, None)
    AnchorFile(path=None, anchor=anchor).refuse_foreign("here", 48)  # type: ignore[arg-type]  # no file is read
    with pytest.raises(GatewayError, match="it did not grow to them from those"):
        AnchorFile(path=None, anchor=anchor).refuse_foreign("here", 30)  # type: ignore[arg-type]
