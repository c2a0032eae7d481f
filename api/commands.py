"""Asking the payment actor: a command goes onto the log, its answer comes back, every wait has an end.

    register ─► produce ─► reply over Redis ─────────────► answer
                  │          └ none after 250 ms: the inbox row, looked up for all that wait, every 100 ms
                  ├─ not acked by the broker ────────────► 503: unknown, safe to repeat with the same key
                  └─ acked, undecided at the deadline ───► Undecided: the caller says 202

Redis only carries hints. A reply about a command with an Idempotency-Key is taken at its word only where it names the
very resource that this request asked for; every other one is confirmed in the inbox, for requests with one key share
one command id and their replies could be confused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import asyncpg
import orjson
import redis.asyncio as redis
from redis.exceptions import RedisError

from api.errors import ApiError, refused, refused_body, unavailable
from api.metrics import commands_asked
from domain.idempotency import compare
from domain.order import Command
from domain.rejection import ErrorCode
from runtime.clock import SYSTEM_CLOCK, SYSTEM_IDS, Clock, Ids
from runtime.logs import get_logger
from runtime.settings import Settings
from store.accepted import find_claim
from store.commands import DecidedCommand, find_decided
from store.replies import Flag, Reply, subscribe_replies
from topics.catalogue import COMMANDS, partition_of
from topics.codec import COMMAND_TYPES, command_envelope
from topics.envelope import HEADER_REPLY_TO, HEADER_TYPE, encode
from topics.producer import LogProducer, LogUnavailableError, Record

log = get_logger("commands")

LOOK_UP_AFTER_SECONDS = 0.25
LOOK_UP_EVERY_SECONDS = 0.1
LOOK_UP_MAX = 2_000
PRODUCE_SECONDS = 2.0
TROUBLE_SECONDS = 900.0
"""After a request that was answered 202 or 503: how long repeats of such requests are expected, and looked into."""
UNKNOWN = "Whether the request was taken is unknown; it is safe to repeat it with the same Idempotency-Key"
INTERNAL_MARK = f'{{"code":"{ErrorCode.INTERNAL}"'


@dataclass(frozen=True, slots=True)
class Key:
    """An Idempotency-Key as the actor sees it: the command's identity and what the request said, field by field."""

    command_id: str
    fingerprint: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What was decided. `body`: the resource's JSON as the inbox keeps it; `repeated`: for an earlier request."""

    body: str
    repeated: bool


@dataclass(frozen=True, slots=True)
class Undecided:
    """On the log, not decided in time. `first`: no earlier request with the same key is waiting here."""

    command_id: str
    first: bool


