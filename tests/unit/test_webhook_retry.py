"""The retry schedule: its arithmetic, its bounds, its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.retry import JITTER, RETRY_AFTER_SECONDS_MAX, next_retry, retry_after_seconds
from runtime.settings import LIVE_RETRY_DELAYS_SECONDS, TEST_RETRY_DELAYS_SECONDS

ENDED = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
DRAWS = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, len(LIVE_RETRY_DELAYS_SECONDS) - 1), DRAWS)
def test_each_wait_lies_within_the_jitter_of_its_step(attempts_made: int, draw: float) -> None:
    retry = next_retry(LIVE_RETRY_DELAYS_SECONDS, attempts_made=attempts_made, ended_at=ENDED, draw=draw)
    step = LIVE_RETRY_DELAYS_SECONDS[attempts_made]
    assert retry is not None
    assert retry.tier_seconds == step
    wait = (retry.due_at - ENDED).total_seconds()
    assert step * (1 - JITTER) - 1e-3 <= wait <= step * (1 + JITTER) + 1e-3


def test_a_low_draw_shortens_the_wait_and_a_high_one_lengthens_it() -> None:
    step = LIVE_RETRY_DELAYS_SECONDS[5]
    for draw, share in ((0.0, 1 - JITTER), (0.5, 1.0), (0.75, 1 + JITTER / 2)):
        retry = next_retry(LIVE_RETRY_DELAYS_SECONDS, attempts_made=5, ended_at=ENDED, draw=draw)
        assert retry is not None
        assert (retry.due_at - ENDED).total_seconds() == pytest.approx(step * share)


def test_retry_after_can_double_a_wait() -> None:
    step = LIVE_RETRY_DELAYS_SECONDS[5]
    retry = next_retry(
        LIVE_RETRY_DELAYS_SECONDS, attempts_made=5, ended_at=ENDED, draw=0.5, retry_after_seconds=1.75 * step
    )
    assert retry is not None
    assert (retry.due_at - ENDED).total_seconds() == pytest.approx(1.75 * step)


@pytest.mark.parametrize("delays", [LIVE_RETRY_DELAYS_SECONDS, TEST_RETRY_DELAYS_SECONDS, (0,), (0, 0, 0)])
def test_there_are_as_many_attempts_as_steps_and_then_none(delays: tuple[int, ...]) -> None:
    waits = [next_retry(delays, attempts_made=made, ended_at=ENDED, draw=0.5) for made in range(1, len(delays) + 2)]
    assert [wait is not None for wait in waits] == [True] * (len(delays) - 1) + [False, False]


def test_the_live_schedule_spans_about_92_hours_in_12_attempts() -> None:
    assert len(LIVE_RETRY_DELAYS_SECONDS) == 12
    assert sum(LIVE_RETRY_DELAYS_SECONDS) / 3_600 == pytest.approx(92.7, abs=0.1)


@given(st.integers(1, 11), DRAWS, st.floats(0, 1e9))
def test_retry_after_makes_the_wait_longer_but_at_most_twice_the_step(made: int, draw: float, requested: float) -> None:
    plain = next_retry(LIVE_RETRY_DELAYS_SECONDS, attempts_made=made, ended_at=ENDED, draw=draw)
    received = next_retry(
        LIVE_RETRY_DELAYS_SECONDS, attempts_made=made, ended_at=ENDED, draw=draw, retry_after_seconds=requested
    )
    assert plain is not None and received is not None
    assert received.due_at >= plain.due_at
    assert received.due_at <= max(plain.due_at, ENDED + timedelta(seconds=2 * plain.tier_seconds))


def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    assert retry_after_seconds("120", now=ENDED) == 120
    assert retry_after_seconds(" 7 ", now=ENDED) == 7
    assert retry_after_seconds("Tue, 03 Feb 2026 04:06:06 GMT", now=ENDED) == 60
    assert retry_after_seconds("Tue, 03 Feb 2026 04:00:00 GMT", now=ENDED) == 0


@pytest.mark.parametrize(
    "date", ["Tue, 03 Feb 2026 04:06:06 GMT", "Tuesday, 03-Feb-26 04:06:06 GMT", "Tue Feb  3 04:06:06 2026"]
)
def test_all_three_forms_of_an_http_date_are_read(date: str) -> None:
    assert retry_after_seconds(date, now=ENDED) == 60


@pytest.mark.parametrize(
    "value", ["12345678901", "9" * 5_000, "Mon, 01 Jan 99999999999 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"]
)
def test_a_wait_beyond_all_bounds_is_capped(value: str) -> None:
    assert retry_after_seconds(value, now=ENDED) == RETRY_AFTER_SECONDS_MAX


def test_leading_zeros_do_not_make_a_wait_long() -> None:
    assert retry_after_seconds("0" * 100 + "7", now=ENDED) == 7


@given(st.one_of(st.text(max_size=80), st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ .*")))
def test_no_header_at_all_raises_or_leaves_the_bounds(value: str) -> None:
    found = retry_after_seconds(value, now=ENDED)
    assert found is None or 0 <= found <= RETRY_AFTER_SECONDS_MAX


@pytest.mark.parametrize("value", [None, "", "soon", "-5", "1e9", "٣", "Tue, 99 Feb 2026 04:06:06 GMT", "0,5"])
def test_a_meaningless_retry_after_is_ignored(value: str | None) -> None:
    assert retry_after_seconds(value, now=ENDED) is None
