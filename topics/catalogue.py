"""Every topic, spelt once: name, key, partitions, retention. Nothing else in the tree writes a topic's name.

payments.commands.v1 ─► payments.events.v1 ─► webhooks.deliveries.v1 ⇄ webhooks.retry.<delay>.v1
                  └► payments.dlq.v1                            └► webhooks.dlq.v1
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

COMMANDS = "payments.commands.v1"
EVENTS = "payments.events.v1"
PAYMENTS_DLQ = "payments.dlq.v1"
DELIVERIES = "webhooks.deliveries.v1"
WEBHOOKS_DLQ = "webhooks.dlq.v1"

DAY_MS = 86_400_000
FOR_EVER = -1
SMALL_PARTITIONS = 3
"""Retry tiers and dead-letter topics: little traffic, order within a key is all that matters."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `partitions` 0: the deployment's TOPIC_PARTITIONS."""

    name: str
    key: str
    partitions: int
    retention_ms: int
    carries: str


_FIXED = (
    Topic(COMMANDS, "order_id", 0, 7 * DAY_MS, "what is asked"),
    Topic(EVENTS, "order_id", 0, FOR_EVER, "what happened; the complete history"),
    Topic(PAYMENTS_DLQ, "as the original", SMALL_PARTITIONS, FOR_EVER, "commands given up, with why and where from"),
    Topic(DELIVERIES, "endpoint_id:order_id", 0, 7 * DAY_MS, "one webhook attempt to make now"),
    Topic(WEBHOOKS_DLQ, "as the original", SMALL_PARTITIONS, FOR_EVER, "deliveries given up, with why and where from"),
)

RETRY_PREFIX = "webhooks.retry."


def retry_topic(delay_seconds: int) -> str:
    """Name of the retry tier for one delay: `webhooks.retry.30s.v1`, `webhooks.retry.2h.v1`."""
    for unit, seconds in (("h", 3_600), ("m", 60)):
        if delay_seconds and delay_seconds % seconds == 0:
            return f"{RETRY_PREFIX}{delay_seconds // seconds}{unit}.v1"
    return f"{RETRY_PREFIX}{delay_seconds}s.v1"


def topics(retry_delays_seconds: Iterable[int]) -> tuple[Topic, ...]:
    """All topics of a deployment with this retry schedule. Each delay above zero has one tier, so the head of a tier
    is always the next that is due."""
    tiers = tuple(
        Topic(
            retry_topic(delay), "endpoint_id:order_id", SMALL_PARTITIONS, 14 * DAY_MS, f"attempts due {delay} s later"
        )
        for delay in sorted({delay for delay in retry_delays_seconds if delay > 0})
    )
    return _FIXED + tiers


def partition_of(key: bytes, partitions: int) -> int:
    """Partition of a key: CRC-32 modulo the count, as librdkafka's `consistent` partitioner has it (so kcat and every
    librdkafka client agree), and several times cheaper in Python than Java's murmur2."""
    return zlib.crc32(key) % partitions
