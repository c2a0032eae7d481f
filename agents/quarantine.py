"""A record that kills its worker, in whatever way, becomes a dead letter after the third death, and the partition
continues.

    first death          nothing was written down: a life that is calm costs one command of Redis in all
    begun again          careful for CAREFUL_SECONDS: one record at a time, marked before and unmarked after its work
    died with a mark     the mark stays; DEATHS_MAX of them on one record: rescue or dead letter, alert, next record

A worker may have died after its work on the record was durable, and before what follows was published. So a reader that
can check does so first, and publishes what is stored (`rescue`); only a record without effect becomes a dead letter.

A failure of the environment (database, log or Redis unavailable) removes the mark: the record is not at fault. Without
Redis no record is marked, and none becomes a dead letter. docs/decisions/0015.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import redis.asyncio as redis
from aiokafka.errors import KafkaError
from prometheus_client import Counter
from redis.exceptions import RedisError

from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.logs import get_logger
from runtime.settings import Settings
from store.deaths import begin_life, begin_record, end_life, end_record
from store.errors import DatabaseError
from topics.deadletter import REASON_QUARANTINED, letter_about
from topics.producer import LogProducer, LogUnavailableError

log = get_logger("quarantine")

DEATHS_MAX = 3
RESCUES_MAX = 2
"""Begun rescues of one record. A rescue that kills its worker too must not block the partition: then the record becomes
a dead letter, and `gateway verify` names events that were never published."""
CAREFUL_SECONDS = 30.0
SURROUNDINGS = (
    DatabaseError,
    KafkaError,
    LogUnavailableError,
    RedisError,
    OSError,
)
QUARANTINED = Counter("gateway_records_quarantined", "Records set aside because workers died over them", ["topic"])
Rescue = Callable[[], Awaitable[bool]]


class Quarantine:
    """The quarantine of one worker. `group` distinguishes the readers of one topic: what kills one of them need not
    kill another."""

    def __init__(
        self, settings: Settings, client: redis.Redis, *, group: str, worker: str, clock: Clock = SYSTEM_CLOCK
    ):
        self._settings = settings
        self._redis = client
        self._group = group
        self._worker = worker
        self._clock = clock
        self._careful_until = 0.0
        self._marked: str | None = None

    @property
    def careful(self) -> bool:
        """True while records are processed one by one."""
        return self._clock.monotonic() < self._careful_until

    async def begin_life(self) -> None:
        """Call before the first record is read."""
        try:
            lives = await begin_life(self._redis, self._worker)
        except (RedisError, OSError) as error:
            log.warning("lives_not_counted", error=repr(error))
            return
        if lives > 1:
            self._careful_until = self._clock.monotonic() + CAREFUL_SECONDS
            log.warning("careful", worker=self._worker, lives=lives)

    async def live_calmly(self) -> None:
        """Run beside the work: after a long enough life, no record is suspected."""
        await asyncio.sleep(CAREFUL_SECONDS)
        await self.end_life()

    async def end_life(self) -> None:
        """Call at an orderly end."""
        try:
            await end_life(self._redis, self._worker)
        except (RedisError, OSError) as error:
            log.warning("lives_not_counted", error=repr(error))

    async def admits(self, message: Any, rescue: Rescue | None = None) -> bool:
        """Mark the record. False if too many workers died over it: it is rescued then, or its dead letter is on the
        log. `rescue`: publishes what the record has led to already; False if it has led to nothing.

        Raises LogUnavailableError if that letter cannot be written, and what `rescue` raises.
        """
        place = f"{self._group}:{message.topic}/{message.partition}/{message.offset}"
        try:
            begun = await begin_record(self._redis, place)
        except (RedisError, OSError) as error:
            log.warning("deaths_not_counted", place=place, error=repr(error))
            return True
        if begun <= DEATHS_MAX:
            self._marked = place
            return True
        looked = rescue is None or begun <= DEATHS_MAX + RESCUES_MAX
        if rescue is not None and looked and await self._rescued(place, rescue):
            return False
        await self._bury(message, place, looked=looked)
        return False

    async def _rescued(self, place: str, rescue: Rescue) -> bool:
        self._marked = place  # an outage in between cancels the deaths
        if not await rescue():
            self._marked = None
            return False
        log.critical("record_rescued", place=place, deaths=DEATHS_MAX)
        await self.absolve()
        return True

    async def absolve(self) -> None:
        """The marked record's work is done, or the record did not cause the failure."""
        place, self._marked = self._marked, None
        if place is None:
            return
        try:
            await end_record(self._redis, place)
        except (RedisError, OSError) as error:
            log.warning("deaths_not_counted", place=place, error=repr(error))

    async def ended_by(self, error: BaseException) -> None:
        """The worker is about to end. The mark stays unless the environment caused it."""
        if is_surroundings(error):
            await self.absolve()

    async def _bury(self, message: Any, place: str, *, looked: bool) -> None:
        why = f"{DEATHS_MAX} workers of the group {self._group} died over it"
        if not looked:
            why += f", and {RESCUES_MAX} over looking for what it had led to: run `gateway verify`"
        letter = letter_about(message, reason=REASON_QUARANTINED, error=why, at=self._clock.now())
        log.critical("record_quarantined", place=place, why=why)
        QUARANTINED.labels(message.topic).inc()
        if letter is not None:
            producer = LogProducer(self._settings, clock=self._clock)
            try:
                await producer.publish([letter])
            finally:
                await producer.stop()
        try:
            await end_record(self._redis, place)
        except (RedisError, OSError) as error:
            log.warning("deaths_not_counted", place=place, error=repr(error))


def is_surroundings(error: BaseException) -> bool:
    """True for a failure of database, log or Redis, also inside a task group's."""
    if isinstance(error, BaseExceptionGroup):
        return any(is_surroundings(one) for one in error.exceptions)
    return isinstance(error, SURROUNDINGS)
