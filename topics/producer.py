"""Writing to the log: an idempotent producer with acks=all, whose every wait has an end.

    send(record)      one record, for a caller who waits for the broker's word: returns the ack as a future
    publish(records)  many records in order, returns once all are acked; repeats with a new producer on failure

aiokafka's producer is unusable after OutOfOrderSequence (its issue 1017) and after a batch that expired on the client,
so failures close it and make a new one. A failed wait means *unknown*: the record may be on the log all the same,
which is harmless, for every record has an identity.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.logs import get_logger

log = get_logger("producer")

REQUEST_TIMEOUT_MS = 120_000
"""Long on purpose: a batch that expires while the leader is unknown leaves a hole in the idempotent sequence."""
START_TIMEOUT_SECONDS = 10
STOP_TIMEOUT_SECONDS = 2
BATCH_BYTES = 262_144
PUBLISH_ROUND_SECONDS = 20
PUBLISH_SECONDS = 45.0
"""Of a role: two rounds and a bit, longer than a broker's restart; the watchdog ends what hangs for much longer."""
Headers = Sequence[tuple[str, bytes | None]]
"""In order; a name may stand twice, and Kafka allows a null value."""


class LogUnavailableError(RuntimeError):
    """The log did not take a record in time. Whether it did after all is unknown."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record to write, its partition chosen by the caller (topics.catalogue.partition_of).

    Ours have a key and a value; only a dead letter that is sent again can have neither.
    """

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class LogProducer:
    """One process's producer. `linger_ms` 0 for latency, more for throughput; `make_client` makes each connection."""

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        linger_ms: int = 0,
        clock: Clock = SYSTEM_CLOCK,
        make_client: Callable[..., AIOKafkaProducer] = AIOKafkaProducer,
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._linger_ms = linger_ms
        self._clock = clock
        self._make_client = make_client
        self._producer: AIOKafkaProducer | None = None
        self._renewal: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect. Raises LogUnavailableError where the broker is not there within START_TIMEOUT_SECONDS."""
        self._producer = await self._connect()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Flush and close, bounded."""
        if self._renewal is not None:
            self._renewal.cancel()
        if self._producer is not None:
            await _close(self._producer)
            self._producer = None

    async def send(self, record: Record, *, timeout: float) -> asyncio.Future[object]:
        """Hand over one record; the future ends with the broker's ack. Raises LogUnavailableError."""
        producer = self._producer
        if producer is None:
            self.renew()
            raise LogUnavailableError("no connection to the log")
        try:
            async with asyncio.timeout(timeout):
                ack: asyncio.Future[object] = await producer.send(
                    record.topic,
                    value=record.value,
                    key=record.key,
                    partition=record.partition,
                    headers=list(record.headers),
                )
        except (KafkaError, TimeoutError, AssertionError) as error:
            self.renew()
            raise LogUnavailableError(repr(error)) from error
        return ack

    async def write(self, record: Record, *, timeout: float) -> int:
        """Write one record once, and return its offset. Raises LogUnavailableError: whether it was written is unknown.

        Unlike `send`, this writes a record that has neither key nor value.
        """
        try:
            async with asyncio.timeout(timeout):
                producer = self._producer = self._producer or await self._connect()
                (ack,) = await _hand_over(producer, {(record.topic, record.partition): [record]})
                return int(getattr(await ack, "offset", -1))
        except (KafkaError, TimeoutError, AssertionError) as error:
            raise LogUnavailableError(repr(error)) from error

    async def publish(self, records: Iterable[Record], *, timeout: float = PUBLISH_SECONDS) -> None:
        """Write all records; per partition they stand on the log in the given order (first sights, when repeated).

        Raises LogUnavailableError when `timeout` seconds have passed without every ack.
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
        """Ask the broker for something. Raises LogUnavailableError where it does not answer; the caller bounds it."""
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
            bootstrap_servers=self._bootstrap_servers,
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
        return producer


async def _publish_once(producer: AIOKafkaProducer, by_partition: dict[tuple[str, int], list[Record]]) -> None:
    for ack in await _hand_over(producer, by_partition):
        await ack


async def _hand_over(
    producer: AIOKafkaProducer, by_partition: dict[tuple[str, int], list[Record]]
) -> list[asyncio.Future[object]]:
    """The broker's acks to come."""
    acks: list[asyncio.Future[object]] = []
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
            batch.close()
            acks.append(await producer.send_batch(batch, topic, partition=partition))
    return acks


async def _close(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
            await producer.stop()
    except (KafkaError, TimeoutError, OSError) as error:
        log.info("producer_closed_roughly", error=repr(error))
