"""Creating and checking topics: one explicit step, never the broker's auto-creation.

    ensure_topics    creates what is missing and sets what differs from the catalogue
    check_topics     refuses what could cost money: run by the roles that decide commands or prune the inbox
    topic_problems   names every difference: `gateway health`

Only `grow_topics` changes the partition count of an existing topic, while the log is closed: a key moves to
another partition (docs/decisions/0034). A topic may have more partitions than are in use: nothing writes to those.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from runtime.settings import Settings
from topics.catalogue import COMMANDS, DAY_MS, INBOX_RESERVE_MS, LOG_TIME, Topic, decidable_age_ms, topics
from topics.connection import client_options

TOPIC_CONFIG_SOURCE = 1
"""Kafka's DYNAMIC_TOPIC_CONFIG: set for this topic, not inherited."""


SERVED_SECONDS = 15.0
"""From the broker's confirmation of new partitions until each of them has a leader."""


class TopicMismatchError(RuntimeError):
    """The broker's topics do not match the catalogue and the settings."""


@asynccontextmanager
async def admin_client(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client, closed at the end."""
    client = AIOKafkaAdminClient(**client_options(settings), request_timeout_ms=10_000)
    try:
        await client.start()
        yield client
    finally:
        await client.close()


def catalogue_of(settings: Settings) -> dict[str, Topic]:
    """Topic name -> topic, for this deployment."""
    return {
        topic.name: topic
        for topic in topics(settings.retry_delays_seconds, commands_days=settings.command_retention_days)
    }


def partitions_of(topic: Topic, settings: Settings) -> int:
    return topic.partitions or settings.topic_partitions


async def ensure_topics(settings: Settings) -> list[str]:
    """Create missing topics and alter differing settings; returns the names of both.

    Raises TopicMismatchError if an existing topic has too few partitions, or the broker refuses a change.
    """
    expected = catalogue_of(settings)
    async with admin_client(settings) as client:
        existing = set(await client.list_topics())
        known = [topic for name, topic in expected.items() if name in existing]
        missing = [topic for name, topic in expected.items() if name not in existing]
        await _refuse_missing_partitions(client, known, settings)
        if missing:
            response = await client.create_topics([_new(topic, settings) for topic in missing], timeout_ms=15_000)
            _raise_for(response)
        altered = await _alter(client, known)
        return [topic.name for topic in missing] + altered


async def check_topics(settings: Settings, *names: str) -> None:
    """Raise TopicMismatchError unless these topics exist with the partitions of the settings, and the inbox remembers
    for longer than a command stays on the log."""
    expected = catalogue_of(settings)
    async with admin_client(settings) as client:
        existing = set(await client.list_topics())
        missing = [name for name in names if name not in existing]
        if missing:
            raise TopicMismatchError(f"topics missing: {', '.join(missing)}; run `gateway topics create`")
        known = [expected[name] for name in names]
        await _refuse_missing_partitions(client, known, settings)
        found = await _configs(client, known)
    if COMMANDS in found and (problem := inbox_problem(found[COMMANDS], settings.idempotency_retention_days)):
        raise TopicMismatchError(problem)


async def topic_problems(settings: Settings) -> list[str]:
    """A message for each topic that is missing or differs from the catalogue; empty if there are none."""
    expected = catalogue_of(settings)
    async with admin_client(settings) as client:
        existing = set(await client.list_topics())
        known = [topic for name, topic in expected.items() if name in existing]
        found = await _configs(client, known)
    problems = [f"{name} is missing; run `gateway topics create`" for name in expected if name not in existing]
    for topic in known:
        if differing := _differing(topic, found[topic.name]):
            has = ", ".join(f"{name}={found[topic.name].get(name)}" for name in differing)
            needed = ", ".join(f"{name}={value}" for name, value in differing.items())
            problems.append(f"{topic.name} has {has} instead of {needed}; run `gateway topics create`")
    if COMMANDS in found and (problem := inbox_problem(found[COMMANDS], settings.idempotency_retention_days)):
        problems.append(problem)
    return problems


def inbox_problem(config: Mapping[str, str | None], inbox_days: int) -> str | None:
    """Why a command on this topic could outlive the memory of the inbox; None if it cannot.

    `config`: the commands topic's settings as the broker has them.
    """
    if config.get("message.timestamp.type") != LOG_TIME:
        return (
            f"{COMMANDS} takes its timestamps from the writers' clocks, so the age of a command is unknown; run "
            "`gateway topics create`"
        )
    retention, segment = _milliseconds(config, "retention.ms"), _milliseconds(config, "segment.ms")
    if retention is None or segment is None:
        return f"{COMMANDS} keeps its records without a limit, the inbox does not; run `gateway topics create`"
    age_ms = retention + segment
    if age_ms <= decidable_age_ms(inbox_days):
        return None
    days = math.ceil((age_ms + INBOX_RESERVE_MS) / DAY_MS)
    return (
        f"a command can stay on {COMMANDS} for {age_ms / DAY_MS:.3g} days, but the inbox remembers for {inbox_days}: a "
        f"command read again could act twice. Set IDEMPOTENCY_RETENTION_DAYS={days} or run `gateway topics create`"
    )


def _milliseconds(config: Mapping[str, str | None], name: str) -> int | None:
    """None: not given, or without a limit."""
    value = config.get(name)
    return int(value) if value is not None and int(value) >= 0 else None


async def partition_counts(
    client: AIOKafkaAdminClient, names: Sequence[str], *, served: bool = False
) -> dict[str, int]:
    """Topic name -> its partitions, `served`: those that have a leader. Existing topics only."""
    if not names:
        return {}
    return {
        entry["topic"]: sum(not served or partition["leader"] >= 0 for partition in entry["partitions"])
        for entry in await client.describe_topics(list(names))
    }


async def grow_topics(client: AIOKafkaAdminClient, settings: Settings, partitions: int) -> None:
    """Add partitions to the topics that have TOPIC_PARTITIONS, and wait until the broker serves them.

    Can be repeated. Raises KafkaError if the broker refuses, TimeoutError if it does not serve them.
    """
    keyed = keyed_topics(settings)
    found = await partition_counts(client, keyed)
    if growing := {name: NewPartitions(partitions) for name in keyed if found[name] < partitions}:
        await client.create_partitions(growing, timeout_ms=15_000)
    async with asyncio.timeout(SERVED_SECONDS):
        while min((await partition_counts(client, keyed, served=True)).values()) < partitions:  # noqa: ASYNC110
            await asyncio.sleep(0.1)  # the broker reports no such event


def keyed_topics(settings: Settings) -> list[str]:
    """The topics that have TOPIC_PARTITIONS."""
    return [name for name, topic in catalogue_of(settings).items() if not topic.partitions]


async def _refuse_missing_partitions(client: AIOKafkaAdminClient, known: list[Topic], settings: Settings) -> None:
    counts = await partition_counts(client, [topic.name for topic in known])
    for topic in known:
        needed, found = partitions_of(topic, settings), counts[topic.name]
        if found < needed:
            raise TopicMismatchError(
                f"{topic.name} has {found} partitions, and {needed} are in use: this is another gateway's log, or "
                f"TOPIC_PARTITIONS={needed} is not what it was made with. A log grows by `gateway topics grow` alone: "
                "otherwise orders move to other actors while they are undecided."
            )


async def _alter(client: AIOKafkaAdminClient, known: list[Topic]) -> list[str]:
    """Set what differs from the catalogue; returns the names of the altered topics.

    Kafka's request replaces all settings of a topic, so settings from other sources are sent along.
    """
    found, own = await _configs(client, known), await _configs(client, known, overridden_only=True)
    changed = [topic for topic in known if _differing(topic, found[topic.name])]
    if changed:
        resources = [_resource(topic.name, {**own[topic.name], **topic.config}) for topic in changed]
        for response in await client.alter_configs(resources):
            for code, message, _, name in response.resources:
                if code:
                    raise TopicMismatchError(f"the broker refused to alter {name}: {message or f'error {code}'}")
    return [topic.name for topic in changed]


async def _configs(
    client: AIOKafkaAdminClient, topics: Sequence[Topic], *, overridden_only: bool = False
) -> dict[str, dict[str, str | None]]:
    """Topic name -> its settings on the broker; `overridden_only`: without the broker's defaults."""
    if not topics:
        return {}
    found: dict[str, dict[str, str | None]] = {}
    for response in await client.describe_configs([_resource(topic.name) for topic in topics]):
        for code, message, _, name, entries in response.resources:
            if code:
                raise TopicMismatchError(f"the broker did not describe {name}: {message or f'error {code}'}")
            found[name] = {
                entry[0]: entry[1] for entry in entries if not overridden_only or entry[3] == TOPIC_CONFIG_SOURCE
            }
    return found


def _differing(topic: Topic, found: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in topic.config.items() if found.get(name) != value}


def _resource(name: str, configs: Mapping[str, str | None] | None = None) -> ConfigResource:
    return ConfigResource(ConfigResourceType.TOPIC, name, None if configs is None else dict(configs))


def _new(topic: Topic, settings: Settings) -> NewTopic:
    return NewTopic(
        topic.name,
        partitions_of(topic, settings),
        settings.topic_replication,
        topic_configs={**topic.config, "min.insync.replicas": str(max(1, settings.topic_replication - 1))},
    )


def _raise_for(response: object) -> None:
    already_exists = 36
    for entry in getattr(response, "topic_errors", ()):
        name, code = entry[0], entry[1]
        if code not in (0, already_exists):
            raise TopicMismatchError(f"the broker refused to create {name}: error {code}")
