"""Repairs of how events reach their readers: positions in the feed, and records that never reached the topic.

feed_order     to the end of the feed, with the events of its order that follow it
unpublished    the stored bytes, in sequence, behind everything of its order that is on the topic
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import orjson

from ops.audit.repair.steps import Planned, Refusal, Step
from ops.audit.verify.findings import Finding
from runtime.settings import Settings
from store.operations.repair import Repairs
from topics.catalogue import EVENTS, partition_of
from topics.envelope import HEADER_TYPE
from topics.producer import LogProducer, Record


class FeedRepairs:
    """Plans for events that readers cannot find."""

    def __init__(self, settings: Settings, rows: Repairs, producer: LogProducer) -> None:
        self._settings = settings
        self._rows = rows
        self._producer = producer

    async def places(self, findings: Sequence[Finding]) -> list[Planned]:
        """`finding.subject`: an event's id. An order's events move together, in sequence."""
        firsts: dict[str, int] = {}
        for finding in findings:
            order_id, sequence = _place_of(finding.subject)
            firsts[order_id] = min(sequence, firsts.get(order_id, sequence))
        return [self._moved(order_id, sequence) for order_id, sequence in sorted(firsts.items())]

    def _moved(self, order_id: str, sequence: int) -> Step:
        return Step(
            order_id,
            f"puts its events from {sequence} on at the end of the feed, where readers find them (perhaps again)",
            lambda: self._rows.number_again(order_id, sequence),
        )

    async def unpublished(self, findings: Sequence[Finding]) -> list[Planned]:
        """`finding.subject`: an event's id. An order's events are published together, in sequence."""
        missing: dict[str, list[int]] = defaultdict(list)
        for finding in findings:
            order_id, sequence = _place_of(finding.subject)
            missing[order_id].append(sequence)
        return [await self._order(order_id, sorted(sequences)) for order_id, sequences in sorted(missing.items())]

    async def _order(self, order_id: str, sequences: list[int]) -> Planned:
        payloads = await self._rows.history(order_id)
        if sequences != list(range(sequences[0], len(payloads) + 1)):
            why = "later events of the order are on the topic, and these would stand behind them; listeners sort by"
            return Refusal(order_id, f"{why} sequence, so nothing is gained by publishing them out of order")
        records = [self._record(order_id, payloads[number - 1]) for number in sequences]

        async def publish() -> bool:
            await self._producer.publish(records)
            return True

        return Step(order_id, f"publishes events {sequences[0]} to {sequences[-1]}", publish)

    def _record(self, order_id: str, payload: str) -> Record:
        key = order_id.encode()
        headers = [(HEADER_TYPE, orjson.loads(payload)["type"].encode())]
        return Record(EVENTS, partition_of(key, self._settings.topic_partitions), key, payload.encode(), headers)


def _place_of(event_id: str) -> tuple[str, int]:
    _, order, sequence = event_id.split("_")
    return f"order_{order}", int(sequence)
