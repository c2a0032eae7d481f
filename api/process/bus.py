"""Commands to the payment actors: a command is written to the log, its reply comes back, every wait is bounded.

    register ─► produce ─► reply over Redis ─────────────► Decided
                  │          └ none after 250 ms: the inbox row, looked up for all that wait, every 100 ms
                  ├─ not acked by the broker ────────────► 503: unknown, safe to repeat with the same key
                  └─ acked, undecided at the deadline ───► Undecided: the caller returns 202
                     (or at once, where the actor must be upgraded before it can decide)

Requests with one Idempotency-Key share one command id, so a reply and a row of the inbox name the request, too, by its
nonce. Each request gets its own refusal or the acceptance of its command, never another request's refusal. Redis
carries only what the inbox already has: a lost reply costs a lookup.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import assert_never

import orjson
import redis.asyncio as redis

from api.http.errors import ApiError, refused, refused_body, unavailable
from api.process.metrics import command_count
from domain.decision import Command
from domain.idempotency import compare
from runtime.clock import SYSTEM_CLOCK, SYSTEM_IDS, Clock, Ids
from runtime.logs import get_logger
from runtime.settings import Settings
from store.commands import DecidedCommand, Request, find_accepted, find_decided
from store.driver import Pool
from store.errors import DatabaseError
from store.promises import PromisedIds, promised_ids
from store.redis.replies import Flag, Reply, subscribe_replies
from topics.codec import COMMAND_TYPES
from topics.commands import command_record
from topics.envelope import encode_json
from topics.producer import LogProducer, LogUnavailableError

log = get_logger("commands")

LOOK_UP_AFTER_SECONDS = 0.25
LOOK_UP_EVERY_SECONDS = 0.1
LOOK_UP_MAX = 2_000
PRODUCE_SECONDS = 2.0
TROUBLE_SECONDS = 900.0
"""After a 202 or 503: how long repeats of such requests are expected, and looked up."""
CLOSED = "The gateway is closed for a moment. The request was not accepted; please retry"
UNKNOWN = "It is unknown whether the request was accepted; it is safe to retry with the same Idempotency-Key"
INBOX_SECONDS = 1.0
"""Timeout of one query of the inbox or the promises."""


@dataclass(frozen=True, slots=True)
class Key:
    """An Idempotency-Key as the actor sees it: the command's identity and the request's content, field by field."""

    command_id: str
    fingerprint: Mapping[str, str]

    @property
    def fingerprint_json(self) -> str:
        """One text for the same fields, in whatever order they were sent."""
        return encode_json(dict(sorted(self.fingerprint.items()))).decode()


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision. `body`: the resource's JSON as the inbox keeps it; `repeated`: for an earlier request."""

    body: str
    repeated: bool


@dataclass(frozen=True, slots=True)
class Undecided:
    """On the log, not decided in time. `first`: no earlier request with the same key is waiting here."""

    command_id: str
    nonce: str
    first: bool


class _Waiter:
    """One request that waits."""

    __slots__ = ("decision", "fingerprint", "id", "is_on_log", "nonce", "promised", "since")

    def __init__(
        self, command_id: str, key: Key | None, promised: PromisedIds | None, *, nonce: str, since: float
    ) -> None:
        self.id = command_id
        self.promised = promised
        self.nonce = nonce
        self.fingerprint = None if key is None else key.fingerprint
        self.since = since
        self.is_on_log = False
        self.decision: asyncio.Future[Decided | None] = asyncio.get_running_loop().create_future()

    def accept(self, body: str, *, repeated: bool) -> None:
        if not self.decision.done():
            self.decision.set_result(Decided(body, repeated))

    def expire(self) -> None:
        """The deadline: nothing is decided."""
        if not self.decision.done():
            self.decision.set_result(None)

    def put_off(self) -> None:
        """An actor has read the command, but must be upgraded before it can decide it."""
        self.is_on_log = True
        self.expire()

    def refuse(self, error: Exception) -> None:
        if not self.decision.done():
            self.decision.set_exception(error)


