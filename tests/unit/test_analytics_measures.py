"""What the analytics count from an event, in which stretch of time, and how percentiles come out of buckets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.analytics.measures import (
    BUCKET_MAX,
    BUCKETS_PER_DOUBLING,
    DAY,
    GRAINS,
    QUARTER,
    Cell,
    Measure,
    Sum,
    bucket_of,
    floor,
    fold,
    percentile,
)
from store.analytics.queries import Period, pieces_of, widened

CREATED_AT = datetime(2026, 3, 1, 18, 44, 59, 999999, UTC)
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


def record(kind: str, *, after_ms: int = 0, **resource: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "created_at": CREATED_AT.isoformat(),
        "currency": "INR",
        "amount": 500,
        "processed_at": None,
    }
    body |= resource
    name = "refund" if kind.startswith("refund") else "payment"
    at = CREATED_AT + timedelta(milliseconds=after_ms)
    return {"type": kind, "at": at.isoformat(), "body": {name: {"method": "upi", "error_code": None} | body}}


def counted(*records: dict[str, Any], grain: int = QUARTER) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        (cell.measure, cell.label): (total.count, total.amount_minor)
        for cell, total in fold(records).items()
        if cell.grain_minutes == grain
    }


@pytest.mark.parametrize("grain", GRAINS)
def test_a_payments_life_is_counted_where_it_began(grain: int) -> None:
    events = [record("payment.created"), record("payment.processing"), record("payment.success", after_ms=1_000)]
    assert counted(*events, grain=grain) == {
        (Measure.CREATED, "INR/upi"): (1, 500),
        (Measure.SUCCESS, "INR/upi"): (1, 500),
        (Measure.LATENCY, str(bucket_of(1_000))): (1, 0),
    }
    assert {cell.starts_at for cell in fold(events) if cell.grain_minutes == grain} == {floor(CREATED_AT, grain)}


def test_a_decline_is_counted_by_its_code() -> None:
    numbers = counted(record("payment.failed", error_code="UPI_DECLINED", after_ms=500))
    assert numbers[Measure.ERROR, "UPI_DECLINED"] == (1, 0)
    assert numbers[Measure.FAILED, "INR/upi"] == (1, 500)


def test_currencies_are_never_added_up() -> None:
    numbers = counted(record("payment.success"), record("payment.success", currency="USD", amount=700))
    assert numbers[Measure.SUCCESS, "INR/upi"] == (1, 500)
    assert numbers[Measure.SUCCESS, "USD/upi"] == (1, 700)


def test_automatic_refunds_are_distinguished_from_requested_ones() -> None:
    requested, automatic = record("refund.processed", automatic=False), record("refund.processed", automatic=True)
    assert counted(requested, automatic) == {
        (Measure.REFUND_PROCESSED, "INR/asked"): (1, 500),
        (Measure.REFUND_PROCESSED, "INR/automatic"): (1, 500),
    }


def test_a_refund_is_counted_by_the_banks_last_report() -> None:
    failed, late = record("refund.failed", automatic=False), record("refund.late_success", automatic=False)
    bounced = record("refund.failed", automatic=False, processed_at=CREATED_AT.isoformat())
    done, undone = (1, 500), (0, 0)
    processed, refused = (Measure.REFUND_PROCESSED, "INR/asked"), (Measure.REFUND_FAILED, "INR/asked")
    assert counted(failed, late) == {processed: done, refused: undone}
    assert counted(failed, late, bounced) == {processed: undone, refused: done}
    assert counted(failed, late, bounced, late) == {processed: done, refused: undone}


@pytest.mark.parametrize(
    "kind",
    [
        "order.created",
        "payment.processing",
        "payment.action_required",
        "payment.captured",
        "payment.late_success",
        "payment.reversed",
        "payment.reinstated",
    ],
)
def test_other_events_move_no_number(kind: str) -> None:
    assert fold([record(kind)]) == {}


@given(INSTANTS, st.sampled_from(GRAINS))
def test_an_instant_is_in_the_stretch_that_it_is_counted_in(instant: datetime, grain: int) -> None:
    start = floor(instant, grain)
    assert start <= instant < start + timedelta(minutes=grain)
    assert floor(start, grain) == start


@given(st.lists(st.integers(1, 60_000_000), min_size=1, max_size=200), st.sampled_from([0.5, 0.95]))
def test_a_percentile_is_off_by_less_than_a_bucket(values: list[int], share: float) -> None:
    counts: dict[int, int] = {}
    for value in values:
        counts[bucket_of(value)] = counts.get(bucket_of(value), 0) + 1
    found, width = percentile(counts, share), 2 ** (1 / BUCKETS_PER_DOUBLING)
    exact = sorted(values)[max(0, -int(-share * len(values) // 1) - 1)]
    assert found is not None
    assert exact / width - 1 <= found <= exact * width + 1


def test_no_percentile_comes_from_nothing() -> None:
    assert percentile({}, 0.5) is None
    assert bucket_of(-5) == 0
    assert bucket_of(10**12) == BUCKET_MAX


@given(INSTANTS, st.timedeltas(timedelta(microseconds=1), timedelta(days=40)))
def test_the_pieces_of_a_span_are_the_span_without_gap_or_overlap(from_at: datetime, length: timedelta) -> None:
    period = widened(from_at, from_at + length)
    pieces = pieces_of(period)
    assert pieces[0].from_at == period.from_at <= from_at
    assert pieces[-1].to_at == period.to_at >= from_at + length
    assert period.to_at - period.from_at < length + timedelta(minutes=2 * QUARTER)
    assert all(left.to_at == right.from_at for left, right in pairwise(pieces))
    for piece in pieces:
        assert piece.from_at < piece.to_at
        assert floor(piece.from_at, piece.grain_minutes) == piece.from_at
        assert floor(piece.to_at, piece.grain_minutes) == piece.to_at


def test_the_span_before_is_as_long_and_ends_where_the_span_begins() -> None:
    period = Period(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC))
    assert period.before == Period(datetime(2026, 2, 23, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))


def test_cells_are_sorted_alike_by_every_writer() -> None:
    cells = {Cell(DAY, "success", CREATED_AT, "INR/upi"): Sum(), Cell(QUARTER, "failed", CREATED_AT, "INR/upi"): Sum()}
    assert [cell.grain_minutes for cell in sorted(cells)] == [QUARTER, DAY]
