"""Writing to the log: an idempotent producer with acks=all; every wait is bounded.

    send(record)      one record, for a caller that waits for the broker: returns the ack as a future. Records of
                      many callers are sent together, at most every PACE_SECONDS; those of few at once
    publish(records)  many records in order, returns once all are acked; repeats with a new producer on failure

aiokafka's producer is unusable after OutOfOrderSequence (its issue 1017) and after a batch that expired on the client,
so failures close it and make a new one. A failed wait means *unknown*: the record may still be on the log, which is
harmless, because every record has an identity.
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.logs import get_logger
from runtime.settings import Settings
from topics.connection import client_options

log = get_logger("producer")

REQUEST_TIMEOUT_MS = 120_000
"""Deliberately long: a batch that expires while the leader is unknown leaves a hole in the idempotent sequence."""
START_TIMEOUT_SECONDS = 10
STOP_TIMEOUT_SECONDS = 2
BATCH_BYTES = 262_144
PACE_SECONDS = 0.01
"""Between two requests for records that callers send one by one, while this gathers any: after a request with a single
record the next is not held back. Each request costs the broker as much as thirty records."""
WAITING_MAX = 20_000
"""Records that are not sent yet. An API on two cores accepts a thousand in the two seconds of a portion."""
PUBLISH_ROUND_SECONDS = 20
PUBLISH_SECONDS = 45.0
"""For a role: a little more than two rounds, longer than a broker's restart; the watchdog ends what hangs for much
longer."""
Headers = Sequence[tuple[str, bytes | None]]
"""In order; a name may occur twice, and Kafka allows a null value."""


class LogUnavailableError(RuntimeError):
    """The log did not accept a record in time. Whether it did later is unknown."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record to write, its partition chosen by the caller (topics.catalogue.partition_of).

    Ours have a key and a value; only a replayed dead letter can lack either.
    """

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class _Sent:
    """A record of a caller, and the ack that the caller waits for."""

    record: Record
    ack: asyncio.Future[object]

    def end_as(self, ended: asyncio.Future[object]) -> None:
        """Resolve it like the ack of its batch."""
        if self.ack.done():
            return
        if ended.cancelled():
            self.ack.cancel()
        elif (error := ended.exception()) is not None:
            self.fail(error)
        else:
            self.ack.set_result(ended.result())

    def fail(self, error: BaseException) -> None:
        if not self.ack.done():
            self.ack.set_exception(LogUnavailableError(repr(error)))


class LogProducer:
    """One process's producer. `linger_ms` 0 for latency, more for throughput; `make_client` makes each connection."""

    def __init__(
        self,
        settings: Settings,
        *,
        linger_ms: int = 0,
        clock: Clock = SYSTEM_CLOCK,
        make_client: Callable[..., AIOKafkaProducer] = AIOKafkaProducer,
    ) -> None:
        self._settings = settings
        self._linger_ms = linger_ms
        self._clock = clock
        self._make_client = make_client
        self._producer: AIOKafkaProducer | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._waiting: list[_Sent] = []
        self._sending: asyncio.Task[None] | None = None
        self._on_way: dict[tuple[str, int], asyncio.Task[None]] = {}
        """One portion at a time for each partition: a partition without a leader does not hold up the others."""
        self._sent_at = -math.inf
        """When the last portion was sent, if it had more than one record."""

    async def start(self) -> None:
        """Connect. Raises LogUnavailableError if the broker does not respond within START_TIMEOUT_SECONDS."""
        self._producer = await self._connect()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Flush and close, bounded."""
        for task in (self._renewal, self._sending, *self._on_way.values()):
            if task is not None:
                task.cancel()
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.fail(LogUnavailableError("the producer was stopped"))
        if self._producer is not None:
            await _close(self._producer)
            self._producer = None

    def send(self, record: Record, *, timeout: float) -> asyncio.Future[object]:
        """Send one record within `timeout` seconds; the future ends with the broker's ack or LogUnavailableError.

        Raises LogUnavailableError if there is no connection, or WAITING_MAX records wait for one.
        """
        if self._producer is None:
            self.renew()
            raise LogUnavailableError("no connection to the log")
        if len(self._waiting) >= WAITING_MAX:
            raise LogUnavailableError(f"{WAITING_MAX} records wait already")
        ack: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Sent(record, ack))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_waiting(timeout))
        return ack

    async def _send_waiting(self, timeout: float) -> None:
        """Run until no caller waits. One portion of a partition is on its way at a time, as long as the broker responds
        within `timeout`."""
        while self._waiting:
            if (early := self._sent_at + PACE_SECONDS - self._clock.monotonic()) > 0:
                await asyncio.sleep(early)
            portion, self._waiting = self._waiting, []
            self._sent_at = self._clock.monotonic() if len(portion) > 1 else -math.inf
            by_place: dict[tuple[str, int], list[_Sent]] = defaultdict(list)
            for one in portion:
                place = one.record.topic, one.record.partition
                (self._waiting if place in self._on_way else by_place[place]).append(one)
            for place, sent in by_place.items():
                task = self._on_way[place] = asyncio.create_task(self._hand_over_portion(place, sent, timeout))
                task.add_done_callback(lambda _, place=place: self._on_way.pop(place))  # type: ignore[misc]
            if self._on_way:
                await asyncio.wait(self._on_way.values(), timeout=PACE_SECONDS)

    async def _hand_over_portion(self, place: tuple[str, int], portion: list[_Sent], timeout: float) -> None:
        """Records of one partition, up to their acks. If they could not be sent, their callers get an error."""
        acks: list[asyncio.Future[object]] = []
        try:
            if self._producer is None:
                raise LogUnavailableError("no connection to the log")
            async with asyncio.timeout(timeout):
                acks = await _hand_over_sent(self._producer, place, portion)
        except (KafkaError, TimeoutError, LogUnavailableError, AssertionError) as error:
            if not isinstance(error, TimeoutError):  # a partition without a leader must not drop the others
                self.renew()
            for one in portion:
                one.fail(error)
        if acks:
            await asyncio.wait(acks, timeout=timeout)

    async def write(self, record: Record, *, timeout: float) -> int:
        """Write one record once, and return its offset. Raises LogUnavailableError: whether it was written is unknown.

        Unlike `send`, this writes a record that has neither key nor value.
        """
        try:
            async with asyncio.timeout(timeout):
                producer = self._producer = self._producer or await self._connect()
                ((ack, _),) = await _hand_over(producer, {(record.topic, record.partition): [record]})
                return int(getattr(await ack, "offset", -1))
        except (KafkaError, TimeoutError, AssertionError) as error:
            raise LogUnavailableError(repr(error)) from error

    async def publish(self, records: Iterable[Record], *, timeout: float = PUBLISH_SECONDS) -> None:
        """Write all records; per partition they are on the log in the given order (their first copies, if repeated).

        Raises LogUnavailableError if not every ack arrives within `timeout` seconds.
        """
        by_partition: dict[tuple[str, int], list[Record]] = defaultdict(list)
        for record in records:
            by_partition[record.topic, record.partition].append(record)
        if not by_partition:
            return
        ends_at = self._clock.monotonic() + timeout
        while True:
            try:
                async with asyncio.timeout(min(PUBLISH_ROUND_SECONDS, max(0.1, ends_at - self._clock.monotonic()))):
                    if self._producer is None:
                        self._producer = await self._connect()
                    await _publish_once(self._producer, by_partition)
                return
            except (KafkaError, TimeoutError, LogUnavailableError, AssertionError) as error:
                log.warning("publish_failed", error=repr(error))
                if self._clock.monotonic() >= ends_at:
                    raise LogUnavailableError(f"not acked within {timeout} s: {error!r}") from error
                await self._drop()
                await asyncio.sleep(0.2)

    async def check(self) -> None:
        """Send a request to the broker. Raises LogUnavailableError if it does not respond; the caller bounds it."""
        producer = self._producer
        if producer is None:
            self.renew()
            raise LogUnavailableError("no connection to the log")
        try:
            await producer.client.fetch_all_metadata()
        except (KafkaError, AssertionError) as error:
            raise LogUnavailableError(repr(error)) from error

    def renew(self) -> None:
        """Replace the connection in the background; one renewal at a time."""
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        await self._drop()
        while self._producer is None:
            try:
                self._producer = await self._connect()
            except LogUnavailableError as error:
                log.warning("log_unavailable", error=repr(error))
                await asyncio.sleep(0.3)
        log.info("producer_renewed")

    async def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _close(producer)

    async def _connect(self) -> AIOKafkaProducer:
        producer = self._make_client(
            **client_options(self._settings),
            acks="all",
            enable_idempotence=True,
            linger_ms=self._linger_ms,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            retry_backoff_ms=50,
        )
        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS):
                await producer.start()
        except (KafkaError, TimeoutError, OSError) as error:
            await _close(producer)
            raise LogUnavailableError(repr(error)) from error
        except BaseException:  # cancelled: nobody else knows this client
            await _close(producer)
            raise
        return producer


async def _publish_once(producer: AIOKafkaProducer, by_partition: dict[tuple[str, int], list[Record]]) -> None:
    for ack, _ in await _hand_over(producer, by_partition):
        await ack


async def _hand_over(
    producer: AIOKafkaProducer, by_partition: dict[tuple[str, int], list[Record]]
) -> list[tuple[asyncio.Future[object], int]]:
    """The broker's pending acks, each with the number of records, in order, that it covers."""
    acks: list[tuple[asyncio.Future[object], int]] = []
    for (topic, partition), records in by_partition.items():
        waiting = list(reversed(records))
        while waiting:
            batch = producer.create_batch()
            while waiting:
                record = waiting[-1]
                taken = batch.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers))
                if taken is None:
                    break
                waiting.pop()
            assert batch.record_count(), f"record of {len(waiting[-1].value or b'')} bytes is larger than a batch"
            count = batch.record_count()
            batch.close()
            acks.append((await producer.send_batch(batch, topic, partition=partition), count))
    return acks


async def _hand_over_sent(
    producer: AIOKafkaProducer, place: tuple[str, int], portion: list[_Sent]
) -> list[asyncio.Future[object]]:
    """The pending acks of the batches; each record's own ack ends with that of its batch."""
    acks, handed = [], iter(portion)
    for ack, count in await _hand_over(producer, {place: [one.record for one in portion]}):
        for one in islice(handed, count):
            ack.add_done_callback(one.end_as)
        acks.append(ack)
    return acks


async def _close(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
            await producer.stop()
    except (KafkaError, TimeoutError, OSError) as error:
        log.info("producer_close_failed", error=repr(error))
