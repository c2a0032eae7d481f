"""Deciding a batch: commands in offset order against the state they find. No I/O.

    fold(asked, known) -> Folded(batch to write, records to publish, replies to send, broken commands, unread orders)

    its request was refused before ─► the same refusal: a refusal has no effect, ever
    its command was accepted before ─► the stored reply again, and the stored events if they may not be on the topic
    otherwise ─► domain.decide; the bank's report about an unknown attempt raises an alarm, and is never refused

Only the creation of an order is decided on an order that was not read: should the order exist, its identity is taken
and the batch is not written. Any other command of such an order is left, and the order named in `unread`.
"""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import timedelta

import orjson

from agents.payments.intake import Caller, Received
from domain.decision import BankWord, Decision
from domain.event import Event, OrderEvent, RefundEvent
from domain.idempotency import compare
from domain.machine import decide, evolve
from domain.order import Order
from domain.rejection import ErrorCode, Rejected
from domain.resource import resource_of
from store.actor import Batch, CommandRow, EventRow, Inbox, StoredCommand
from store.redis.replies import Flag, Reply, merchant_channel, payment_channel
from topics.catalogue import EVENTS
from topics.codec import encode_event
from topics.deadletter import REASON_INVARIANT, REASON_UNKNOWN_ATTEMPT
from topics.envelope import HEADER_TYPE, encode_json
from topics.producer import Record

INTERNAL = Rejected(ErrorCode.INTERNAL, "The command could not be processed; it was set aside for an operator")
UNREADABLE = Rejected(ErrorCode.INTERNAL, "The command could not be read; it was set aside for an operator")


KEEP_AFTER = timedelta(hours=1)
"""Age of an acceptance from which a request that it answers renews it. Well below the inbox's reserve of a day, so that
the acceptance outlives the request on the log; long enough that repeats within the hour write nothing."""
CLOCKS_DIFFER_MAX = timedelta(minutes=1)
"""Between the broker, which dates a record, and the database, which dates a decision."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a batch is decided on.

    `orders`: None if the database has no such order; an id that is missing was not read.
    `fresh`: ids of those that were read for this very batch, not taken from the cache.
    `cautious`: another owner, or a former process, may have decided some of these commands.
    `published`: order -> the sequence up to which this process has published its events; an order that is missing has
    not been decided by it, or too long ago.
    """

    inbox: Inbox
    orders: Mapping[str, Order | None]
    fresh: AbstractSet[str]
    cautious: bool = False
    published: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Broken:
    """A command that is set aside, and why (a reason of topics.deadletter)."""

    received: Received
    reason: str
    error: str
    trace: str = ""


@dataclass(slots=True)
class Folded:
    """What a batch leads to."""

    batch: Batch = field(default_factory=Batch)
    records: list[Record] = field(default_factory=list)
    replies: dict[str, list[Reply]] = field(default_factory=lambda: defaultdict(list))
    wakes: dict[str, str] = field(default_factory=dict)
    """Live channel -> type of the last event it is about."""
    broken: list[Broken] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    """State after the batch of every order that it touched."""
    outdated: list[Received] = field(default_factory=list)
    """Older reports of the bank that contradict its last one."""
    repeated: int = 0
    overtaking: dict[str, Received] = field(default_factory=dict)
    """Order -> one of its commands, where its records may overtake earlier events that are not on the topic yet."""
    unread: set[str] = field(default_factory=set)
    """Orders that must be read before this batch can be decided."""

    def add(self, other: Folded) -> None:
        """Take over the effects that another batch, already written, has outside the database."""
        self.records.extend(other.records)
        self.orders |= other.orders
        self.repeated += other.repeated
        self.broken.extend(other.broken)
        self.wakes |= other.wakes
        self.overtaking |= other.overtaking
        for worker, replies in other.replies.items():
            self.replies[worker].extend(replies)


