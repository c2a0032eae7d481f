"""The actor's loop: take, load, decide, commit, reply, publish; the caller acks when `finish` has returned.

    prepare(messages)  decode, load, fold, ONE transaction, reply to the callers     -> Prepared, or the process ends
    finish(prepared)   publish the events (acked by the broker)
    rescue(message)    publish what a command that must not be decided has led to already

A reply may leave once the commit stands: should the process die before the events are out, the command is read again,
found decided, and its events are published then.

Normally optimistic: states come from the cache, the inbox is read only for commands with an Idempotency-Key,
and a redelivered command shows as a conflict. Cautious (inbox first, no cache) after start, after a rebalance, and
while redeliveries keep coming. A command that the inbox may have forgotten, or a bank's report that the gateway has not
signed, is not decided at all; where the inbox does know it, its events are published like those of any redelivery.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import timedelta

import redis.asyncio as redis
from prometheus_client import Counter, Gauge, Histogram
from redis.exceptions import RedisError

from agents.payments.fold import Broken, Folded, Known, fold, repeat, reply_broken, reply_undecodable, stored_record
from agents.payments.intake import HOPS_MAX, Caller, Incoming, Received, caller_of, hops_of, received_of, sent_home
from domain.decision import BankWord
from domain.order import Order
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.logs import get_logger
from store.actor import ActorStore, ConflictError, UnwritableError
from store.errors import DatabaseError
from store.redis.replies import Flag, Reply, publish_replies
from topics.catalogue import EVENTS, PAYMENTS_DLQ, decidable_age_ms
from topics.codec import ORDER_MAKING
from topics.deadletter import (
    DEAD_COMMAND,
    REASON_EXPIRED,
    REASON_FORGED,
    REASON_INVARIANT,
    REASON_UNDECODABLE,
    REASON_UNKNOWN_ATTEMPT,
    REASON_UNWRITABLE,
    dead_letter,
)
from topics.envelope import NewerRecordError, UndecodableError
from topics.identity import event_identity
from topics.producer import LogProducer, Record
from topics.proof import HEADER_SIGNATURE, Proofs

log = get_logger("payment-actor")

CACHED_ORDERS_MAX = 20_000
PUBLISHED_ORDERS_MAX = 100_000
"""Two numbers an order, some 20 MB in all. More than a cautious time leaves in progress."""
CONFLICTS_MAX = 4
REPLY_TIMEOUT_SECONDS = 1

COMMANDS_DECIDED = Counter("gateway_commands_decided", "Commands decided", ["outcome"])
EVENTS_RECORDED = Counter("gateway_events_recorded", "Events committed")
BATCH_SIZE = Histogram(
    "gateway_actor_batch_commands", "Commands of a batch", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)
COMMIT_SECONDS = Histogram("gateway_actor_commit_seconds", "Time to load, decide and commit a batch")
PUBLISH_SECONDS = Histogram("gateway_actor_publish_seconds", "Time to publish a batch")
UNKNOWN_ATTEMPTS = Counter("gateway_unknown_attempts", "Settlements of attempts that do not exist")
FORGED = Counter("gateway_settlements_forged", "Settlements on the log that this gateway did not sign")
UNSIGNED = Counter("gateway_settlements_unsigned", "Settlements that counted without a signature")
CACHED_ORDERS = Gauge("gateway_actor_cached_orders", "Orders held in the cache")


class OtherOwnerError(RuntimeError):
    """The log and the database keep disagreeing: another process writes these orders. Only a restart can resolve
    this."""


@dataclass(slots=True)
class Prepared:
    """A committed batch whose events are still to be published."""

    records: list[Record]
    replies: dict[str, list[Reply]]
    replying: asyncio.Task[None]


class PaymentActor:
    """Owner of the orders of its partitions. Not concurrent with itself, except one `finish` beside one `prepare`."""

    def __init__(
        self,
        store: ActorStore,
        producer: LogProducer,
        replies: redis.Redis,
        *,
        proofs: Proofs,
        inbox_days: int,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._proofs = proofs
        self._store = store
        self._producer = producer
        self._replies = replies
        self._clock = clock
        self._cache: OrderedDict[str, Order] = OrderedDict()
        self._published: OrderedDict[str, int] = OrderedDict()
        """Order -> the sequence up to which its events are on the topic, or are about to be published. Caution does not
        clear it: otherwise each cautious batch would publish the whole order again."""
        self._cautious = True
        self._assignments = 0
        self._decidable_age = timedelta(milliseconds=decidable_age_ms(inbox_days))
        self._unfinished = 0
        self._progress_at = self._clock.monotonic()
        self.decided = 0
        self.partitions: int | None = None
        """Of the log, so that a command on another partition than its order's is noticed; None: none is."""

    def stuck(self, seconds: float) -> bool:
        """True if a batch is under way and has made no progress for that long. Safe from another thread."""
        return self._unfinished > 0 and self._clock.monotonic() - self._progress_at > seconds

    def forget(self) -> None:
        """Partitions were reassigned: cached states may be stale."""
        self._cache.clear()
        self._published.clear()
        self._cautious = True
        self._assignments += 1

    async def prepare(self, messages: Sequence[Incoming]) -> Prepared:
        """Decide and commit. Raises if the database stays unavailable or another owner is alive; nothing is acked
        then."""
        started = self._progress_at = self._clock.monotonic()
        self._unfinished += 1
        received, dead, callers = self._decoded(messages)
        received, barred = self._split_barred(received)
        received, strays = self._split_strays(received)
        folded = await self._remembered(barred)
        folded.add(await self._send_home(strays))
        if received:
            folded.add(await self._decide_and_commit(received))
        for caller in callers:
            reply_undecodable(folded, caller)
        for broken in folded.broken:
            reply_broken(folded, broken)
            dead.append(self._dead(broken.received.incoming, broken.reason, broken.error, broken.trace))
        self._measure(folded, len(messages), self._clock.monotonic() - started)
        replying = asyncio.create_task(self._reply(folded.replies, folded.wakes))
        return Prepared(await self._in_sequence(folded) + dead, folded.replies, replying)

    async def finish(self, prepared: Prepared) -> None:
        """Publish. Raises LogUnavailableError if the broker stays unavailable."""
        started = self._clock.monotonic()
        await self._producer.publish(prepared.records)
        await prepared.replying
        self._progress_at = self._clock.monotonic()
        self._unfinished -= 1
        PUBLISH_SECONDS.observe(self._progress_at - started)

    async def rescue(self, message: Incoming) -> bool:
        """True if the command was decided before; what it led to is on the topic then. It is not decided here.

        Raises what `prepare` and `finish` raise.
        """
        try:
            barred = Broken(received_of(message, self.partitions), REASON_EXPIRED, "workers died over it")
        except UndecodableError:
            return False
        folded = await self._remembered([barred])
        await self._producer.publish(await self._in_sequence(folded))
        return not folded.broken

    async def put_off(self, messages: Sequence[Incoming]) -> None:
        """Reply to the callers of commands that can be decided only after an upgrade of this actor."""
        replies: dict[str, list[Reply]] = {}
        for caller in filter(None, map(caller_of, messages)):
            reply = Reply(caller.command_id, caller.nonce, Flag.LATER, "")
            replies.setdefault(caller.reply_to, []).append(reply)
        await self._reply(replies, {})

    async def _reply(self, replies: dict[str, list[Reply]], wakes: dict[str, str]) -> None:
        if not (replies or wakes):
            return
        try:
            await publish_replies(self._replies, replies, wakes, timeout=REPLY_TIMEOUT_SECONDS)
        except (RedisError, OSError) as error:
            # Hints only: a waiting request finds the reply in the inbox, a live page polls every two seconds.
            log.warning("replies_not_sent", error=repr(error), workers=len(replies))

    def _split_barred(self, received: list[Received]) -> tuple[list[Received], list[Broken]]:
        """Commands to decide; bank's reports without a valid signature, and commands that the inbox may have
        forgotten."""
        oldest = self._clock.now() - self._decidable_age
        decidable, barred = [], []
        for one in received:
            if isinstance(one.command, BankWord) and (fault := self._fault_of(one)) is not None:
                barred.append(Broken(one, REASON_FORGED, f"not signed by this gateway: {fault}"))
            elif one.incoming.logged_at < oldest:
                why = f"older than {self._decidable_age.days} days: whether it was decided before is unknown"
                barred.append(Broken(one, REASON_EXPIRED, why))
            else:
                decidable.append(one)
        return decidable, barred

    def _fault_of(self, word: Received) -> str | None:
        record = word.incoming
        fault = self._proofs.fault_of(record.key, record.value, record.headers)
        if fault is None and not any(name == HEADER_SIGNATURE for name, _ in record.headers):
            UNSIGNED.inc()
        return fault

    async def _in_sequence(self, folded: Folded) -> list[Record]:
        """The records to publish. Where some may overtake earlier events of their order, those are published again.

        Only what this process has not published, so at most once in an assignment. Events that are published again can
        lead to another record of a decided command; if they were published each time, it would never end.
        """
        records = await self._with_earlier(folded) if folded.overtaking else folded.records
        self._note_published({order_id: order.version for order_id, order in folded.orders.items()})
        return records

    async def _with_earlier(self, folded: Folded) -> list[Record]:
        ranges: dict[str, tuple[int, int]] = {}
        others = []
        for record in folded.records:
            identity = event_identity(record.value) if record.topic == EVENTS else None
            if identity is None or identity[0] not in folded.overtaking:
                others.append(record)
            else:
                order_id, sequence = identity
                after, last = ranges.get(order_id, (self._published.get(order_id, 0), 0))
                ranges[order_id] = min(after, sequence - 1), max(last, sequence)
        stored = await self._store.load_events(ranges)
        self._note_published({order_id: last for order_id, (_, last) in ranges.items()})
        return others + [
            stored_record(folded.overtaking[order_id], payload)
            for order_id, payloads in stored.items()
            for payload in payloads
        ]

    def _note_published(self, last: Mapping[str, int]) -> None:
        """The events of these orders up to these sequences leave with this batch, or the process ends."""
        for order_id, sequence in last.items():
            self._published[order_id] = max(sequence, self._published.get(order_id, 0))
            self._published.move_to_end(order_id)
        while len(self._published) > PUBLISHED_ORDERS_MAX:
            self._published.popitem(last=False)

    async def _remembered(self, barred: Sequence[Broken]) -> Folded:
        """What commands that must not be decided have led to, as the inbox has it; the others are broken."""
        folded = Folded()
        known = await self._repeat_known(folded, [one.received for one in barred])
        folded.broken.extend(one for one, is_known in zip(barred, known, strict=True) if not is_known)
        return folded

    async def _repeat_known(self, folded: Folded, received: Sequence[Received]) -> list[bool]:
        """Reply from the inbox to commands that were decided before, as to any repetition; returns for each whether it
        was."""
        requests = [(one.envelope.id, one.envelope.nonce) for one in received]
        inbox = await self._store.load_inbox(requests)
        stored = [inbox.stored_for(*request) for request in requests]
        for one, found in zip(received, stored, strict=True):
            if found is not None:
                repeat(folded, one, found)
        return [found is not None for found in stored]

    def _split_strays(self, received: list[Received]) -> tuple[list[Received], list[Received]]:
        """Commands of orders that are ours, and those that stood here before the log grew or came late from a writer
        that had not noticed: their orders have another owner, who must not find us deciding beside it."""
        return [one for one in received if one.is_at_home], [one for one in received if not one.is_at_home]

    async def _send_home(self, strays: list[Received]) -> Folded:
        """Decided commands get their reply from the inbox; all others go, unchanged, to their order's partition.

        Only recent commands come here: the log gives the copy a new timestamp, and the inbox must remember the
        original.
        """
        folded = Folded()
        if not strays:
            return folded
        known = await self._repeat_known(folded, strays)
        for one in (one for one, is_known in zip(strays, known, strict=True) if not is_known):
            if hops_of(one.incoming) >= HOPS_MAX:
                raise OtherOwnerError(f"{one.envelope.id} was sent on {HOPS_MAX} times: how many partitions are there?")
            log.warning("command_forwarded", command_id=one.envelope.id, origin=str(one.incoming.origin))
            folded.records.append(sent_home(one))
        return folded

    async def _decide_and_commit(self, received: list[Received]) -> Folded:
        for _ in range(CONFLICTS_MAX):
            assignments = self._assignments
            try:
                folded = await self._fold(received)
                if folded.batch:
                    await self._store.write(folded.batch)
            except ConflictError as conflict:
                log.info("batch_conflicted", commands=len(received), error=str(conflict))
                self._cautious = True
                continue
            except UnwritableError as refused:
                log.error("batch_unwritable", commands=len(received), error=str(refused))
                return await self._one_by_one(received, REASON_UNWRITABLE, refused)
            except (DatabaseError, OSError):  # no command's fault
                raise
            except Exception as error:
                # An unforeseen error, so one of the commands causes it: the others must not wait for a fix.
                log.critical("batch_undecidable", commands=len(received), error=repr(error), exc_info=True)
                return await self._one_by_one(received, REASON_INVARIANT, error)
            _count(folded)
            if assignments == self._assignments:
                self._cautious = folded.repeated > 0
                self._remember(folded)
            return folded
        raise OtherOwnerError(f"{CONFLICTS_MAX} conflicts on one batch of {len(received)} commands")

    async def _one_by_one(self, received: list[Received], reason: str, error: Exception) -> Folded:
        """Each command in a transaction of its own; the one that cannot be decided or written is set aside."""
        self._cautious = True
        if len(received) == 1:
            trace = "".join(traceback.format_exception(error))
            return Folded(broken=[Broken(received[0], reason, repr(error), trace)])
        whole = Folded()
        for one in received:
            whole.add(await self._decide_and_commit([one]))
        return whole

    async def _fold(self, received: Sequence[Received]) -> Folded:
        """The batch decided on the states that it needs. Each round reads an order more, so the rounds have an end."""
        known = await self._load(received)
        folded = fold(received, known)
        while folded.unread:
            known = await self._read(known, folded.unread)
            folded = fold(received, known)
        return folded

    async def _load(self, received: Sequence[Received]) -> Known:
        """Inbox rows and states: all of them when cautious, else what the cache does not have.

        An order that a new command creates is not read: it does not exist, or the batch will conflict.
        """
        cautious = self._cautious
        if cautious:
            self._cache.clear()
        requests = [(one.envelope.id, one.envelope.nonce) for one in received if cautious or one.envelope.nonce]
        inbox = await self._store.load_inbox(requests)
        order_ids = {one.envelope.key for one in received}
        cached = {order_id: self._cache[order_id] for order_id in order_ids if order_id in self._cache}
        missing = order_ids - cached.keys()
        if not cautious:
            missing -= {
                one.envelope.key
                for one in received
                if one.envelope.type in ORDER_MAKING and inbox.stored_for(one.envelope.id, one.envelope.nonce) is None
            }
        return await self._read(Known(inbox, cached, frozenset(), cautious, self._published), missing)

    async def _read(self, known: Known, order_ids: AbstractSet[str]) -> Known:
        """What is known, with these orders as the database has them."""
        if not order_ids:
            return known
        found = await self._store.load_orders(sorted(order_ids))
        read = {order_id: found.get(order_id) for order_id in order_ids}
        return replace(known, orders={**known.orders, **read}, fresh=known.fresh | order_ids)

    def _remember(self, folded: Folded) -> None:
        for order_id, order in folded.orders.items():
            self._cache[order_id] = order
            self._cache.move_to_end(order_id)
        while len(self._cache) > CACHED_ORDERS_MAX:
            self._cache.popitem(last=False)

    def _measure(self, folded: Folded, messages: int, seconds: float) -> None:
        self.decided += messages
        COMMANDS_DECIDED.labels("dead").inc(len(folded.broken))
        for broken in folded.broken:
            if broken.reason == REASON_UNKNOWN_ATTEMPT:
                UNKNOWN_ATTEMPTS.inc()
                log.critical(
                    "attempt_unknown", command_id=broken.received.envelope.id, order_id=broken.received.envelope.key
                )
            elif broken.reason == REASON_FORGED:
                FORGED.inc()
                envelope = broken.received.envelope
                log.critical("settlement_forged", command_id=envelope.id, order_id=envelope.key, why=broken.error)
            else:
                log.error("command_set_aside", command_id=broken.received.envelope.id, reason=broken.reason)
        BATCH_SIZE.observe(messages)
        COMMIT_SECONDS.observe(seconds)
        CACHED_ORDERS.set(len(self._cache))

    def _decoded(self, messages: Sequence[Incoming]) -> tuple[list[Received], list[Record], list[Caller]]:
        """Commands; the dead letters of what cannot be decoded, and the caller that waits anyway."""
        received, dead, callers = [], [], []
        for incoming in messages:
            try:
                received.append(received_of(incoming, self.partitions))
            except NewerRecordError:
                raise  # this actor's reader stops before it (agents/payments/batches.py)
            except UndecodableError as error:
                log.error("command_undecodable", origin=str(incoming.origin), error=str(error))
                dead.append(self._dead(incoming, REASON_UNDECODABLE, str(error), traceback.format_exc()))
                if (caller := caller_of(incoming)) is not None:
                    callers.append(caller)
        return received, dead, callers

    def _dead(self, incoming: Incoming, reason: str, error: str, trace: str) -> Record:
        return dead_letter(
            to_topic=PAYMENTS_DLQ,
            kind=DEAD_COMMAND,
            key=incoming.key,
            value=incoming.value,
            headers=incoming.headers,
            origin=incoming.origin,
            reason=reason,
            error=error,
            trace=trace,
            at=self._clock.now(),
        )


def _count(folded: Folded) -> None:
    """Metrics of a committed batch."""
    rejected = sum(row.rejected for row in folded.batch.commands)
    COMMANDS_DECIDED.labels("accepted").inc(len(folded.batch.commands) - rejected)
    COMMANDS_DECIDED.labels("rejected").inc(rejected)
    COMMANDS_DECIDED.labels("repeated").inc(folded.repeated)
    COMMANDS_DECIDED.labels("outdated").inc(len(folded.outdated))
    for one in folded.outdated:
        # It has no effect, but a bank that contradicts itself needs attention: `gateway journey` shows it.
        log.warning("outdated_report_of_bank", command_id=one.envelope.id, order_id=one.envelope.key)
    EVENTS_RECORDED.inc(len(folded.batch.events))
