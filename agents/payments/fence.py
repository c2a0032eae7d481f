"""The fence: a partition is decided only while PostgreSQL has every event that the log has of it.

    assigned ─► end of the events topic ─► each event in `events`, with the same bytes?  ─► yes: open
                                                                                        └► no:  closed, checked again

An event is committed before it is published, so a log that is ahead of the table means that the database was replaced:
a restored backup, or a promoted replica that had not received the last commits. Deciding on it would charge twice and
assign ids twice. Nothing of a closed partition is read; `gateway recover` brings the table up to date with the log, and
the partition opens automatically. A table that is ahead of the log is repaired by the redelivered command.

Where the log has grown, an order's older events stand on another partition, and that one is checked too. A database
from before the growth lacks it: partitions beyond those that it remembers close every other. A worker that counts other
partitions than PostgreSQL decides nothing either: an order would have two owners until it starts again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Gauge

from domain.ids import event_id
from runtime.fenced import COMMAND, FENCED, FENCED_BY
from runtime.logs import get_logger
from runtime.settings import Settings
from store.actor import BehindError
from store.driver import Connection, connect
from store.errors import DatabaseError, DatabaseUnavailableError
from store.log.feed import known_positions
from store.log.log_partitions import log_state
from store.log.log_tail import SeenEvent, is_recovering, strange_events
from topics.catalogue import EVENTS, lineage
from topics.identity import event_digest, event_identity
from topics.reader import LOOK_UP_HOLD_MS, LogReader, Start, from_positions, log_reader

log = get_logger("fence")

TAIL_RECORDS = 5_000
"""Upper bound for each partition: what the feeder has passed was in the table, and the feeder is a moment behind the
log. If it was not running, this covers the repeats that a crash leaves on the log: those of the commands of the last
second."""
AGAIN_SECONDS = 2.0
CONNECT_SECONDS = 5.0
QUERY_SECONDS = 20.0
FENCED_PARTITIONS = Gauge("gateway_fenced_partitions", "Partitions without decisions because PostgreSQL is behind")


@dataclass(frozen=True, slots=True)
class Gap:
    """An event that the log has and the table has not, or has with other bytes. `partition`: where it is."""

    partition: int
    event_id: str


class RecoveringError(DatabaseUnavailableError):
    """A `gateway recover --apply` is running: the table is about to change."""


class OtherCountError(BehindError):
    """PostgreSQL remembers another number of partitions than this worker began with."""


async def find_gaps(settings: Settings, partitions: Collection[int]) -> dict[int, Gap]:
    """Partition -> the first such event that an order of it can have; partitions without one are omitted.

    `settings`: with the number of partitions that the caller works with. Raises OtherCountError if PostgreSQL has
    another, RecoveringError; KafkaError, DatabaseError or OSError if a service does not respond.
    """
    dsn = settings.database_url.get_secret_value()
    connection = await connect(dsn, timeout=CONNECT_SECONDS, command_timeout=QUERY_SECONDS)
    try:
        if await is_recovering(connection):
            raise RecoveringError("`gateway recover` is at work")
        return await _gaps(settings, connection, sorted(partitions))
    finally:
        connection.terminate()


async def _gaps(settings: Settings, connection: Connection, partitions: list[int]) -> dict[int, Gap]:
    counts = (await log_state(connection)).counts or (settings.topic_partitions,)
    if counts[-1] != settings.topic_partitions:
        raise OtherCountError(f"PostgreSQL remembers {counts[-1]} partitions, not {settings.topic_partitions}")
    async with log_reader(settings, hold_ms=LOOK_UP_HOLD_MS) as reader:
        unknown = [place.partition for place in await reader.partitions([EVENTS]) if place.partition >= counts[-1]]
        sources = {partition: {*sources_of(partition, counts), *unknown} for partition in partitions}
        gaps = await _unknown_events(connection, reader, sorted(set().union(*sources.values())))
    return {
        partition: gaps[min(found)] for partition, looked_at in sources.items() if (found := looked_at & gaps.keys())
    }


def sources_of(partition: int, counts: Sequence[int]) -> set[int]:
    """Where events of this partition's orders may be. `counts`: partition counts of the log, the last in force."""
    return {partition % count for count in lineage(counts[0], counts[-1])}


