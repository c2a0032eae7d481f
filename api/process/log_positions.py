"""The positions of events on the log, for the page of one payment: read from the log, a few at a time, with a short
timeout."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime

from aiokafka.errors import KafkaError

from runtime.logs import get_logger
from runtime.settings import Settings
from topics.catalogue import EVENTS
from topics.location import locate
from topics.reader import LOOK_UP_HOLD_MS, log_reader

log = get_logger("log_places")

READERS_MAX = 2
LOOK_SECONDS = 2.0
"""A page is more useful without positions than late."""


class LogPlaces:
    """One process's queries, each with its own connection: they are rare, and a permanent one would prefetch."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turn = asyncio.Semaphore(READERS_MAX)

    async def places(self, order_id: str, written: Iterable[tuple[datetime, str]]) -> dict[str, tuple[int, int]]:
        """Event id -> (partition, offset), of (about when it was written, event id).

        Omits events that are not on the log yet, or no longer; empty if the log does not respond in time.
        """
        due, settings = list(written), self._settings
        try:
            async with (
                asyncio.timeout(LOOK_SECONDS),
                self._turn,
                log_reader(settings, hold_ms=LOOK_UP_HOLD_MS) as reader,
            ):
                records = await locate(reader, EVENTS, order_id, due, counts=settings.partition_counts)
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("log_not_read", order_id=order_id, error=repr(error))
            return {}
        first: dict[str, tuple[int, int]] = {}
        for record in records:
            if record.envelope is not None:
                first.setdefault(record.envelope.id, (record.partition, record.offset))
        return first