class _Waiter:
    """One request that waits. `mark`: how the body of an answer begins that can only be this request's.

    `shared`: an earlier request may be asking for the very same resource, so its id says nothing.
    """

    __slots__ = ("answer", "confirm", "fingerprint", "id", "mark", "nonce", "resource_id", "since")

    def __init__(
        self, command_id: str, key: Key | None, resource_id: str | None, *, shared: bool, nonce: str, since: float
    ) -> None:
        self.id = command_id
        self.resource_id = resource_id
        self.nonce = nonce
        self.fingerprint = None if key is None else key.fingerprint
        self.mark = None if resource_id is None or shared else f'{{"id":"{resource_id}"'
        self.since = since
        self.confirm = False
        self.answer: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()

    def accept(self, body: str, *, repeated: bool) -> None:
        if not self.answer.done():
            self.answer.set_result(Answer(body, repeated))

    def expire(self) -> None:
        """The deadline: nothing is decided."""
        if not self.answer.done():
            self.answer.set_result(None)

    def refuse(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class CommandBus:
    """One process's questions to the actors. `run` works in the background while requests call `ask`."""

    def __init__(
        self,
        settings: Settings,
        worker: str,
        producer: LogProducer,
        pool: asyncpg.Pool,
        subscriber: redis.Redis,
        clock: Clock = SYSTEM_CLOCK,
        ids: Ids = SYSTEM_IDS,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._ids = ids
        self._worker = worker
        self._reply_to = worker.encode()
        self._producer = producer
        self._pool = pool
        self._subscriber = subscriber
        self._partitions = settings.topic_partitions
        self._deadline_seconds = settings.decision_timeout_ms / 1000
        self._waiting: dict[str, list[_Waiter]] = {}
        self._hurry = asyncio.Event()
        self._replies_connected = False
        self._unanswered_at = -TROUBLE_SECONDS

    async def run(self) -> None:
        """Hear the replies and look up what is missed, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hear())
            group.create_task(self._look_up())

    async def ask(
        self, command: Command, *, key: Key | None, request_id: str, resource_id: str | None
    ) -> Answer | Undecided:
        """Have `command` decided. `resource_id`: the new resource's id, None where it changes an existing one.

        Raises ApiError: the actor's refusal, or 503 where the log did not take the command.
        """
        command_id, nonce = (self._ids.token(), "") if key is None else (key.command_id, self._ids.token())
        waiters = self._waiting.setdefault(command_id, [])
        waiter = _Waiter(
            command_id,
            key,
            resource_id,
            shared=bool(waiters) or self._troubled,
            nonce=nonce,
            since=self._clock.monotonic(),
        )
        waiters.append(waiter)
        kind = COMMAND_TYPES[type(command)]
        deadline = self._loop.call_later(self._deadline_seconds, waiter.expire)
        try:
            ack = await self._produce(command, kind, waiter, request_id)
            answer = await waiter.answer
        except asyncio.CancelledError:
            self._unanswered_at = self._clock.monotonic()
            raise
        except LogUnavailableError:
            self._unanswered_at = self._clock.monotonic()
            commands_asked(kind, "unknown").inc()
            raise unavailable(UNKNOWN) from None
        except ApiError:
            commands_asked(kind, "refused").inc()
            raise
        finally:
            deadline.cancel()
            first = waiters[0] is waiter
            waiters.remove(waiter)
            if not waiters:
                self._waiting.pop(command_id, None)
        if answer is not None:
            commands_asked(kind, "repeated" if answer.repeated else "accepted").inc()
            return answer
        self._unanswered_at = self._clock.monotonic()
        if not ack.done():
            commands_asked(kind, "unknown").inc()
            raise unavailable(UNKNOWN)
        commands_asked(kind, "undecided").inc()
        return Undecided(command_id, first=first)

    @property
    def _troubled(self) -> bool:
        return self._clock.monotonic() - self._unanswered_at < TROUBLE_SECONDS

    async def promised_id(self, client: redis.Redis, key: Key | None) -> str | None:
        """The id that an earlier request with this key asks for or was promised, where it is not decided.

        A new order would go to another partition than the one it repeats, and could be decided before it. Redis is
        asked only while answers are missing.
        """
        if key is None:
            return None
        for waiter in self._waiting.get(key.command_id, ()):
            return waiter.resource_id
        if not self._troubled:
            return None
        try:
            return await find_claim(client, key.command_id)
        except (RedisError, OSError) as error:
            log.warning("promise_not_looked_up", command_id=key.command_id, error=repr(error))
            return None

    async def refuse_mismatch(self, key: Key | None) -> None:
        """Raise ApiError 422 where this key was used for another request. For requests that need no decision."""
        if key is None:
            return
        decided = (await find_decided(self._pool, [key.command_id], timeout=1.0)).get(key.command_id)
        if decided is not None and not decided.rejected and decided.fingerprint is not None:
            mismatch = compare(orjson.loads(decided.fingerprint), key.fingerprint)
            if mismatch is not None:
                raise refused(mismatch)

    async def _produce(self, command: Command, kind: str, waiter: _Waiter, request_id: str) -> asyncio.Future[object]:
        envelope = command_envelope(
            command,
            command_id=waiter.id,
            at=self._clock.now(),
            request_id=request_id,
            nonce=waiter.nonce,
            fingerprint=None if waiter.fingerprint is None else dict(waiter.fingerprint),
        )
        key = command.order_id.encode()
        record = Record(
            topic=COMMANDS,
            partition=partition_of(key, self._partitions),
            key=key,
            value=encode(envelope),
            headers=((HEADER_TYPE, kind.encode()), (HEADER_REPLY_TO, self._reply_to)),
        )
        ack = await self._producer.send(record, timeout=PRODUCE_SECONDS)
        ack.add_done_callback(partial(self._on_ack, waiter))
        return ack

    def _on_ack(self, waiter: _Waiter, ack: asyncio.Future[object]) -> None:
        if ack.cancelled() or ack.exception() is None:
            return
        log.warning("command_not_acked", command_id=waiter.id, error=repr(ack.exception()))
        self._producer.renew()
        waiter.refuse(LogUnavailableError(repr(ack.exception())))

    # Answers

    async def _hear(self) -> None:
        async for replies in subscribe_replies(self._subscriber, self._worker, on_state=self._on_state):
            for reply in replies:
                for waiter in self._waiting.get(reply.command_id, ()):
                    self._told(waiter, reply)

    def _on_state(self, connected: bool) -> None:
        self._replies_connected = connected

    def _told(self, waiter: _Waiter, reply: Reply) -> None:
        accepted = reply.flag is Flag.ACCEPTED
        if waiter.fingerprint is None:
            waiter.refuse(refused_body(reply.body)) if not accepted else waiter.accept(reply.body, repeated=False)
        elif accepted and waiter.mark is not None and reply.body.startswith(waiter.mark):
            waiter.accept(reply.body, repeated=False)
        elif reply.body.startswith(INTERNAL_MARK):
            waiter.refuse(refused_body(reply.body))
        else:
            waiter.confirm = True
            self._hurry.set()

    async def _look_up(self) -> None:
        while True:
            try:
                async with asyncio.timeout(LOOK_UP_EVERY_SECONDS):
                    await self._hurry.wait()
            except TimeoutError:
                pass
            self._hurry.clear()
            overdue = self._overdue()
            if overdue:
                await self._look_up_once(overdue)

    def _overdue(self) -> list[str]:
        """Ids of commands to look for in the inbox; without replies, of all that wait."""
        patience = LOOK_UP_AFTER_SECONDS if self._replies_connected else 0.0
        limit = self._clock.monotonic() - patience
        return [
            command_id
            for command_id, waiters in self._waiting.items()
            if any(waiter.confirm or waiter.since <= limit for waiter in waiters)
        ][:LOOK_UP_MAX]

    async def _look_up_once(self, command_ids: list[str]) -> None:
        try:
            found = await find_decided(self._pool, command_ids, timeout=1.0)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            log.warning("inbox_not_read", commands=len(command_ids), error=repr(error))
            return
        for command_id, decided in found.items():
            for waiter in self._waiting.get(command_id, ()):
                _settle(waiter, decided)


def _settle(waiter: _Waiter, decided: DecidedCommand) -> None:
    """Answer a request from the inbox row under its command's id, where that row is an answer to it."""
    ours = decided.nonce == waiter.nonce
    if decided.rejected:
        if ours:
            waiter.refuse(refused_body(decided.reply))
        return  # an earlier request's refusal: it gives way to this one
    if not ours and decided.fingerprint is not None and waiter.fingerprint is not None:
        mismatch = compare(orjson.loads(decided.fingerprint), waiter.fingerprint)
        if mismatch is not None:
            waiter.refuse(refused(mismatch))
            return
    waiter.accept(decided.reply, repeated=not ours)
