"""Records that a newer version of the gateway wrote: their partition waits until a newer reader has it.

    record newer than this version? ─► the partition ends before it: it is not skipped, committed or made a dead letter
                                   └► log, health and heartbeat name it; other partitions continue

A version is raised only if an older reader would misinterpret the record. Readers are upgraded before writers
(docs/decisions/0029), so this happens only after an upgrade in another order, and completing the upgrade ends it.
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
    """The newer records that one reader has found."""

    def __init__(self) -> None:
        self._met: dict[TopicPartition, str] = {}

    def __contains__(self, partition: TopicPartition) -> bool:
        return partition in self._met

    def stands_before(self, message: Any) -> bool:
        """Whether the record, or one before it in its partition, is newer than this version."""
        stands = bool(self._met) and TopicPartition(message.topic, message.partition) in self._met
        return stands or self.is_newer(message)

    def is_newer(self, message: Any) -> bool:
        """True for a record of a newer version. From then on its partition waits before it."""
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
        """They were reassigned: the new owner finds the record again, or can read it."""
        for partition in partitions:
            self._met.pop(partition, None)
        OUTDATED_PARTITIONS.set(len(self._met))

    def forget_all(self) -> None:
        self.forget(list(self._met))

    def facts(self) -> dict[str, str]:
        """For heartbeat and health page: the position of the first such record, '' if there is none. Safe from another
        thread."""
        met = dict(self._met)
        return {OUTDATED: met[min(met)] if met else ""}
