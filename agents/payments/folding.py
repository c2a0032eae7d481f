"""Deciding a batch: commands in offset order against the state they find. No I/O.

    fold(asked, orders, known) -> Folded(batch to write, records to publish, replies to send, broken commands)

A command id that is known decides nothing new: its stored events and reply are sent again. A command whose decision
breaks an assertion of ours is set aside; the rest is decided as if it had not been there.
"""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from agents.payments.intake import Asked
from domain.event import Event, OrderEvent, RefundEvent
from domain.idempotency import compare
from domain.order import Decision, Order, decide, evolve
from domain.payment import SettlePayment
from domain.refund import SettleRefund
from domain.rejection import ErrorCode, Rejected
from domain.resource import resource_of
from store.actor import Batch, CommandRow, EventRow, StoredCommand
from store.replies import Flag, Reply, merchant_channel, payment_channel
from topics.catalogue import EVENTS
from topics.codec import encode_event
from topics.envelope import HEADER_TYPE, encode_json
from topics.producer import Record

INTERNAL = Rejected(ErrorCode.INTERNAL, "The command could not be processed; it was set aside for an operator")


@dataclass(frozen=True, slots=True)
class Broken:
    """A command that cannot be decided or written, and why."""

    asked: Asked
    error: str
    trace: str


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
    repeated: int = 0


def fold(asked: Sequence[Asked], orders: Mapping[str, Order], known: Mapping[str, StoredCommand]) -> Folded:
    """Decide every command in turn. `orders` and `known` hold what the database had; neither is changed."""
    folded = Folded()
    states: dict[str, Order | None] = {}
    inbox: dict[str, StoredCommand] = dict(known)
    for one in asked:
        stored = inbox.get(one.envelope.id)
        if stored is not None and not _gives_way(stored, one):
            _repeat(folded, one, stored)
            continue
        order_id = one.envelope.key
        order = states[order_id] if order_id in states else orders.get(order_id)
        try:
            decided = decide(order, one.command, one.envelope.at)
        except AssertionError as error:
            folded.broken.append(Broken(one, repr(error), traceback.format_exc()))
            continue
        inbox[one.envelope.id] = _record(folded, one, order, decided, replaces=stored is not None)
        if isinstance(decided, Decision):
            states[order_id] = _apply(folded, order, decided.events)
    folded.orders = {order_id: order for order_id, order in states.items() if order is not None}
    return folded


def reply_broken(folded: Folded, broken: Broken) -> None:
    """The caller of a command that was set aside gets an error, not silence."""
    if broken.asked.reply_to is not None:
        reply = Reply(broken.asked.envelope.id, Flag.REJECTED, _refusal(INTERNAL))
        folded.replies[broken.asked.reply_to].append(reply)


def _gives_way(stored: StoredCommand, one: Asked) -> bool:
    """A refusal is no answer to keep: the same key in a new request decides afresh; a redelivered record does not."""
    return stored.rejected and stored.nonce != one.envelope.nonce


def _repeat(folded: Folded, one: Asked, stored: StoredCommand) -> None:
    folded.repeated += 1
    mismatch = _mismatch(stored, one)
    if mismatch is not None:
        _reply(folded, one, Flag.REJECTED, _refusal(mismatch))
        return
    if stored.nonce == one.envelope.nonce and stored.order_id == one.envelope.key:
        # A redelivered record: a crash may have come between commit and publish. A repeated request has another nonce.
        folded.records.extend(_stored_record(one, payload) for payload in stored.events)
    if stored.rejected:
        _reply(folded, one, Flag.REJECTED, stored.reply)
    else:
        _reply(folded, one, Flag.ACCEPTED if stored.nonce == one.envelope.nonce else Flag.REPEATED, stored.reply)


def _mismatch(stored: StoredCommand, one: Asked) -> Rejected | None:
    if stored.fingerprint is None or one.envelope.fingerprint is None:
        return None
    return compare(orjson.loads(stored.fingerprint), one.envelope.fingerprint)


def _record(
    folded: Folded, one: Asked, order: Order | None, decided: Decision | Rejected, *, replaces: bool
) -> StoredCommand:
    """Add the inbox row, the events and the reply of a new decision."""
    envelope = one.envelope
    events = decided.events if isinstance(decided, Decision) else ()
    payloads = tuple(encode_event(event, caused_by=envelope.id, request_id=envelope.request_id) for event in events)
    rejected = isinstance(decided, Rejected)
    reply = _refusal(decided) if isinstance(decided, Rejected) else _answer(one, decided)
    fingerprint = encode_json(envelope.fingerprint).decode() if envelope.fingerprint is not None else None
    if replaces:
        folded.batch.commands = [row for row in folded.batch.commands if row.id != envelope.id]
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
            replaces=replaces,
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
    )


def _stored_record(one: Asked, payload: str) -> Record:
    event_type = orjson.loads(payload)["type"]
    return _event_record(one, payload.encode(), event_type)


def _event_record(one: Asked, payload: bytes, event_type: str) -> Record:
    """An event stands on the partition of its command: both have the order as their key."""
    headers = [(HEADER_TYPE, event_type.encode())]
    return Record(EVENTS, one.incoming.origin.partition, one.envelope.key.encode(), payload, headers)


def _answer(one: Asked, decided: Decision) -> str:
    """The resource as JSON; nobody reads the answer to a settlement."""
    if isinstance(one.command, SettlePayment | SettleRefund):
        return ""
    return encode_json(resource_of(decided.subject)).decode()


def _refusal(rejected: Rejected) -> str:
    return encode_json({"code": rejected.code, "description": rejected.description, "field": rejected.field}).decode()


def _reply(folded: Folded, one: Asked, flag: Flag, body: str) -> None:
    if one.reply_to is not None:
        folded.replies[one.reply_to].append(Reply(one.envelope.id, flag, body))


def _event_row(event: Event, payload: bytes) -> EventRow:
    subject = event.order if isinstance(event, OrderEvent) else event.payment
    order_id = event.order.id if isinstance(event, OrderEvent) else event.payment.order_id
    return EventRow(order_id, event.sequence, subject.merchant_id, event.type, event.at, payload.decode())


def _apply(folded: Folded, order: Order | None, events: Sequence[Event]) -> Order | None:
    """The order after its events; the rows they changed go into the batch, who watches them is woken."""
    for event in events:
        before, order = order, evolve(order, event)
        if not isinstance(event, OrderEvent):
            folded.batch.payments[event.payment.id] = event.payment
            folded.wakes[payment_channel(event.payment.id)] = event.type
            folded.wakes[merchant_channel(event.payment.merchant_id)] = event.type
        if isinstance(event, RefundEvent):
            folded.batch.refunds[event.refund.id] = event.refund
        if before is None or before.status is not order.status:
            folded.batch.orders[order.id] = order
    return order
