"""Waiting retries: a heap by due time for each tier, bounded, so that one late record never holds up the rest."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from agents.consumer import Mark
from domain.delivery import Due

WAITING_MAX = 5_000
"""For each partition of a tier. Later records on the topic are due later, apart from jitter."""


@dataclass(order=True, slots=True)
class Waiting:
    """One record of a retry tier and the mark of its offset."""

    due_ms: int
    number: int
    partition: TopicPartition = field(compare=False)
    due: Due = field(compare=False)
    mark: Mark = field(compare=False)


class Tiers:
    """All waiting records of this worker."""

    def __init__(self) -> None:
        self._heap: list[Waiting] = []
        self._counts: Counter[TopicPartition] = Counter()
        self._number = 0

    def add(self, partition: TopicPartition, due: Due, *, due_ms: int, mark: Mark) -> None:
        self._number += 1
        self._counts[partition] += 1
        heapq.heappush(self._heap, Waiting(due_ms, self._number, partition, due, mark))

    def take_due(self, now_ms: int, *, limit: int) -> list[Waiting]:
        """Remove and return what is due, earliest first."""
        due: list[Waiting] = []
        while self._heap and self._heap[0].due_ms <= now_ms and len(due) < limit:
            one = heapq.heappop(self._heap)
            self._counts[one.partition] -= 1
            due.append(one)
        return due

    def next_due_ms(self) -> int | None:
        return self._heap[0].due_ms if self._heap else None

    def full(self) -> set[TopicPartition]:
        """Partitions that have enough waiting here already."""
        return {partition for partition, count in self._counts.items() if count >= WAITING_MAX}

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """These partitions will be read again from their committed offset."""
        gone = set(partitions)
        self._heap = [one for one in self._heap if one.partition not in gone]
        heapq.heapify(self._heap)
        for partition in gone:
            self._counts.pop(partition, None)

    def __len__(self) -> int:
        return len(self._heap)
