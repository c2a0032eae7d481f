"""What follows from the catalogue: the broker's settings of each topic, and how long the inbox must remember."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from runtime.settings import LIVE_RETRY_DELAYS_SECONDS, Settings
from topics.admin import catalogue_of, inbox_problem
from topics.catalogue import (
    COMMANDS,
    COMMANDS_DAYS_MAX,
    COMMANDS_DAYS_MIN,
    DAY_MS,
    FOR_EVER,
    INBOX_DAYS_MIN,
    OFFSETS_RETENTION_DAYS,
    decidable_age_ms,
    inbox_days_min,
    topics,
)

TOPICS = {topic.name: topic for topic in topics(LIVE_RETRY_DELAYS_SECONDS)}


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_with_a_retention_closes_its_segments_every_day(name: str) -> None:
    topic = TOPICS[name]
    if topic.retention_ms == FOR_EVER:
        assert "segment.ms" not in topic.config
    else:
        assert int(topic.config["segment.ms"]) <= DAY_MS


@pytest.mark.parametrize("name", TOPICS)
def test_records_bear_the_time_of_the_log_not_of_their_writer(name: str) -> None:
    assert TOPICS[name].config["message.timestamp.type"] == "LogAppendTime"


def test_the_shortest_inbox_remembers_the_oldest_command_that_can_be_on_the_log() -> None:
    config = TOPICS[COMMANDS].config
    oldest_ms = int(config["retention.ms"]) + int(config["segment.ms"])
    assert decidable_age_ms(INBOX_DAYS_MIN) >= oldest_ms
    assert oldest_ms < INBOX_DAYS_MIN * DAY_MS


def test_a_shorter_inbox_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_MODE", "true")
    assert Settings().idempotency_retention_days == INBOX_DAYS_MIN
    monkeypatch.setenv("IDEMPOTENCY_RETENTION_DAYS", str(INBOX_DAYS_MIN - 1))
    with pytest.raises(ValidationError, match="greater than or equal to 9"):
        Settings()


@pytest.mark.parametrize("days", [COMMANDS_DAYS_MIN, 7, 8, 30, COMMANDS_DAYS_MAX])
def test_commands_are_kept_as_long_as_the_setting_says_and_the_inbox_remembers_for_longer(days: int) -> None:
    inbox = max(INBOX_DAYS_MIN, inbox_days_min(days))
    settings = Settings(test_mode=True, command_retention_days=days, idempotency_retention_days=inbox)
    config = catalogue_of(settings)[COMMANDS].config
    assert config["retention.ms"] == str(days * DAY_MS)
    assert inbox_problem(config, inbox) is None
    if inbox > INBOX_DAYS_MIN:
        assert inbox_problem(config, inbox - 1) is not None
        with pytest.raises(ValidationError, match=f"must be at least {inbox} where COMMAND_RETENTION_DAYS is {days}"):
            Settings(test_mode=True, command_retention_days=days, idempotency_retention_days=inbox - 1)


def test_the_broker_keeps_the_place_of_a_group_for_longer_than_any_command() -> None:
    assert COMMANDS_DAYS_MAX + 1 < OFFSETS_RETENTION_DAYS
