"""Replays dead letters at a bounded rate, resumable after any crash without sending one twice.

    for each letter:  mark `sending` (database) ─► the log (acked) ─► mark `sent` + audit (one transaction)

A letter found `sending` at a resumption is searched on the log: its record carries `replay: <replay>/<letter>`. It is
sent only if it is not there. A record that still reaches the actor twice changes nothing: command ids and delivery
attempts are identities. A letter that returned from a replay is not sent again unless forced, and only a limited number
of times.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiokafka import TopicPartition

from ops.console.exit_codes import UsageError
from ops.dead_letters.letters import HEADER_REPLAYED, Letter
from runtime.clock import now
from runtime.settings import Settings
from store.driver import Pool, connect
from store.operations.dead_letters import (
    ReplayRecord,
    decided_since,
    delivery_state,
    finish_replay,
    lock_replay,
    mark_sending,
    mark_sent,
    replay_records,
)
from store.webhooks.deliveries import NotRetryableError, reopen_log
from topics.admin import catalogue_of, partitions_of
from topics.catalogue import COMMANDS, WEBHOOKS_DLQ, decidable_age_ms, partition_of
from topics.deadletter import REASON_EXPIRED, REASON_UNDECODABLE, hash_of
from topics.delivery import delivery_record, read_delivery
from topics.envelope import UndecodableError, decode
from topics.location import SLACK
from topics.producer import Headers, LogProducer, Record
from topics.reader import Start, log_reader

HEADER_REPLAY = "replay"
REPLAYED_MAX = 5
"""Even with --force: sending it again does not fix the cause."""
PUBLISH_SECONDS = 30.0
SEARCH_MAX = 200_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a letter is not sent."""

    letter: Letter
    why: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A letter that is on its topic again. `found`: an interrupted run had already sent it."""

    letter: Letter
    place: str
    found: bool


def remembered_since(settings: Settings) -> datetime:
    """Since when the inbox certainly has every decision."""
    return now() - timedelta(milliseconds=decidable_age_ms(settings.idempotency_retention_days))


def refusal_of(letter: Letter, *, force: bool, since: datetime) -> Refusal | None:
    """The guard: letters that must not be sent, or only with --force. `since`: see `remembered_since`.

    The log gives a replayed record a new timestamp, so the actor cannot see that the inbox may have forgotten its
    command, or another request that was made under the same Idempotency-Key after it had died.
    """
    if letter.times_replayed >= REPLAYED_MAX:
        return Refusal(letter, f"it died {letter.times_replayed} times after a replay; discard it, or fix its cause")
    if force:
        return None
    if letter.times_replayed:
        return Refusal(letter, "it came back from a replay; --force sends it anyway")
    if letter.reason == REASON_UNDECODABLE:
        return Refusal(letter, "it cannot be decoded and would die again; --force sends it anyway")
    if letter.reason == REASON_EXPIRED:
        return Refusal(letter, "it may have been decided before and would act twice; --force sends it anyway")
    if letter.origin_topic == COMMANDS and letter.at < since:
        why = "it is older than the inbox remembers, so a request repeated since may have been decided"
        return Refusal(letter, f"{why}; --force sends it anyway")
    return None


class Replayer:
    """One run over the letters of one replay."""

    def __init__(self, settings: Settings, pool: Pool, replay_id: str, *, rate: float, actor: str) -> None:
        self._settings = settings
        self._pool = pool
        self._replay_id = replay_id
        self._pause = 1.0 / rate
        self._actor = actor
        self._producer = LogProducer(settings)

    async def run(self, found: Sequence[Letter], *, force: bool) -> AsyncIterator[Sent | Refusal]:
        """Each letter's result, in order; those sent by an earlier run are skipped."""
        lock = await connect(self._settings.database_url.get_secret_value(), timeout=10)
        try:
            if not await lock_replay(lock, self._replay_id):
                raise UsageError(f"Replay {self._replay_id} is already running in another process; wait for its end.")
            await self._producer.start()
            known = await replay_records(self._pool, self._replay_id)
            for letter in found:
                began = time.monotonic()
                result = await self._one(letter, known.get(letter.id), force=force)
                if result is not None:
                    yield result
                if isinstance(result, Sent):
                    await asyncio.sleep(max(0.0, self._pause - (time.monotonic() - began)))
            await finish_replay(self._pool, self._replay_id)
        finally:
            await self._producer.stop()
            await lock.close()

    async def _one(self, letter: Letter, known: ReplayRecord | None, *, force: bool) -> Sent | Refusal | None:
        if known is not None and known.state == "sent":
            return None
        if known is not None:
            offset = await self._offset_on_log(letter, known)
            if offset is not None:
                await self._mark_sent(letter, offset)
                return Sent(letter, f"{known.to_topic}/{known.partition}/{offset}", found=True)
        refusal = refusal_of(letter, force=force, since=remembered_since(self._settings))
        if refusal is not None:
            return refusal
        try:
            record = await self._record(letter)
        except NotRetryableError as error:
            return Refusal(letter, str(error))
        if known is None:
            await mark_sending(
                self._pool, self._replay_id, letter.id, to_topic=record.topic, partition=record.partition
            )
        offset = await self._publish(record)
        await self._mark_sent(letter, offset)
        return Sent(letter, f"{record.topic}/{record.partition}/{offset}", found=False)

    async def _publish(self, record: Record) -> int:
        return await self._producer.write(record, timeout=PUBLISH_SECONDS)

    async def _mark_sent(self, letter: Letter, offset: int) -> None:
        await mark_sent(
            self._pool,
            self._replay_id,
            letter.id,
            topic=letter.topic,
            offset=offset,
            reason=letter.reason,
            actor=self._actor,
            subject=letter.subject,
        )

    async def _offset_on_log(self, letter: Letter, known: ReplayRecord) -> int | None:
        """Where an interrupted run wrote this letter, None if it did not."""
        mark = self._mark(letter)
        partition = TopicPartition(known.to_topic, known.partition)
        async with log_reader(self._settings) as reader:
            await reader.partitions([known.to_topic])
            spans = await reader.spans([partition], Start(since=known.sending_at - SLACK))
            read = 0
            async for record in reader.merged(spans):
                read += 1
                if record.header(HEADER_REPLAY) == mark:
                    return record.offset
                if read >= SEARCH_MAX:
                    break
        return None

    async def _record(self, letter: Letter) -> Record:
        """A delivery restarts its schedule; any other record is sent byte for byte. Raises NotRetryableError."""
        if letter.topic == WEBHOOKS_DLQ:
            record = await self._delivery(letter)
            if record is not None:
                return self._marked(letter, record)
        topic = catalogue_of(self._settings).get(letter.origin_topic)
        if topic is None:
            raise NotRetryableError(f"its topic {letter.origin_topic!r} is not one of this deployment")
        key, value, headers = await self._original(letter) if letter.cut else (letter.key, letter.value, letter.headers)
        by_key = partition_of(key, partitions_of(topic, self._settings)) if key is not None else letter.origin.partition
        return self._marked(letter, Record(topic.name, by_key, key, value, headers))

    async def _original(self, letter: Letter) -> tuple[bytes | None, bytes | None, Headers]:
        """Key, value and headers of the record that a cut letter is the beginning of. Raises NotRetryableError."""
        async with log_reader(self._settings) as reader:
            there = await reader.partitions([letter.origin.topic])
            spans = await reader.spans([letter.origin] if letter.origin in there else [], Start())
            first, end = spans.get(letter.origin, (0, 0))
            if first <= letter.origin_offset < end:
                found = (await reader.first_at({letter.origin: letter.origin_offset})).get(letter.origin)
                if found is not None and found.offset == letter.origin_offset:
                    key = None if found.null_key else found.key
                    value = None if found.tombstone else found.value
                    if hash_of(key, value, found.headers) == letter.record_sha256:
                        return key, value, found.headers
        raise NotRetryableError("it was too large to keep whole, and its original is no longer on the log")

    async def _delivery(self, letter: Letter) -> Record | None:
        """None if the letter's record has no delivery. Raises NotRetryableError."""
        try:
            due = read_delivery(letter.value)
        except UndecodableError:
            return None
        state = await delivery_state(self._pool, due.log_id)
        if state is None:
            return None
        merchant_id, status, attempts = state
        if status == "success":
            raise NotRetryableError("it was delivered since")
        if status == "failed":
            reopened = await reopen_log(self._pool, merchant_id, due.log_id, now())
            attempts = attempts if reopened is None else reopened.attempt - 1
        again = type(due)(due.log_id, due.endpoint_id, due.order_id, attempts + 1)
        return delivery_record(again, at=now(), partitions=self._settings.topic_partitions)

    def _marked(self, letter: Letter, record: Record) -> Record:
        """With the sender, and without `reply_to`, because no request waits for a reply."""
        ours = {HEADER_REPLAY, HEADER_REPLAYED, "reply_to"}
        headers = [(name, content) for name, content in record.headers if name not in ours]
        headers.append((HEADER_REPLAY, self._mark(letter).encode()))
        headers.append((HEADER_REPLAYED, str(letter.times_replayed + 1).encode()))
        return Record(record.topic, record.partition, record.key, record.value, headers)

    def _mark(self, letter: Letter) -> str:
        return f"{self._replay_id}/{letter.id}"


async def since_then(pool: Pool, letter: Letter) -> str:
    """What happened to a letter's record otherwise, as text."""
    try:
        envelope = decode(letter.value)
    except UndecodableError:
        return "unknown: the record cannot be decoded"
    if letter.topic == WEBHOOKS_DLQ:
        log_id = _uuid(envelope.body.get("log_id"))
        state = None if log_id is None else await delivery_state(pool, log_id)
        return "its delivery is unknown" if state is None else f"its delivery is {state[1]} after {state[2]} attempts"
    decided = await decided_since(pool, envelope.id)
    if decided is None:
        return "its command was never decided"
    rejected, at = decided
    return f"its command was {'refused' if rejected else 'decided'} at {at:%Y-%m-%d %H:%M:%S}"


def _uuid(value: object) -> uuid.UUID | None:
    try:
        return uuid.UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