async def _unknown_events(connection: Connection, reader: LogReader, partitions: list[int]) -> dict[int, Gap]:
    """Partition of the events topic -> its first event that the table lacks, or has with other bytes."""
    seen: list[tuple[int, SeenEvent]] = []
    known = await known_positions(connection)
    places = [TopicPartition(EVENTS, partition) for partition in partitions]
    spans = await reader.spans(places, Start(offset=-TAIL_RECORDS))
    tails = from_positions(spans, known)
    async for record in reader.merged(tails):
        identity = event_identity(record.value)
        if identity is not None:
            seen.append((record.partition, SeenEvent(*identity, event_digest(record.value))))
    strange = await strange_events(connection, [event for _, event in seen])
    gaps: dict[int, Gap] = {}
    for partition, event in seen:
        if event in strange:
            gaps.setdefault(partition, Gap(partition, event_id(*event.identity)))
    return gaps


class Fence:
    """The partitions of one worker. `open_partition` is called for each that may be decided, once.

    None is opened before `begin`, which takes the settings with the number of partitions that the worker counts.
    """

    def __init__(self, open_partition: Callable[[int], None]) -> None:
        self._open = open_partition
        self._settings: Settings | None = None
        self._closed: set[int] = set()
        self._gaps: dict[int, Gap] = {}
        self._watch: asyncio.Task[None] | None = None
        self._look: asyncio.Task[None] | None = None

    def begin(self, settings: Settings) -> None:
        """Check what is assigned, now or later."""
        self._settings = settings
        self._look_at_closed()

    def assigned(self, partitions: Collection[int]) -> None:
        """A new assignment: earlier openings no longer count."""
        self.revoked()
        self._closed = set(partitions)
        self._look_at_closed()

    def revoked(self) -> None:
        """No partition is held any longer."""
        if self._watch is not None:
            self._watch.cancel()
        self._closed, self._gaps = set(), {}
        FENCED_PARTITIONS.set(0)

    @property
    def is_checked(self) -> bool:
        """False while partitions wait for their first check."""
        return self._closed == self._gaps.keys()

    async def check(self, partitions: Collection[int]) -> None:
        """Call before a new connection to the database is used. Raises BehindError if the log has more than it, or
        other partitions than it remembers; DatabaseUnavailableError if that cannot be known yet."""
        if self._settings is None or not partitions:
            return
        try:
            gaps = await find_gaps(self._settings, partitions)
        except (KafkaError, OSError) as error:
            raise DatabaseUnavailableError("the log is unavailable, so what the database lacks is unknown") from error
        if gaps:
            raise BehindError(f"PostgreSQL lacks {gaps[min(gaps)].event_id}, which is on the log")

    def look_again(self, partitions: Collection[int], close: Callable[[], object]) -> None:
        """The connection to the database was lost: another database may respond next. `close` is called if that is
        behind."""
        if self._settings is not None and not self._closed and (self._look is None or self._look.done()):
            self._look = asyncio.create_task(self._compare_again(self._settings, partitions, close))

    async def _compare_again(
        self, settings: Settings, partitions: Collection[int], close: Callable[[], object]
    ) -> None:
        while not self._closed:
            try:
                if await find_gaps(settings, partitions):
                    close()
                return
            except BehindError:
                close()
                return
            except (KafkaError, DatabaseError, OSError) as error:
                log.info("fence_not_checked", error=repr(error))
            await asyncio.sleep(AGAIN_SECONDS)

    def facts(self) -> dict[str, str]:
        """For heartbeat and health page; empty where every partition is open. Safe from another thread."""
        gaps = dict(self._gaps)
        if not gaps:
            return {}
        return {FENCED: ", ".join(map(str, sorted(gaps))), FENCED_BY: gaps[min(gaps)].event_id}

    def _look_at_closed(self) -> None:
        if self._settings is not None and self._closed:
            self._watch = asyncio.create_task(self._until_open(self._settings))

    async def _until_open(self, settings: Settings) -> None:
        while self._closed:
            try:
                self._apply(await find_gaps(settings, self._closed))
            except (KafkaError, DatabaseError, OSError) as error:
                log.warning("fence_not_checked", error=repr(error))
            if self._closed:
                await asyncio.sleep(AGAIN_SECONDS)

    def _apply(self, gaps: dict[int, Gap]) -> None:
        for partition in self._closed - gaps.keys():
            self._open(partition)
        if gaps and gaps != self._gaps:
            first = gaps[min(gaps)].event_id
            log.critical("database_behind_log", partitions=sorted(gaps), first_unknown=first, fix=f"run `{COMMAND}`")
        elif self._gaps and not gaps:
            log.info("database_caught_up_with_log", partitions=sorted(self._gaps))
        self._closed, self._gaps = set(gaps), gaps
        FENCED_PARTITIONS.set(len(gaps))
