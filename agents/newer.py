"""Records that a newer version of the gateway has written: their partition stands still until a newer reader has it.

    record newer than this version? ─► the partition ends before it: it is not skipped, committed or made a dead letter
                                   └► log, health and heartbeat name it; other partitions go on

A version is raised only where a reader that does not know it would act wrongly. Readers are upgraded before writers
(docs/decisions/0029), so this is met only where somebody went another way, and a rolling upgrade ends it by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiokafka import TopicPartition
from prometheus_client import Gauge

from runtime.logs import get_logger
from runtime.outdated import OUTDATED
from topics.envelope import VERSION, newer_version

log = get_logger("newer")

OUTDATED_PARTITIONS = Gauge("gateway_outdated_partitions", "Partitions that have stopped at a newer record")


class NewerRecords:
    """Those that one reader has met."""

    def __init__(self) -> None:
        self._met: dict[TopicPartition, str] = {}

    def __contains__(self, partition: TopicPartition) -> bool:
        return partition in self._met

    def stands_before(self, message: Any) -> bool:
        """Whether the record, or one before it in its partition, is newer than this version."""
        stands = bool(self._met) and TopicPartition(message.topic, message.partition) in self._met
        return stands or self.is_newer(message)

    def is_newer(self, message: Any) -> bool:
        """True for a record that this version does not know. From then on its partition stands before it."""
        version = newer_version(message.value)
        if version is None:
            return False
        place = f"{message.topic}/{message.partition}/{message.offset}"
        reason = f"{place} has version {version}, newer than this version ({VERSION})"
        log.critical("record_newer_than_this_version", place=place, version=version, known=VERSION)
        self._met[TopicPartition(message.topic, message.partition)] = reason
        OUTDATED_PARTITIONS.set(len(self._met))
        return True

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """They changed hands: whoever has them meets the record again, or knows it."""
        for partition in partitions:
            self._met.pop(partition, None)
        OUTDATED_PARTITIONS.set(len(self._met))

    def forget_all(self) -> None:
        self.forget(list(self._met))

    def facts(self) -> dict[str, str]:
        """For heartbeat and health page: the first record by its place, '' where there is none. Safe from another
        thread."""
        met = dict(self._met)
        return {OUTDATED: met[min(met)] if met else ""}