def fold(received: Sequence[Received], known: Known) -> Folded:
    """Decide every command in turn. `known` is not changed."""
    folded = Folded()
    states: dict[str, Order] = {}
    inbox = Inbox(dict(known.inbox.accepted), dict(known.inbox.refused))
    for one in received:
        stored = inbox.stored_for(one.envelope.id, one.envelope.nonce)
        if stored is not None:
            repeat(folded, one, stored)
            continue
        order_id = one.envelope.key
        order = states.get(order_id) or known.orders.get(order_id)
        decided = _decided(one, order)
        if isinstance(decided, Broken) and order_id not in known.fresh:
            folded.unread.add(order_id)
        elif isinstance(decided, Broken):
            folded.broken.append(decided)
        elif order is None and isinstance(decided, Rejected) and order_id not in known.orders:
            folded.unread.add(order_id)
        else:
            inbox.add(_record(folded, one, order, decided))
            if isinstance(decided, Decision):
                if decided.outdated:
                    folded.outdated.append(one)
                if decided.events and _may_overtake(order_id, known):
                    folded.overtaking[order_id] = one
                states[order_id] = _apply(folded, order, decided.events)
    folded.orders = states
    return folded


def _may_overtake(order_id: str, known: Known) -> bool:
    """Whether the order, as it was read, may have earlier events that are not published yet.

    A settlement of an unknown attempt is not remembered. A former process may have met it, created the attempt from a
    later command, and not published that command's events. Another owner may have decided it, although this one has
    passed it, and died before it published. So an order that has moved without this process needs its events first;
    and so does one that this process meets for the first time, while commands are read again.
    """
    order = known.orders.get(order_id)
    if order is None or order_id not in known.fresh:
        return False
    published = known.published.get(order_id)
    return known.cautious if published is None else published < order.version


def _decided(one: Received, order: Order | None) -> Decision | Rejected | Broken:
    try:
        decided = decide(order, one.command, one.envelope.at)
    except AssertionError as error:
        return Broken(one, REASON_INVARIANT, repr(error), traceback.format_exc())
    if isinstance(decided, Rejected) and isinstance(one.command, BankWord):
        return Broken(one, REASON_UNKNOWN_ATTEMPT, decided.description)
    return decided


def reply_broken(folded: Folded, broken: Broken) -> None:
    """The caller of a command that was set aside gets an error, not silence."""
    _reply(folded, broken.received, Flag.REJECTED, _refusal(INTERNAL))


def reply_undecodable(folded: Folded, caller: Caller) -> None:
    """The same for a command that could not be read."""
    folded.replies[caller.reply_to].append(Reply(caller.command_id, caller.nonce, Flag.REJECTED, _refusal(UNREADABLE)))


def repeat(folded: Folded, one: Received, stored: StoredCommand) -> None:
    """Reply from the inbox."""
    folded.repeated += 1
    if stored.rejected:
        _reply(folded, one, Flag.REJECTED, stored.reply)
        return
    if stored.nonce == one.envelope.nonce:
        if stored.order_id == one.envelope.key and stored.events:
            _publish_again(folded, one, stored)
        _reply(folded, one, Flag.ACCEPTED, stored.reply)
        return
    if stored.decided_at is not None and one.incoming.logged_at - stored.decided_at > KEEP_AFTER:
        folded.batch.kept.add(stored.id)
    mismatch = _mismatch(stored, one)
    if mismatch is None:
        _reply(folded, one, Flag.REPEATED, stored.reply)
    else:
        _reply(folded, one, Flag.REJECTED, _refusal(mismatch))


def _publish_again(folded: Folded, one: Received, stored: StoredCommand) -> None:
    """A crash may have come between commit and publish. (docs/decisions/0052)

    the record that was decided      ─► its events, behind all earlier ones of the order
    a later one on its partition     ─► its events: whatever stands between has been published
    an earlier one, or one elsewhere ─► nothing: they would come before those of the commands in between
    """
    if _is_decided_record(one, stored):
        folded.overtaking[stored.order_id] = one
    elif not _is_behind_decided(one, stored):
        return
    folded.records.extend(stored_record(one, payload) for payload in stored.events)


def _is_decided_record(one: Received, stored: StoredCommand) -> bool:
    """Whether this is the record that was decided; where the inbox does not know which was, any record may be."""
    origin = one.incoming.origin
    if stored.log_offset is None or stored.log_partition is None:
        return True
    return (origin.partition, origin.offset) == (stored.log_partition, stored.log_offset)


def _is_behind_decided(one: Received, stored: StoredCommand) -> bool:
    """Whether this record was written after the one that was decided. By its offset; or by its time, if the log has
    lost its end, or was made again, and its offsets have started lower."""
    origin = one.incoming.origin
    if origin.partition != stored.log_partition or stored.log_offset is None:
        return False
    is_younger = stored.decided_at is not None and one.incoming.logged_at > stored.decided_at + CLOCKS_DIFFER_MAX
    return origin.offset > stored.log_offset or is_younger


