"""`from` and `to` of a list: instants, days, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter, ValidationError

from api.http.errors import ApiError
from api.http.period import Bound, Period, period, period_of
from api.routes.payments import payment_filter
from api.schemas.webhooks import FilterBody, filter_of

BOUND: TypeAdapter[Any] = TypeAdapter(Bound)
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["2026-11-25T12:00:00Z", "2026-11-25T17:30:00+05:30", "2026-11-25T17:30:00 05:30", "2026-11-25T12:00:00",
     "2026-11-25T12:00:00.000Z"],
)  # fmt: skip
def test_an_instant_is_read_in_every_usual_spelling(text: str) -> None:
    assert BOUND.validate_python(text) == NOON


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-11-31", "2026-13-01", "25.11.2026", "", "0001-01-01", "9999-12-31"]
)
def test_what_is_neither_a_day_nor_an_instant_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        BOUND.validate_python(text)


def test_a_day_in_to_is_included_and_a_day_in_from_too() -> None:
    day = date(2026, 11, 25)
    assert period(day, day) == Period(datetime(2026, 11, 25, tzinfo=UTC), datetime(2026, 11, 26, tzinfo=UTC))
    kolkata = period_of(day, day, ZoneInfo("Asia/Kolkata"))
    assert kolkata == Period(datetime(2026, 11, 24, 18, 30, tzinfo=UTC), datetime(2026, 11, 25, 18, 30, tzinfo=UTC))


def test_an_instant_in_to_is_not_included() -> None:
    assert period(None, NOON) == Period(None, NOON)
    assert period(NOON, NOON) == Period(NOON, NOON)


@pytest.mark.parametrize(
    ("begin", "end"), [(NOON, NOON - timedelta(seconds=1)), (date(2026, 11, 26), date(2026, 11, 25))]
)
def test_a_period_that_ends_before_it_begins_is_refused(begin: Any, end: Any) -> None:
    with pytest.raises(ApiError) as refused:
        period(begin, end)
    assert (refused.value.status, refused.value.field) == (400, "from")


def test_the_period_of_a_bulk_retry_is_read_as_that_of_a_list() -> None:
    filters = filter_of(FilterBody.model_validate_json('{"from": "2026-11-25", "to": "2026-11-25"}'))
    assert (filters.begins_at, filters.ends_at) == (NOON.replace(hour=0), NOON.replace(day=26, hour=0))
    with pytest.raises(ApiError) as refused:
        filter_of(FilterBody.model_validate_json('{"from": "2026-11-26", "to": "2026-11-25T00:00:00Z"}'))
    assert (refused.value.status, refused.value.field) == (400, "from")


def test_amounts_that_end_before_they_begin_are_refused() -> None:
    assert payment_filter(Period(None, None), amount_min=500, amount_max=500).amount_max == 500
    with pytest.raises(ApiError) as refused:
        payment_filter(Period(None, None), amount_min=501, amount_max=500)
    assert (refused.value.status, refused.value.field) == (400, "amount_min")
