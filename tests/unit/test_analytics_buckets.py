"""Where hours and days begin, in zones whose clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.analytics.buckets import starts_of

HOURS_OF_DAYS = [
    ("Asia/Kolkata", datetime(2026, 1, 1, 18, 30), 3, [24, 24, 24]),
    ("Australia/Sydney", datetime(2026, 4, 3, 13, 0), 3, [24, 25, 24]),
    ("Australia/Sydney", datetime(2026, 10, 2, 14, 0), 3, [24, 23, 24]),
    ("Europe/Berlin", datetime(2026, 3, 27, 23, 0), 3, [24, 23, 24]),
    # The clocks skip midnight itself: the day begins at one.
    ("Asia/Beirut", datetime(2026, 3, 27, 22, 0), 3, [24, 23, 24]),
]


@pytest.mark.parametrize(
    ("name", "begin", "days", "hours"), HOURS_OF_DAYS, ids=[f"{c[0]} {c[1]:%b}" for c in HOURS_OF_DAYS]
)
def test_days_are_those_of_the_zone(name: str, begin: datetime, days: int, hours: list[int]) -> None:
    from_at = begin.replace(tzinfo=UTC)
    to_at = from_at + timedelta(hours=sum(hours))
    starts = starts_of(from_at, to_at, "day", ZoneInfo(name))
    assert len(starts) == days
    assert [(end - start) / timedelta(hours=1) for start, end in pairwise([*starts, to_at])] == hours


def test_without_a_zone_a_day_has_24_hours_from_where_the_span_begins() -> None:
    from_at = datetime(2026, 3, 28, 9, 15, tzinfo=UTC)
    assert starts_of(from_at, from_at + timedelta(days=2, minutes=1), "day", None) == [
        from_at + timedelta(days=number) for number in range(3)
    ]


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),
    st.timedeltas(timedelta(minutes=15), timedelta(days=60)),
    st.sampled_from(["hour", "day"]),
    st.one_of(st.none(), st.timezone_keys().map(ZoneInfo)),
)
def test_the_starts_cover_the_span_in_order(
    from_at: datetime, length: timedelta, bucket: str, zone: ZoneInfo | None
) -> None:
    starts = starts_of(from_at, from_at + length, bucket, zone)  # type: ignore[arg-type]  # a sampled literal
    assert starts[0] == from_at and starts[-1] < from_at + length
    assert all(before < after <= before + timedelta(hours=50) for before, after in pairwise(starts))