def _mismatch(stored: StoredCommand, one: Received) -> Rejected | None:
    if stored.fingerprint is None or one.envelope.fingerprint is None:
        return None
    return compare(orjson.loads(stored.fingerprint), one.envelope.fingerprint)


def _record(folded: Folded, one: Received, order: Order | None, decided: Decision | Rejected) -> StoredCommand:
    """Add the inbox row, the events and the reply of a new decision."""
    envelope = one.envelope
    events = decided.events if isinstance(decided, Decision) else ()
    payloads = tuple(encode_event(event, caused_by=envelope.id, request_id=envelope.request_id) for event in events)
    rejected = isinstance(decided, Rejected)
    reply = _refusal(decided) if isinstance(decided, Rejected) else _reply_body(one, decided)
    fingerprint = encode_json(envelope.fingerprint).decode() if envelope.fingerprint is not None else None
    folded.batch.commands.append(
        CommandRow(
            id=envelope.id,
            order_id=envelope.key,
            type=envelope.type,
            nonce=envelope.nonce,
            fingerprint=fingerprint,
            rejected=rejected,
            reply=reply,
            first_sequence=(order.version if order is not None else 0) + 1,
            event_count=len(events),
            log_partition=one.incoming.origin.partition,
            log_offset=one.incoming.origin.offset,
        )
    )
    for event, payload in zip(events, payloads, strict=True):
        folded.batch.events.append(_event_row(event, payload))
        folded.records.append(_event_record(one, payload, event.type))
    _reply(folded, one, Flag.REJECTED if rejected else Flag.ACCEPTED, reply)
    return StoredCommand(
        id=envelope.id,
        order_id=envelope.key,
        nonce=envelope.nonce,
        fingerprint=fingerprint,
        rejected=rejected,
        reply=reply,
        events=tuple(payload.decode() for payload in payloads),
        log_partition=one.incoming.origin.partition,
        log_offset=one.incoming.origin.offset,
        decided_at=None,
    )


def stored_record(one: Received, payload: str) -> Record:
    """The record of an event of this command's order, as it was (or should have been) published."""
    event_type = orjson.loads(payload)["type"]
    return _event_record(one, payload.encode(), event_type)


def _event_record(one: Received, payload: bytes, event_type: str) -> Record:
    """On the order's own partition, even if its command is on the one that the order had before the log grew: on
    that one, a repeated event would come before those that its order has on its own."""
    headers = [(HEADER_TYPE, event_type.encode())]
    return Record(EVENTS, one.home, one.envelope.key.encode(), payload, headers)


def _reply_body(one: Received, decided: Decision) -> str:
    """The resource as JSON; no caller reads the reply to a bank's report."""
    if isinstance(one.command, BankWord):
        return ""
    return encode_json(resource_of(decided.subject)).decode()


def _refusal(rejected: Rejected) -> str:
    return encode_json({"code": rejected.code, "description": rejected.description, "field": rejected.field}).decode()


def _reply(folded: Folded, one: Received, flag: Flag, body: str) -> None:
    if one.reply_to is not None:
        folded.replies[one.reply_to].append(Reply(one.envelope.id, one.envelope.nonce, flag, body))


def _event_row(event: Event, payload: bytes) -> EventRow:
    subject = event.order if isinstance(event, OrderEvent) else event.payment
    order_id = event.order.id if isinstance(event, OrderEvent) else event.payment.order_id
    return EventRow(order_id, event.sequence, subject.merchant_id, event.type, event.at, payload.decode())


def _apply(folded: Folded, order: Order | None, events: Sequence[Event]) -> Order:
    """The order after its events; the rows that they changed go into the batch, and subscribers to them are woken."""
    for event in events:
        before, order = order, evolve(order, event)
        if not isinstance(event, OrderEvent):
            folded.batch.payments[event.payment.id] = event.payment
            folded.wakes[payment_channel(event.payment.id)] = event.type
            folded.wakes[merchant_channel(event.payment.merchant_id)] = event.type
        if isinstance(event, RefundEvent):
            folded.batch.refunds[event.refund.id] = event.refund
        if before is None or before.status is not order.status or isinstance(event, OrderEvent):
            folded.batch.orders[order.id] = order
    assert order is not None, "only the creation of an order is accepted without one"
    return order
