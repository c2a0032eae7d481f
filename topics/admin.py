"""Creating and checking topics: one explicit step, never the broker's auto-creation.

`ensure_topics` creates what is missing and refuses to change the partition count of a topic that exists: a key would
move to another partition and its order be lost.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from runtime.settings import Settings
from topics.catalogue import Topic, topics


class TopicMismatchError(RuntimeError):
    """The broker's topics are not what the catalogue and the settings say."""


@asynccontextmanager
async def admin_client(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client, closed at the end."""
    client = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers, request_timeout_ms=10_000)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


def catalogue_of(settings: Settings) -> dict[str, Topic]:
    """Topic name -> topic, for this deployment."""
    return {topic.name: topic for topic in topics(settings.retry_delays_seconds)}


def partitions_of(topic: Topic, settings: Settings) -> int:
    return topic.partitions or settings.topic_partitions


async def ensure_topics(settings: Settings) -> list[str]:
    """Create missing topics; returns their names. Raises TopicMismatchError where an existing one has another count."""
    wanted = catalogue_of(settings)
    async with admin_client(settings) as client:
        existing = set(await client.list_topics())
        await _refuse_changed_counts(client, [wanted[name] for name in wanted if name in existing], settings)
        missing = [topic for name, topic in wanted.items() if name not in existing]
        if missing:
            response = await client.create_topics([_new(topic, settings) for topic in missing], timeout_ms=15_000)
            _raise_for(response)
        return [topic.name for topic in missing]


async def check_topics(settings: Settings, *names: str) -> None:
    """Raise TopicMismatchError unless these topics exist with the partition count of the settings."""
    wanted = catalogue_of(settings)
    async with admin_client(settings) as client:
        existing = set(await client.list_topics())
        missing = [name for name in names if name not in existing]
        if missing:
            raise TopicMismatchError(f"topics missing: {', '.join(missing)}; run `gateway topics create`")
        await _refuse_changed_counts(client, [wanted[name] for name in names], settings)


async def _refuse_changed_counts(client: AIOKafkaAdminClient, known: list[Topic], settings: Settings) -> None:
    if not known:
        return
    described = await client.describe_topics([topic.name for topic in known])
    counts = {entry["topic"]: len(entry["partitions"]) for entry in described}
    for topic in known:
        wanted, found = partitions_of(topic, settings), counts[topic.name]
        if wanted != found:
            raise TopicMismatchError(
                f"{topic.name} has {found} partitions and cannot be changed to {wanted}: keys would move. "
                f"Set TOPIC_PARTITIONS={found}."
            )


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
