"""Every topic, spelt once: name, key, partitions, retention. No other file contains a topic's name.

payments.commands.v1 ─► payments.events.v1 ─► webhooks.deliveries.v1 ⇄ webhooks.retry.<delay>.v1
                  └► payments.dlq.v1                            └► webhooks.dlq.v1

The maximum age of a command on the log, and so the shortest memory of the inbox, follows from here as well:

    0 ────────── retention ────────── + segment ──── + reserve
                                      oldest record   shortest inbox (INBOX_DAYS_MIN)
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

COMMANDS = "payments.commands.v1"
EVENTS = "payments.events.v1"
PAYMENTS_DLQ = "payments.dlq.v1"
DELIVERIES = "webhooks.deliveries.v1"
WEBHOOKS_DLQ = "webhooks.dlq.v1"
ERASURES = "payments.erasures.v1"

DAY_MS = 86_400_000
FOR_EVER = -1
LOG_TIME = "LogAppendTime"
SEGMENT_MS = DAY_MS
"""Segment length of every topic with a retention. The broker deletes whole segments, by their youngest record, so the
oldest record of a segment outlives the retention by this much. At the broker's default of seven days it could live for
fourteen."""
INBOX_RESERVE_MS = DAY_MS
"""Between the oldest command on the log and the oldest row of the inbox: the clocks of broker, PostgreSQL and actor may
differ, and the broker looks for old segments only every five minutes."""
COMMANDS_DAYS = 7
"""How long commands are kept unless COMMAND_RETENTION_DAYS differs."""
COMMANDS_DAYS_MIN = 2
"""Whoever stops the roles over a weekend finds every command afterwards: the segment adds a day."""
COMMANDS_DAYS_MAX = 60
"""Below OFFSETS_RETENTION_DAYS."""
RETRY_RETENTION_MS = 14 * DAY_MS
"""A retry that is due later than this would be gone before it is due."""
DELIVERIES_RETENTION_MS = 7 * DAY_MS
OFFSETS_RETENTION_DAYS = 90
"""The broker keeps the offsets of a group without members for this long: longer than any topic keeps its records. At
the default of seven days a group that was stopped for eight would read its topic from the beginning."""
SMALL_PARTITIONS = 3
"""Retry tiers and dead-letter topics: little traffic, only the order within a key matters."""


def inbox_days_min(commands_days: int) -> int:
    """Lowest IDEMPOTENCY_RETENTION_DAYS where commands are kept for so many days.

    With fewer, a command read again could be older than the inbox and act twice.
    """
    return math.ceil((commands_days * DAY_MS + SEGMENT_MS + INBOX_RESERVE_MS) / DAY_MS)


INBOX_DAYS_MIN = inbox_days_min(COMMANDS_DAYS)
"""Also where commands are kept for less: repeats are recognized for 7 days at least."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `partitions` 0: the deployment's TOPIC_PARTITIONS."""

    name: str
    key: str
    partitions: int
    retention_ms: int
    carries: str

    @property
    def segment_ms(self) -> int | None:
        """Longest time that one segment covers; None: nothing is deleted, so the broker's default is enough."""
        return None if self.retention_ms == FOR_EVER else SEGMENT_MS

    @property
    def config(self) -> dict[str, str]:
        """Kafka's topic settings. The log's own clock stamps every record: retention, and the age of a command, must
        not depend on the writer's clock."""
        segment = {} if self.segment_ms is None else {"segment.ms": str(self.segment_ms)}
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(self.retention_ms),
            **segment,
            "message.timestamp.type": LOG_TIME,
        }


_FIXED = (
    Topic(EVENTS, "order_id", 0, FOR_EVER, "events: what happened; the complete history"),
    Topic(PAYMENTS_DLQ, "as the original", SMALL_PARTITIONS, FOR_EVER, "unprocessable records, with reason and origin"),
    Topic(DELIVERIES, "endpoint_id:order_id", 0, DELIVERIES_RETENTION_MS, "one webhook attempt to make now"),
    Topic(WEBHOOKS_DLQ, "as the original", SMALL_PARTITIONS, FOR_EVER, "failed deliveries, with reason and origin"),
    Topic(ERASURES, "order_id", SMALL_PARTITIONS, FOR_EVER, "orders whose personal data were erased"),
)

RETRY_PREFIX = "webhooks.retry."


def decidable_age_ms(inbox_days: int) -> int:
    """Age of a command, by the log's own timestamp, up to which an inbox of this many days certainly remembers it.

    An older command must not be decided: whether it was decided before is unknown.
    """
    return inbox_days * DAY_MS - INBOX_RESERVE_MS


def retry_topic(delay_seconds: int) -> str:
    """Name of the retry tier for one delay: `webhooks.retry.30s.v1`, `webhooks.retry.2h.v1`."""
    for unit, seconds in (("h", 3_600), ("m", 60)):
        if delay_seconds and delay_seconds % seconds == 0:
            return f"{RETRY_PREFIX}{delay_seconds // seconds}{unit}.v1"
    return f"{RETRY_PREFIX}{delay_seconds}s.v1"


def topics(retry_delays_seconds: Iterable[int], *, commands_days: int = COMMANDS_DAYS) -> tuple[Topic, ...]:
    """All topics of a deployment with this retry schedule, which keeps commands for so many days.

    Each delay above zero has one tier, so the head of a tier is always the next that is due.
    """
    commands = Topic(COMMANDS, "order_id", 0, commands_days * DAY_MS, "commands: what should happen")
    tiers = tuple(
        Topic(
            retry_topic(delay),
            "endpoint_id:order_id",
            SMALL_PARTITIONS,
            RETRY_RETENTION_MS,
            f"attempts due {delay} s later",
        )
        for delay in sorted({delay for delay in retry_delays_seconds if delay > 0})
    )
    return (commands, *_FIXED, *tiers)


def partition_of(key: bytes, partitions: int) -> int:
    """Partition of a key: CRC-32 modulo the count, as in librdkafka's `consistent` partitioner (so kcat and every
    librdkafka client agree), and several times cheaper in Python than Java's murmur2."""
    return zlib.crc32(key) % partitions


def lineage(first: int, now: int) -> tuple[int, ...]:
    """Every possible partition count of a log that began with `first` and has `now`, smallest first.

    It only grows to a multiple, so a key that moves goes to a higher number, and never returns.
    """
    return tuple(count for count in range(first, now + 1, first) if now % count == 0)


def homes(key: bytes, counts: Iterable[int]) -> tuple[int, ...]:
    """The partitions that may hold a key's records, oldest first. `counts`: a lineage."""
    return tuple(dict.fromkeys(partition_of(key, count) for count in counts))


def bands(counts: Sequence[int]) -> tuple[range, ...]:
    """Partitions that were added together, oldest first. The records of a key in one band are older than those in the
    next: reading band by band yields each key's records in order."""
    return tuple(range(begin, end) for begin, end in pairwise((0, *counts)))
