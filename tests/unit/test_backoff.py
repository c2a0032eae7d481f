"""When a dead process is started again."""

from __future__ import annotations

import pytest

from ops.stack.backoff import DELAY_SECONDS_MAX, HEALTHY_AFTER_SECONDS, Backoff, delay_seconds


def test_the_first_death_costs_no_wait() -> None:
    _, delay = Backoff().after_death(lived_seconds=0.1)
    assert delay == 0.0


def test_one_that_keeps_dying_waits_longer_each_time_up_to_ten_seconds() -> None:
    backoff, delays = Backoff(), []
    for _ in range(10):
        backoff, delay = backoff.after_death(lived_seconds=0.1)
        delays.append(delay)
    assert delays == [0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]


def test_a_healthy_while_makes_up_for_earlier_deaths() -> None:
    backoff, delay = Backoff(deaths=8).after_death(lived_seconds=HEALTHY_AFTER_SECONDS)
    assert delay == 0.0
    assert backoff.after_death(lived_seconds=0.1)[1] == 0.25


@pytest.mark.parametrize("deaths", [1_000, 10**9])
def test_no_number_of_deaths_exceeds_the_bound(deaths: int) -> None:
    assert delay_seconds(deaths) == DELAY_SECONDS_MAX
