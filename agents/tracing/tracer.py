"""Reads commands, events and webhook attempts after the fact, and sends their spans to an OpenTelemetry collector.

Runs in the sweeper where OTEL_EXPORTER_OTLP_ENDPOINT is set, and nowhere else. Best effort: an unavailable collector
costs spans, never a payment. Work under way is bounded, and no role waits for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from typing import Any

from prometheus_client import Counter

from agents.consumer import LogConsumer
from agents.role import Context
from agents.tracing.export import Exporter
from agents.tracing.spans import Attempt, Span, Story, attempt_span
from runtime.logs import get_logger
from store.connections import make_pool
from store.driver import Pool
from store.errors import DatabaseError
from store.webhooks.traced import attempts_of_events
from topics.catalogue import COMMANDS, EVENTS
from topics.envelope import decode

log = get_logger("tracer")

GROUP = "tracer"
QUEUED_MAX = 20_000
EXPORTED_MAX = 500
FOLLOWED_MAX = 10_000
FOLLOWED_SECONDS = 60.0
"""For this long after an event its webhook attempts are collected; later retries are in the delivery log only."""
ATTEMPTS_EVERY_SECONDS = 1.0
SPANS = Counter("gateway_trace_spans", "Spans made from the log", ["fate"])


class Tracer:
    """One worker."""

    def __init__(self, context: Context, endpoint: str) -> None:
        self._context = context
        self._exporter = Exporter(endpoint)
        self._consumer = LogConsumer(context.settings, COMMANDS, EVENTS, group=GROUP, member=context.worker.name)
        self._story = Story()
        self._queued: deque[Span] = deque()
        self._followed: OrderedDict[str, float] = OrderedDict()
        self._exported: dict[str, set[tuple[str, int]]] = {}

    async def run(self) -> None:
        """Until the role stops. Raises where reading or sending fails; what was under way is dropped then."""
        pool = await make_pool(self._context.settings, size=1, lazy=True)
        try:
            async with self._consumer, asyncio.TaskGroup() as group:
                exporting = group.create_task(self._export())
                await self._read(pool)
                exporting.cancel()
        finally:
            pool.terminate()

    async def _read(self, pool: Pool) -> None:
        looked_at = time.monotonic()
        while not self._context.stopping.is_set():
            for partition, messages in (await self._consumer.take(wait_ms=250)).items():
                for message in messages:
                    self._take_if_readable(message)
                self._consumer.offsets.done(self._consumer.offsets.begin(partition, messages[-1].offset))
            if time.monotonic() - looked_at >= ATTEMPTS_EVERY_SECONDS:
                looked_at = time.monotonic()
                await self._look_for_attempts(pool)
            await self._consumer.commit_if_due()

    def _take_if_readable(self, message: Any) -> None:
        """A record that cannot be read costs its span; its consumer writes the dead letter."""
        try:
            self._take(message)
        except Exception as error:
            log.warning("record_not_traced", topic=message.topic, offset=message.offset, error=repr(error)[:300])

    def _take(self, message: Any) -> None:
        envelope = decode(message.value)
        if message.topic == COMMANDS:
            self._queue(self._story.command(envelope, message.timestamp))
            return
        self._queue(self._story.event(envelope, message.timestamp))
        self._followed[envelope.id] = time.monotonic()
        if len(self._followed) > FOLLOWED_MAX:
            self._exported.pop(self._followed.popitem(last=False)[0], None)

    async def _look_for_attempts(self, pool: Pool) -> None:
        oldest = time.monotonic() - FOLLOWED_SECONDS
        while self._followed and next(iter(self._followed.values())) < oldest:
            self._exported.pop(self._followed.popitem(last=False)[0], None)
        if not self._followed:
            return
        try:
            rows = await attempts_of_events(pool, list(self._followed), timeout=5)
        except DatabaseError as error:
            log.warning("attempts_not_read", error=repr(error))
            return
        for row in rows:
            attempt = Attempt(**row)
            exported = self._exported.setdefault(attempt.event_id, set())
            if (attempt.endpoint_id, attempt.attempt) not in exported:
                exported.add((attempt.endpoint_id, attempt.attempt))
                self._queue([attempt_span(attempt)])

    def _queue(self, spans: list[Span]) -> None:
        self._queued.extend(spans)
        while len(self._queued) > QUEUED_MAX:
            self._queued.popleft()
            SPANS.labels("dropped").inc()

    async def _export(self) -> None:
        while True:
            if not self._queued:
                await asyncio.sleep(0.2)
                continue
            spans = [self._queued.popleft() for _ in range(min(EXPORTED_MAX, len(self._queued)))]
            sent = await asyncio.to_thread(self._exporter.send, spans)
            SPANS.labels("sent" if sent else "lost").inc(len(spans))
            if not sent:
                log.warning("spans_lost", count=len(spans), endpoint=self._exporter.endpoint)
                await asyncio.sleep(1.0)