class CommandBus:
    """One process's commands to the actors. `run` works in the background while requests call `submit`."""

    def __init__(
        self,
        settings: Settings,
        worker: str,
        producer: LogProducer,
        pool: Pool,
        subscriber: redis.Redis,
        clock: Clock = SYSTEM_CLOCK,
        ids: Ids = SYSTEM_IDS,
        log_is_closed: Callable[[], bool] = lambda: False,
    ) -> None:
        self._log_is_closed = log_is_closed
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
        self._requested = asyncio.Event()
        """Set where requests wait for a decision."""
        self._replies_connected = False
        self._undecided_at = -TROUBLE_SECONDS

    async def run(self) -> None:
        """Receive the replies and look up missed ones, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._look_up())

    async def submit(
        self, command: Command, *, key: Key | None, request_id: str, resource_id: str | None
    ) -> Decided | Undecided:
        """Have `command` decided. `resource_id`: the new resource's id, None if it changes an existing one.

        Raises ApiError: the actor's refusal, or 503 if the log did not accept the command, or is growing.
        """
        if self._log_is_closed():
            raise unavailable(CLOSED)
        command_id, nonce = (self._ids.token(), "") if key is None else (key.command_id, self._ids.token())
        waiters = self._waiting.setdefault(command_id, [])
        promised = None if resource_id is None else PromisedIds(resource_id, command.order_id)
        waiter = _Waiter(command_id, key, promised, nonce=nonce, since=self._clock.monotonic())
        waiters.append(waiter)
        self._requested.set()
        kind = COMMAND_TYPES[type(command)]
        deadline = self._loop.call_later(self._deadline_seconds, waiter.expire)
        try:
            ack = self._produce(command, waiter, request_id)
            decision = await waiter.decision
        except asyncio.CancelledError:
            self._undecided_at = self._clock.monotonic()
            raise
        except LogUnavailableError:
            self._undecided_at = self._clock.monotonic()
            command_count(kind, "unknown").inc()
            raise unavailable(UNKNOWN) from None
        except ApiError:
            command_count(kind, "refused").inc()
            raise
        finally:
            deadline.cancel()
            first = waiters[0] is waiter
            waiters.remove(waiter)
            if not waiters:
                self._waiting.pop(command_id, None)
        if decision is not None:
            command_count(kind, "repeated" if decision.repeated else "accepted").inc()
            return decision
        self._undecided_at = self._clock.monotonic()
        if not (waiter.is_on_log or _is_acked(ack)):
            command_count(kind, "unknown").inc()
            raise unavailable(UNKNOWN)
        command_count(kind, "undecided").inc()
        return Undecided(command_id, waiter.nonce, first=first)

    @property
    def _troubled(self) -> bool:
        return self._clock.monotonic() - self._undecided_at < TROUBLE_SECONDS

    async def promised(self, key: Key | None) -> PromisedIds | None:
        """The ids that an earlier request with the same content uses or was promised with this key, while undecided.

        A new order would go to another partition than the one it repeats, and could be decided before it. The promises
        are read only while replies are missing.
        """
        if key is None:
            return None
        for waiter in self._waiting.get(key.command_id, ()):
            if waiter.fingerprint == key.fingerprint:
                return waiter.promised
        if not self._troubled:
            return None
        try:
            return await promised_ids(self._pool, key.command_id, key.fingerprint_json, timeout=INBOX_SECONDS)
        except DatabaseError as error:
            log.warning("promise_not_looked_up", command_id=key.command_id, error=repr(error))
            return None

    async def refuse_mismatch(self, key: Key | None) -> None:
        """Raise ApiError 422 if this key was used for another request. For requests that need no decision."""
        if key is None:
            return
        accepted = await find_accepted(self._pool, key.command_id, timeout=INBOX_SECONDS)
        if accepted is not None and accepted.fingerprint is not None:
            mismatch = compare(orjson.loads(accepted.fingerprint), key.fingerprint)
            if mismatch is not None:
                raise refused(mismatch)

    def _produce(self, command: Command, waiter: _Waiter, request_id: str) -> asyncio.Future[object]:
        record = command_record(
            command,
            command_id=waiter.id,
            at=self._clock.now(),
            partitions=self._partitions,
            request_id=request_id,
            nonce=waiter.nonce,
            fingerprint=waiter.fingerprint,
            reply_to=self._reply_to,
        )
        ack = self._producer.send(record, timeout=PRODUCE_SECONDS)
        ack.add_done_callback(partial(self._on_ack, waiter))
        return ack

    def _on_ack(self, waiter: _Waiter, ack: asyncio.Future[object]) -> None:
        if ack.cancelled() or ack.exception() is None:
            return
        log.warning("command_not_acked", command_id=waiter.id, error=repr(ack.exception()))
        self._producer.renew()
        waiter.refuse(LogUnavailableError(repr(ack.exception())))

    # Replies

    async def _listen(self) -> None:
        async for replies in subscribe_replies(self._subscriber, self._worker, on_state=self._on_state):
            for reply in replies:
                for waiter in self._waiting.get(reply.command_id, ()):
                    if waiter.nonce == reply.nonce:
                        _deliver(waiter, reply)

    def _on_state(self, connected: bool) -> None:
        self._replies_connected = connected

    async def _look_up(self) -> None:
        while True:
            await self._requested.wait()
            await asyncio.sleep(LOOK_UP_EVERY_SECONDS)
            overdue = self._overdue()
            if overdue:
                await self._look_up_once(overdue)
            if not self._waiting:
                self._requested.clear()

    def _overdue(self) -> list[_Waiter]:
        """Requests to look up in the inbox; while no replies arrive, all that wait."""
        wait_seconds = LOOK_UP_AFTER_SECONDS if self._replies_connected else 0.0
        limit = self._clock.monotonic() - wait_seconds
        waiting = (waiter for waiters in self._waiting.values() for waiter in waiters)
        return list(islice((waiter for waiter in waiting if waiter.since <= limit), LOOK_UP_MAX))

    async def _look_up_once(self, overdue: list[_Waiter]) -> None:
        requests: list[Request] = [(waiter.id, waiter.nonce) for waiter in overdue]
        try:
            found = await find_decided(self._pool, requests, timeout=INBOX_SECONDS)
        except DatabaseError as error:
            log.warning("inbox_not_read", requests=len(requests), error=repr(error))
            return
        for waiter in overdue:
            decided = found.get((waiter.id, waiter.nonce))
            if decided is not None:
                _settle(waiter, decided)


def _is_acked(ack: asyncio.Future[object]) -> bool:
    """True if the broker has the command: a failed or cancelled ack is also done."""
    return ack.done() and not ack.cancelled() and ack.exception() is None


def _deliver(waiter: _Waiter, reply: Reply) -> None:
    match reply.flag:
        case Flag.REJECTED:
            waiter.refuse(refused_body(reply.body))
        case Flag.LATER:
            waiter.put_off()
        case Flag.ACCEPTED | Flag.REPEATED:
            waiter.accept(reply.body, repeated=reply.flag is Flag.REPEATED)
        case _:
            assert_never(reply.flag)


def _settle(waiter: _Waiter, decided: DecidedCommand) -> None:
    """Respond to a request from the inbox: with its own refusal, or with the acceptance of its command."""
    if decided.rejected:
        waiter.refuse(refused_body(decided.reply))
        return
    ours = decided.nonce == waiter.nonce
    if not ours and decided.fingerprint is not None and waiter.fingerprint is not None:
        mismatch = compare(orjson.loads(decided.fingerprint), waiter.fingerprint)
        if mismatch is not None:
            waiter.refuse(refused(mismatch))
            return
    waiter.accept(decided.reply, repeated=not ours)
