"""Topic settings on a real broker: altered to match the catalogue, and refused while a command could act twice."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from ops.health.command import look
from runtime.settings import Settings
from tests.support.command import gateway
from tests.support.eventually import eventually
from tests.support.stack import Stack, running_stack
from topics.admin import (
    TopicMismatchError,
    admin_client,
    catalogue_of,
    check_topics,
    ensure_topics,
    inbox_problem,
    topic_problems,
)
from topics.catalogue import COMMANDS, DAY_MS, EVENTS, INBOX_DAYS_MIN

OLD = {"retention.ms": str(7 * DAY_MS), "segment.ms": str(7 * DAY_MS), "message.timestamp.type": "CreateTime"}


async def set_config(settings: Settings, topic: str, config: dict[str, str]) -> None:
    async with admin_client(settings) as client:
        (response,) = await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, config)])
        assert [code for code, *_ in response.resources] == [0]
    await _until(settings, topic, config)


async def _until(settings: Settings, topic: str, config: dict[str, str]) -> None:
    """The controller answers before the broker has taken note."""

    async def taken() -> bool:
        found = await config_of(settings, topic)
        return all(found[name] == value for name, value in config.items())

    await eventually(taken, timeout=20, what=f"the settings of {topic}")


async def config_of(settings: Settings, topic: str) -> dict[str, str]:
    async with admin_client(settings) as client:
        (response,) = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    return {entry[0]: entry[1] for entry in response.resources[0][4]}


@pytest.fixture
async def settings(services: Stack) -> AsyncIterator[Settings]:
    yield services.settings
    await ensure_topics(services.settings)
    for name, topic in catalogue_of(services.settings).items():
        await _until(services.settings, name, topic.config)


async def test_topics_of_an_earlier_version_get_the_settings_of_the_catalogue(settings: Settings) -> None:
    # Given a topic as an earlier version made it, with a setting that its operator added,
    await set_config(settings, COMMANDS, {**OLD, "max.message.bytes": "2000000"})
    # when the topics are brought up to date,
    assert await ensure_topics(settings) == [COMMANDS]
    # then it has what the catalogue says, and keeps what is not in there.
    await _until(settings, COMMANDS, {**catalogue_of(settings)[COMMANDS].config, "max.message.bytes": "2000000"})
    assert await ensure_topics(settings) == []


async def test_a_log_that_keeps_commands_for_longer_than_the_inbox_is_refused(settings: Settings) -> None:
    await check_topics(settings, COMMANDS)
    await set_config(settings, COMMANDS, {**OLD, "message.timestamp.type": "LogAppendTime"})
    with pytest.raises(TopicMismatchError, match=r"for 14 days.*IDEMPOTENCY_RETENTION_DAYS=15 or run `gateway topics"):
        await check_topics(settings, COMMANDS)
    longer = settings.model_copy(update={"idempotency_retention_days": 15})
    await check_topics(longer, COMMANDS)


async def test_writers_clocks_on_the_commands_topic_are_refused(settings: Settings) -> None:
    await set_config(settings, COMMANDS, OLD)
    with pytest.raises(TopicMismatchError, match="the age of a command is unknown"):
        await check_topics(settings, COMMANDS)


async def test_health_names_every_topic_that_differs(services: Stack, settings: Settings) -> None:
    assert await topic_problems(settings) == []
    await set_config(settings, EVENTS, {"retention.ms": str(7 * DAY_MS), "message.timestamp.type": "LogAppendTime"})
    (problem,) = await topic_problems(settings)
    assert problem.startswith(f"{EVENTS} has retention.ms={7 * DAY_MS} instead of retention.ms=-1")
    assert problem in (await look(settings)).problems
    done = await gateway(services, "topics", "create")
    assert done.out.strip() == f"created or altered {EVENTS}"


async def test_actor_and_sweeper_do_not_start_while_a_command_could_act_twice(settings: Settings) -> None:
    with running_stack() as stack:
        await set_config(stack.settings, COMMANDS, OLD)
        for role in ("payments", "sweeper"):
            stack.call("start_roles", roles=[role])
        for role in ("payments", "sweeper"):
            await eventually(
                lambda role=role: "the age of a command is unknown" in stack.logs(role),
                timeout=60,
                what=f"{role} to refuse",
            )


@pytest.mark.parametrize(
    ("changed", "days", "refused"),
    [
        ({}, INBOX_DAYS_MIN, False),
        ({"segment.ms": str(2 * DAY_MS)}, INBOX_DAYS_MIN, True),
        ({"segment.ms": str(2 * DAY_MS)}, INBOX_DAYS_MIN + 1, False),
        ({"retention.ms": "-1"}, 365, True),
        ({"segment.ms": None}, 365, True),
    ],
)
def test_retention_segment_and_reserve_must_fit_into_the_inbox(
    changed: dict[str, str | None], days: int, refused: bool
) -> None:
    config: dict[str, str | None] = {
        "retention.ms": str(7 * DAY_MS),
        "segment.ms": str(DAY_MS),
        "message.timestamp.type": "LogAppendTime",
    }
    assert (inbox_problem(config | changed, days) is not None) == refused
