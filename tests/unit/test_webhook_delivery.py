"""The steps of a delivery that need no I/O: verdicts, identities, filters, lanes and tiers."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import TopicPartition

from agents.webhooks.lanes import MERCHANT_SHARE, SHARE, SLOW_AFTER_SECONDS, Lanes, Ticket
from agents.webhooks.tiers import WAITING_MAX, Tiers
from domain.delivery import (
    Dead,
    Delivered,
    Due,
    HttpResponse,
    Prepared,
    RetryLater,
    Sent,
    SwitchedOff,
    classify,
    is_subscribed,
    log_id,
)
from domain.signature import Secrets
from runtime.clock import SYSTEM_CLOCK, Clock
from topics.delivery import delivery_record, due_at_ms, read_delivery, retry_record

AT = datetime(2026, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)
DUE = Due(uuid.UUID(int=7), "whe_0Ab3xZQwErTyUiOp", "order_0Ab3xZQwErTyUiOp", 1)
DELAYS = (0, 5, 30)


@pytest.mark.parametrize("code", [200, 201, 204, 299])
def test_2xx_is_delivered(code: int) -> None:
    assert classify(_sent(code), DELAYS, draw=0.5) == Delivered()


@pytest.mark.parametrize("code", [100, 199, 300, 301, 302, 307, 400, 404, 408, 429, 500, 503, 599, None])
def test_everything_else_but_410_is_tried_again(code: int | None) -> None:
    verdict = classify(_sent(code), DELAYS, draw=0.5)
    assert isinstance(verdict, RetryLater)
    assert verdict.retry.due_at == AT + timedelta(milliseconds=40, seconds=5)


def test_410_disables_the_endpoint_even_at_the_last_attempt() -> None:
    assert classify(_sent(410, attempt=3), DELAYS, draw=0.5) == SwitchedOff()


def test_after_the_last_attempt_the_delivery_is_dead() -> None:
    assert isinstance(classify(_sent(500, attempt=3), DELAYS, draw=0.5), Dead)


def test_a_manual_retry_has_the_whole_schedule_again() -> None:
    verdict = classify(_sent(500, attempt=4, schedule_from=3), DELAYS, draw=0.5)
    assert isinstance(verdict, RetryLater) and verdict.retry.tier_seconds == 5


def test_a_deliverys_identity_is_the_same_each_time_and_sorts_by_time() -> None:
    first = log_id("evt_0Ab3xZQwErTyUiOp_4", "whe_1", AT)
    assert first == log_id("evt_0Ab3xZQwErTyUiOp_4", "whe_1", AT)
    assert (
        len({first, log_id("evt_0Ab3xZQwErTyUiOp_5", "whe_1", AT), log_id("evt_0Ab3xZQwErTyUiOp_4", "whe_2", AT)}) == 3
    )
    assert first.version == 8 and first.variant == uuid.RFC_4122
    assert str(first) < str(log_id("evt_0", "whe_0", AT + timedelta(milliseconds=1)))


def test_an_endpoint_without_a_filter_gets_the_four_outcomes() -> None:
    assert [
        event for event in ("payment.created", "payment.success", "payment.failed") if is_subscribed((), event)
    ] == [
        "payment.success",
        "payment.failed",
    ]
    assert is_subscribed(("payment.created",), "payment.created") and not is_subscribed(
        ("payment.created",), "payment.success"
    )


def test_a_delivery_record_reads_back_and_carries_when_it_is_due() -> None:
    record = delivery_record(DUE, at=AT, partitions=12)
    later = retry_record(DUE, tier_seconds=30, due_at=AT, at=AT, partitions=12)
    assert read_delivery(record.value) == read_delivery(later.value) == DUE
    assert later.topic == "webhooks.retry.30s.v1"
    assert due_at_ms(later.headers, latest_ms=2_000_000_000_000) == 1_770_091_506_789
    assert retry_record(DUE, tier_seconds=0, due_at=AT, at=AT, partitions=12).topic == record.topic


def test_a_full_lane_delays_only_its_own_endpoint() -> None:
    line = _Line()
    for number in range(SHARE + 3):
        line.offer("slow", number)
    line.offer("other", 1_000)
    assert line.started == [*range(SHARE), 1_000]
    assert line.parked == []


def test_the_end_of_a_request_starts_the_next_in_line() -> None:
    line = _Line()
    for number in range(SHARE + 2):
        line.offer("busy", number)
    line.end(0)
    assert line.started == list(range(SHARE + 1))


def test_deliveries_behind_slow_requests_are_parked_and_so_are_later_ones() -> None:
    clock = Hands()
    line = _Line(clock)
    for number in range(SHARE + 2):
        line.offer("slow", number)
    line.lanes.park_slow()
    assert line.parked == []
    clock.at += SLOW_AFTER_SECONDS + 0.1
    line.lanes.park_slow()
    line.offer("slow", 2_000)
    assert line.parked == [SHARE, SHARE + 1, 2_000]
    assert len(line.started) == SHARE


@pytest.mark.parametrize(("old", "parked"), [(SHARE // 4, []), (SHARE // 4 + 1, [2_000])])
def test_a_few_stragglers_do_not_make_an_endpoint_slow(old: int, parked: list[int]) -> None:
    clock = Hands()
    line = _Line(clock)
    for number in range(old):
        line.offer("busy", number)
    clock.at += SLOW_AFTER_SECONDS + 0.1
    for number in range(old, SHARE):
        line.offer("busy", number)
    line.offer("busy", 2_000)
    line.lanes.park_slow()
    assert line.parked == parked


def test_a_merchant_with_many_slow_endpoints_fills_its_own_share_only() -> None:
    clock = Hands()
    line = _Line(clock)
    for number in range(2 * MERCHANT_SHARE):
        line.offer(f"slow {number % 50}", number, merchant="greedy")
    line.offer("quick", 10_000, merchant="other")
    assert line.started == [*range(MERCHANT_SHARE), 10_000]
    clock.at += SLOW_AFTER_SECONDS + 0.1
    line.lanes.park_slow()
    assert sorted(line.parked) == list(range(MERCHANT_SHARE, 2 * MERCHANT_SHARE))


def test_a_full_merchants_slot_goes_to_the_endpoint_that_waited_longest() -> None:
    line = _Line()
    for number in range(MERCHANT_SHARE):
        line.offer(f"slow {number % 5}", number)
    line.offer("first", 1_000)
    line.offer("second", 1_001)
    line.offer("first", 1_002)
    for number in range(3):
        line.end(number)
    assert line.started[MERCHANT_SHARE:] == [1_000, 1_001, 1_002]


def test_a_line_that_hardly_moves_is_parked_though_no_request_is_slow() -> None:
    clock = Hands()
    line = _Line(clock)
    for number in range(SHARE + 100):
        line.offer("just quick enough", number)
    for turn in range(4):
        clock.at += SLOW_AFTER_SECONDS - 0.1
        for number in range(10):
            line.end(turn * 10 + number)
        line.lanes.park_slow()
    assert line.parked, "whoever answers in 1.9 s for ever would fill the dispatcher with its line"
    assert line.parked[0] >= SHARE


def test_lanes_forget_endpoints_that_have_nothing_under_way() -> None:
    line = _Line()
    for number in range(SHARE * 6):
        line.offer(f"endpoint {number % 6}", number)
    while line.open:
        line.end(next(iter(line.open)))
    assert line.lanes._merchants == {}
    assert sorted(line.started) == list(range(SHARE * 6))


def test_a_tier_gives_back_what_is_due_first_whatever_came_first() -> None:
    tiers, place = Tiers(), TopicPartition("webhooks.retry.5s.v1", 0)
    for due_ms in (500, 100, 300):
        tiers.add(place, f"due at {due_ms}", due_ms=due_ms, mark=[])
    assert tiers.next_due_ms() == 100
    assert [one.due for one in tiers.take_due(300, limit=10)] == ["due at 100", "due at 300"]
    assert len(tiers) == 1


def test_a_tier_is_bounded_and_forgets_partitions_that_went_elsewhere() -> None:
    tiers, place, other = Tiers(), TopicPartition("webhooks.retry.5s.v1", 0), TopicPartition("webhooks.retry.5s.v1", 1)
    for number in range(WAITING_MAX):
        tiers.add(place, number, due_ms=number, mark=[])
    tiers.add(other, "kept", due_ms=1, mark=[])
    assert tiers.full() == {place}
    tiers.forget([place])
    assert tiers.full() == set()
    assert [one.due for one in tiers.take_due(WAITING_MAX, limit=10)] == ["kept"]


def _sent(code: int | None, *, attempt: int = 1, schedule_from: int = 0) -> Sent:
    due = Due(DUE.log_id, DUE.endpoint_id, DUE.order_id, attempt)
    prepared = Prepared(due, "evt_1", "pay_1", "http://shop.example", b"{}", Secrets("whsec_"), schedule_from, False)
    response = None if code is None else HttpResponse(code, "", None)
    return Sent(prepared, AT, 40, {}, response, None if response else "no answer within 5 s")


class _Line:
    """Lanes whose requests end when the test says so."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self.started: list[int] = []
        self.parked: list[int] = []
        self.open: dict[int, Ticket] = {}
        self.lanes: Lanes[int] = Lanes(self._start, self.parked.append, may_park=True, clock=clock)

    def offer(self, endpoint: str, work: int, *, merchant: str = "merchant") -> None:
        self.lanes.offer(merchant, endpoint, work)

    def end(self, work: int) -> None:
        self.lanes.ended(self.open.pop(work))

    def _start(self, work: int, ticket: Ticket) -> None:
        self.started.append(work)
        self.open[work] = ticket


class Hands(Clock):
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def monotonic(self) -> float:
        return self.at
