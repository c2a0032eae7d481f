"""Gives each event of the log its place in its merchant's feed: one active feeder, one transaction for each portion.

    events topic from the stored positions ─► in `events`? ─► feed: the next places; positions move     one transaction

The positions are in the database, beside the places: whatever becomes of either, both are of the same moment. An event
is committed before it is on the log, so one that the table lacks means that the database is behind the log. It gets no
place; what is numbered from then on belongs to another epoch, and `gateway recover` goes back to it.

What stood on the log at the beginning of a session is read band by band (topics/catalogue.py): where the log has grown,
an order's events are on two partitions, and their order is kept only if the older one comes first.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Counter

from agents.gathering import GATHERED_BYTES, LOOK_EVERY_MS, Gathering
from agents.role import Context
from runtime.logs import get_logger
from runtime.settings import Settings
from store.driver import Connection, connect
from store.errors import DatabaseError
from store.log.feed import (
    FEEDER_LOCK,
    Stretch,
    begin_epoch,
    lock_feed,
    move,
    number,
    read_positions,
    reads_since,
    take_turn,
)
from store.log.log_tail import SeenEvent, strange_events
from topics.batches import read_on
from topics.catalogue import EVENTS, bands
from topics.connection import client_options
from topics.envelope import NewerRecordError, newer_version
from topics.identity import event_digest, event_identity

log = get_logger("feeder")

PORTION = 2_000
GATHER_MS = 100
"""How long the broker holds events back to send more at a time, while many come. An answer of the broker and a
transaction cost as much as a hundred events, and a live feed may be so late."""
EVERY_SECONDS = 0.03
"""Between two transactions, where the broker holds nothing back."""
IDLE_MS = 1_000
"""How long a turn waits for events, and how often an idle feeder looks whether its positions were moved."""
SESSION_SETTINGS = {"application_name": "feeder", "enable_seqscan": "off"}
"""The statement that numbers looks up single events by key. A plan made while the tables are small would scan them:
260 µs of the database a lifecycle instead of 130, measured on a table of 40,000 events."""
AGAIN_SECONDS = 1.0
"""After a failure, and while another feeder is active."""
CONNECT_SECONDS = 5.0
QUERY_SECONDS = 20.0
SILENT_SECONDS = 60.0
"""Without a record while the log is compared: longer than the broker takes to choose another leader."""
NUMBERED = Counter("gateway_feed_events", "Events that got their position in the feed")
UNKNOWN = Counter("gateway_feed_unknown_events", "Events on the log that are missing from the table")


class Feeder:
    """One worker. Several may run: one of them is active."""

    def __init__(self, context: Context, numbered: asyncio.Event) -> None:
        """`numbered` is set whenever events have got their places."""
        self._context = context
        self._numbered = numbered

    async def run(self) -> None:
        stopping = self._context.stopping
        while not stopping.is_set():
            try:
                async with feeding(self._context.settings) as session:
                    while session is not None and not stopping.is_set():
                        if await self._context.unless_stopping(session.turn()):
                            self._numbered.set()
                            await asyncio.sleep(EVERY_SECONDS)
            except (KafkaError, DatabaseError, OSError, NewerRecordError) as error:
                log.warning("feeder_interrupted", error=repr(error))
            await self._context.pause(AGAIN_SECONDS)


@contextlib.asynccontextmanager
async def feeding(settings: Settings) -> Any:
    """A Session that has begun; None if another feeder is active. Raises KafkaError, DatabaseError, OSError."""
    dsn = settings.database_url.get_secret_value()
    connection = await connect(
        dsn, timeout=CONNECT_SECONDS, command_timeout=QUERY_SECONDS, server_settings=SESSION_SETTINGS
    )
    read_on()
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=GATHER_MS,
        fetch_min_bytes=GATHERED_BYTES,
        consumer_timeout_ms=LOOK_EVERY_MS,
    )
    try:
        if not await take_turn(connection, FEEDER_LOCK):
            yield None
            return
        await consumer.start()
        session = Session(settings, connection, consumer)
        await session.begin()
        yield session
    finally:
        await consumer.stop()
        connection.terminate()


class RewoundError(OSError):
    """The stored positions were moved (`gateway recover`): the log is read again from there."""


class Session:
    """One connection to the log and one to the database, from the stored positions on."""

    def __init__(self, settings: Settings, connection: Connection, consumer: AIOKafkaConsumer) -> None:
        self._connection = connection
        self._consumer = consumer
        self._gathering = Gathering(consumer, gather_ms=GATHER_MS)
        self._places = [TopicPartition(EVENTS, number) for number in range(settings.topic_partitions)]
        self._bands = [{self._places[number] for number in band} for band in bands(settings.partition_counts)]
        """Those that are still to be read up to `_ends`, oldest first."""
        self._ends: dict[TopicPartition, int] = {}
        self._stored: dict[int, int] = {}
        """The positions as this session left them."""

    async def begin(self) -> None:
        """Go to the stored positions. Where the log has what the table lacks, another epoch begins before any place is
        given."""
        self._consumer.assign(self._places)
        firsts = await self._firsts()
        ends = self._ends = await self._consumer.end_offsets(self._places)
        self._seek(firsts)
        if await self._is_behind(ends):
            epoch = await begin_epoch(self._connection)
            log.critical("database_behind_log", fix="run `gateway recover`", new_epoch=epoch)
        self._seek(firsts)

    async def turn(self, wait_ms: int = IDLE_MS) -> int:
        """Number the next portion; how many records it was."""
        taken = await self._consumer.getmany(*await self._next(), timeout_ms=wait_ms, max_records=PORTION)
        messages = [message for portion in taken.values() for message in portion]
        self._gathering.took(len(messages))
        if not messages:
            await self._check_positions()
            return 0
        found = {place: _identities(portion) for place, portion in taken.items() if portion}
        async with self._connection.transaction():
            await lock_feed(self._connection)
            await self._check_positions()
            numbered = await number(self._connection, [one for identities in found.values() for one in identities])
            stretches = [
                Stretch(
                    partition=place.partition,
                    first=taken[place][0].offset,
                    end=taken[place][-1].offset + 1,
                    known=numbered.unknown.isdisjoint(identities),
                )
                for place, identities in found.items()
            ]
            await move(self._connection, stretches)
        self._stored |= {one.partition: one.end for one in stretches}
        NUMBERED.inc(numbered.fresh)
        if numbered.unknown:
            UNKNOWN.inc(len(numbered.unknown))
            log.error("events_unknown", events=len(numbered.unknown))
        return len(messages)

    async def _next(self) -> list[TopicPartition]:
        """The partitions to read from: of what was there at the beginning, the oldest band first; then all."""
        while self._bands:
            if pending := await self._pending(self._bands[0], self._ends):
                return pending
            self._bands.pop(0)
        return []

    async def _check_positions(self) -> None:
        if await read_positions(self._connection) != self._stored:
            raise RewoundError("the positions of the feed were moved")

    async def _firsts(self) -> dict[TopicPartition, int]:
        """Where to begin: at the stored position, else at an instant or at the first record."""
        stored = self._stored = await read_positions(self._connection)
        since = await reads_since(self._connection)
        lowest = await self._consumer.beginning_offsets(self._places)
        ends = await self._consumer.end_offsets(self._places)
        by_time = await self._offsets_at(since) if since is not None else {}
        firsts = {}
        for place in self._places:
            first = stored.get(place.partition, by_time.get(place, lowest[place]))
            if first > ends[place]:
                # The log has lost its end. What is written there now has offsets that were read before.
                log.error("log_shorter_than_numbered", partition=place.partition, numbered=first, end=ends[place])
                first = lowest[place]
            firsts[place] = max(first, lowest[place])
        return firsts

    async def _offsets_at(self, since: datetime) -> dict[TopicPartition, int]:
        instants = dict.fromkeys(self._places, int(since.timestamp() * 1_000))
        found = await self._consumer.offsets_for_times(instants)
        return {place: at.offset for place, at in found.items() if at is not None}

    def _seek(self, firsts: Mapping[TopicPartition, int]) -> None:
        for place, first in firsts.items():
            self._consumer.seek(place, first)

    async def _is_behind(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether the log has an event that the table lacks, up to the ends it has now."""
        pending = await self._pending(self._places, ends)
        moved_at = time.monotonic()
        while pending:
            taken = await self._consumer.getmany(*pending, timeout_ms=500, max_records=PORTION)
            if any(taken.values()):
                moved_at = time.monotonic()
            elif time.monotonic() - moved_at > SILENT_SECONDS:
                raise TimeoutError(f"the log gave no record for {SILENT_SECONDS:.0f} s")
            seen = [event for portion in taken.values() for event in _seen(portion)]
            if any((await strange_events(self._connection, seen)).values()):
                return True
            pending = await self._pending(pending, ends)
        return False

    async def _pending(
        self, places: Iterable[TopicPartition], ends: Mapping[TopicPartition, int]
    ) -> list[TopicPartition]:
        return [place for place in places if await self._consumer.position(place) < ends[place]]


def _identities(messages: Iterable[Any]) -> list[tuple[str, int]]:
    """(order id, sequence) of each event; a record that is not one has no place.

    Raises NewerRecordError if nobody here can say what it is: the feed waits rather than leave it out.
    """
    found = []
    for message in messages:
        identity = event_identity(message.value)
        if identity is not None:
            found.append(identity)
        elif newer_version(message.value) is not None:
            raise NewerRecordError(f"{message.topic}/{message.partition}/{message.offset} is newer than this version")
    return found


def _seen(messages: Iterable[Any]) -> list[SeenEvent]:
    return [
        SeenEvent(*identity, event_digest(message.value))
        for message in messages
        if (identity := event_identity(message.value)) is not None
    ]
