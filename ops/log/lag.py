"""How far each consumer group is behind: in records, and in time (the age of the oldest record it has not read).

A partition that a group has never committed counts from its first record, as every group of ours starts there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from runtime.settings import Settings
from topics.admin import admin_client, catalogue_of
from topics.reader import LogReader, Start, log_reader

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class GroupLag:
    """One group on one topic. `oldest_unread_seconds` None: nothing is unread."""

    group: str
    topic: str
    members: int
    unread: int
    oldest_unread_seconds: float | None
    partitions_behind: tuple[int, ...]


async def group_lags(settings: Settings) -> list[GroupLag]:
    """Every group that has committed on a topic of the catalogue, by topic and group."""
    async with asyncio.timeout(TIMEOUT_SECONDS), admin_client(settings) as client, log_reader(settings) as reader:
        committed = await _committed(client, frozenset(catalogue_of(settings)))
        members = await _member_counts(client, {group for group, _ in committed})
        return [
            await _lag(reader, group, topic, offsets, members.get(group, 0))
            for (group, topic), offsets in sorted(committed.items(), key=lambda item: (item[0][1], item[0][0]))
        ]


async def _committed(client: AIOKafkaAdminClient, topics: frozenset[str]) -> dict[tuple[str, str], dict[int, int]]:
    """(group, topic) -> partition -> next offset."""
    found: dict[tuple[str, str], dict[int, int]] = {}
    for group, *_ in await client.list_consumer_groups():
        for partition, place in (await client.list_consumer_group_offsets(group)).items():
            if partition.topic in topics and place.offset >= 0:
                found.setdefault((group, partition.topic), {})[partition.partition] = place.offset
    return found


async def _member_counts(client: AIOKafkaAdminClient, groups: Iterable[str]) -> dict[str, int]:
    """One request for each group: aiokafka 0.14 misreads a response about several (v3)."""
    counts: dict[str, int] = {}
    for group in groups:
        (response,) = await client.describe_consumer_groups([group])
        counts[group] = len(response.groups[0][5])
    return counts


async def _lag(reader: LogReader, group: str, topic: str, committed: dict[int, int], members: int) -> GroupLag:
    spans = await reader.spans(await reader.partitions([topic]), Start())
    unread: dict[TopicPartition, int] = {}
    count = 0
    for partition, (first, end) in spans.items():
        place = max(first, committed.get(partition.partition, first))
        if place < end:
            unread[partition] = place
            count += end - place
    oldest = await reader.first_at(unread)
    ages = [time.time() - record.at_ms / 1000 for record in oldest.values()]
    return GroupLag(
        group=group,
        topic=topic,
        members=members,
        unread=count,
        oldest_unread_seconds=round(max(0.0, max(ages)), 3) if ages else None,
        partitions_behind=tuple(sorted(partition.partition for partition in unread)),
    )
