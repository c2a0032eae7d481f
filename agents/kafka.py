"""Kafka as a role uses it: where its producers and consumers come from.

A role receives one `Kafka` and creates what it needs: producer() writes, consumer(topics, group) reads and commits. The
clients underneath are aiokafka's, or those of a simulated broker.
"""

from __future__ import annotations

from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from agents.consumer import SHORT_WAIT_MS, LogConsumer
from agents.quarantine import Quarantine
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.settings import Settings
from topics.producer import LogProducer


class Kafka:
    """Makes the producers and consumers of one process, all on its clock."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock = SYSTEM_CLOCK,
        make_producer: Callable[..., AIOKafkaProducer] = AIOKafkaProducer,
        make_consumer: Callable[..., AIOKafkaConsumer] = AIOKafkaConsumer,
        quarantine: Quarantine | None = None,
    ) -> None:
        self._quarantine = quarantine
        self._settings = settings
        self._clock = clock
        self._make_producer = make_producer
        self._make_consumer = make_consumer

    def producer(self) -> LogProducer:
        return LogProducer(self._settings, clock=self._clock, make_client=self._make_producer)

    def consumer(
        self,
        *topics: str,
        group: str,
        member: str,
        on_change: Callable[[set[TopicPartition]], None] | None = None,
        gather_ms: int = 0,
        idle_wait_ms: int = SHORT_WAIT_MS,
    ) -> LogConsumer:
        """See LogConsumer."""
        return LogConsumer(
            self._settings,
            *topics,
            group=group,
            member=member,
            on_change=on_change,
            gather_ms=gather_ms,
            idle_wait_ms=idle_wait_ms,
            clock=self._clock,
            make_client=self._make_consumer,
            quarantine=self._quarantine,
        )
