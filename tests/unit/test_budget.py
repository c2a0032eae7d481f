"""What a lifecycle costs: samples are charged to who spent them, and counts are divided by the lifecycles."""

from __future__ import annotations

import pytest

from bench.budget import ELSEWHERE, Budget, Share, account_of, accounts_of, shares_of, shown
from bench.processes import Usage

LOOP = "main (api/__main__.py:96);run (uvloop/__init__.py:92)"


@pytest.mark.parametrize(
    ("innermost", "account"),
    [
        ("send (site-packages/aiokafka/producer/producer.py:502)", "Kafka client"),
        ("publish (topics/producer.py:140)", "Kafka client"),
        ("encode (topics/envelope.py:72)", "records"),
        ("decide (domain/machine.py:51)", "decisions"),
        ("events (site-packages/faust/streams.py:80)", "Faust"),
        ("get (site-packages/mode/utils/queues.py:12)", "Faust"),
        ("dumps (json/__init__.py:1);encode (json/encoder.py:2)", "our API"),
    ],
)
def test_a_sample_is_charged_to_the_innermost_frame_that_belongs_to_somebody(innermost: str, account: str) -> None:
    assert account_of(f"{LOOP};ask (api/process/bus.py:159);{innermost}") == account


def test_a_sample_without_a_cause_is_charged_to_the_event_loop() -> None:
    assert account_of("_bootstrap (threading.py:1);select (selectors.py:415)") == ELSEWHERE


def test_accounts_are_shares_of_all_samples() -> None:
    samples = [f"{LOOP};ask (api/process/bus.py:1) 3", "decide (domain/machine.py:51) 1", "a line of another form"]
    assert accounts_of(samples) == {"our API": 0.75, "decisions": 0.25}


def test_shares_are_what_one_lifecycle_took_the_dearest_first() -> None:
    before = {"jobs": Usage(1.0, 0, sleeps=10), "api": Usage(2.0, 0, sleeps=20), "gone": Usage(9.0, 0)}
    after = {"jobs": Usage(1.5, 0, sleeps=110), "api": Usage(4.0, 0, sleeps=520)}
    shares = shares_of(before, after, {"api": 4_000}, count=1_000)
    assert list(shares) == ["api", "jobs"]
    assert shares["api"] == Share(2.0, 0.5, 4.0)
    assert shares["jobs"] == Share(0.5, 0.1, None)


def test_the_load_generator_is_shown_and_not_added() -> None:
    budget = Budget(1, 20.0, {"api": Share(8.0, 7.0, None), "load": Share(1.0, 2.0, None)}, {"api": {"records": 0.5}})
    assert budget.milliseconds == 8.0
    text = shown(budget)
    assert text.startswith("1 in flight: 20 lifecycles/s, 8.00 ms of processor time each")
    assert [line.split() for line in text.splitlines() if "records" in line] == [["records", "4.00"]]
