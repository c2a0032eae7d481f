"""Repairs of the inbox: replies from the events, everything else from the records of the commands topic.

reply         the resource as in the events
fingerprint   as the record has it
clock         dated as its record
undecided     its acceptance lost its nonce    the record's nonce
              its events exist                 the row that they prove
              it settles                       once more on the topic, to be decided now
              it cannot be read                its dead letter
              it was promised                  with --force once more on the topic
              otherwise                        a refusal: the client may have received one, and a refusal has
                                               no effect, ever
promise       its command is not read yet      once more on the topic
              the actors have passed it        with --force once more on the topic
              it is not on the topic           with --force a refusal: the request is not stored anywhere else

What was promised and passed by the actors may have been refused, with its row lost since and its client notified.
Deciding it now could carry out what was refused, so an operator must confirm it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import orjson
from aiokafka import TopicPartition

from domain.rejection import ErrorCode
from ops.audit.repair.steps import Planned, Refusal, Step
from ops.audit.verify.commands import committed_offsets
from ops.audit.verify.findings import DATABASE_CLOCK, Finding
from ops.audit.verify.replies import reply_of
from runtime.clock import now
from runtime.settings import Settings
from store.operations.repair import NewCommand, Promise, Repairs
from topics.catalogue import COMMANDS
from topics.codec import ORDER_CREATE, PAYMENT_CREATE, PAYMENT_SETTLE, REFUND_CREATE, REFUND_SETTLE
from topics.deadletter import REASON_UNDECODABLE, letter_about
from topics.envelope import HEADER_REPLY_TO, Envelope, UndecodableError, decode
from topics.producer import LogProducer, Record
from topics.reader import Start, log_reader
from topics.records import LogRecord, instant_of

EARLIER = timedelta(minutes=5)
"""A command is on the topic before its promise is written; the log's clock is not the database's."""
SETTLEMENTS = (PAYMENT_SETTLE, REFUND_SETTLE)
CREATIONS = {"order": ORDER_CREATE, "pay": PAYMENT_CREATE, "rfnd": REFUND_CREATE}
"""Prefix of a promised resource's id -> the command that makes it."""
NEVER_DECIDED = orjson.dumps(
    {
        "code": ErrorCode.INTERNAL,
        "description": "The request was never decided; an operator recorded it as refused",
        "field": None,
    }
).decode()
WAITING = "the actors have not read it yet: `gateway restart payments`"


class InboxRepairs:
    """Plans for differences of the inbox."""

    def __init__(self, settings: Settings, rows: Repairs, producer: LogProducer, *, force: bool) -> None:
        self._settings = settings
        self._rows = rows
        self._producer = producer
        self._force = force

    async def reply(self, finding: Finding) -> Planned:
        """`finding.subject`: a command's id."""
        row = await self._rows.accepted(finding.subject)
        if row is None:
            return Refusal(finding.subject, "it is no longer in the inbox")
        events = [orjson.loads(payload) for payload in await self._rows.history(row.order_id)]
        found = reply_of(row.type, row.first_sequence, row.event_count, events)
        if found is None:
            return Refusal(finding.subject, "its events leave more than one possible reply")
        reply = found.decode()
        return Step(
            finding.subject,
            f"gets the reply that the events of {row.order_id} give",
            lambda: self._rows.set_reply(row.id, before=row.reply, after=reply),
        )

    async def fingerprint(self, finding: Finding) -> Planned:
        """`finding.subject`: a record's place."""
        record = await self._record(finding.subject)
        if record is None or record.envelope is None:
            return Refusal(finding.subject, "the log no longer has the record")
        envelope = record.envelope
        fingerprint = None if envelope.fingerprint is None else orjson.dumps(dict(envelope.fingerprint)).decode()
        return Step(
            finding.subject,
            f"gives command {envelope.id} its fingerprint back",
            lambda: self._rows.set_fingerprint(envelope.id, envelope.nonce, fingerprint),
        )

    async def clock(self, finding: Finding) -> Planned:
        """`finding.subject`: a record's position, or the clock itself."""
        if finding.subject == DATABASE_CLOCK:
            return Refusal(finding.subject, "set the host's clock right, and see that something keeps it right")
        record = await self._record(finding.subject)
        if record is None or record.envelope is None:
            return Refusal(finding.subject, "the log no longer has the record")
        envelope, at = record.envelope, instant_of(record.at_ms)
        return Step(
            finding.subject,
            f"dates the row of {envelope.id} as its record: {at.isoformat()}",
            lambda: self._rows.set_decided_at(envelope.id, envelope.nonce, at),
        )

    async def undecided(self, finding: Finding) -> Planned:
        """`finding.subject`: a record's place."""
        if "has waited" in finding.message:
            return Refusal(finding.subject, WAITING)
        record = await self._record(finding.subject)
        if record is None:
            return Refusal(finding.subject, "the log no longer has the record")
        try:
            envelope = decode(record.value)
        except UndecodableError as error:
            return self._bury(finding.subject, record, str(error))
        accepted = await self._rows.accepted(envelope.id)
        if accepted is not None and envelope.nonce and not accepted.nonce:
            return Step(
                finding.subject,
                f"gives the acceptance of {envelope.id} its nonce back",
                lambda: self._rows.set_nonce(envelope.id, envelope.nonce),
            )
        proved = await self._proved(envelope)
        if proved is not None:
            return Step(
                finding.subject,
                f"restores the inbox row of {envelope.id} from its {proved.event_count} events",
                lambda: self._rows.insert_command(proved),
            )
        if envelope.type in SETTLEMENTS:
            return self._send_again(finding.subject, record, envelope)
        if await self._rows.is_promised(envelope.id, envelope.nonce):
            return self._send_again(finding.subject, record, envelope) if self._force else _unsure(finding.subject)
        refused = _refused(envelope)
        return Step(
            finding.subject,
            f"records {envelope.type} {envelope.id} as refused, so that no redelivery can carry it out",
            lambda: self._rows.insert_command(refused),
        )

    async def promise(self, finding: Finding) -> Planned:
        """`finding.subject`: the id of the resource that was promised."""
        for promise in await self._rows.promises_of(finding.subject):
            record = await self._find(promise.command_id, promise.nonce, promise.order_id, promise.promised_at)
            if record is not None and record.envelope is not None:
                sure = record.offset >= (await committed_offsets(self._settings)).get(record.partition, 0)
                if sure or self._force:
                    return self._send_again(finding.subject, record, record.envelope)
                return _unsure(finding.subject)
            if self._force:
                return self._refuse(finding.subject, promise)
        return Refusal(
            finding.subject,
            "the log no longer has its command, and nothing else says what was asked; --force records it as refused",
        )

    def _refuse(self, subject: str, promise: Promise) -> Step:
        """Ends a promise that cannot be kept. If its record still turns up, this refusal applies to it."""
        kind = CREATIONS.get(promise.resource_id.split("_")[0], PAYMENT_CREATE)
        row = NewCommand(promise.command_id, promise.order_id, kind, promise.nonce, None, True, NEVER_DECIDED, 1, 0)
        return Step(
            subject,
            f"records {promise.command_id} as refused: its command is not on the log",
            lambda: self._rows.insert_command(row),
        )

    def _send_again(self, subject: str, record: LogRecord, envelope: Envelope) -> Step:
        """The same record, without a waiting request."""
        headers = [(name, content) for name, content in record.headers if name != HEADER_REPLY_TO]
        again = Record(COMMANDS, record.partition, record.key, record.value, headers)

        async def send() -> bool:
            await self._producer.publish([again])
            return True

        return Step(subject, f"puts {envelope.type} {envelope.id} on the topic once more, to be decided now", send)

    def _bury(self, subject: str, record: LogRecord, error: str) -> Planned:
        letter = letter_about(record, reason=REASON_UNDECODABLE, error=error, at=now())
        assert letter is not None, "a record of the commands topic has a dead-letter topic"

        async def send() -> bool:
            await self._producer.publish([letter])
            return True

        return Step(subject, "writes the dead letter of a record that cannot be read", send)

    async def _proved(self, envelope: Envelope) -> NewCommand | None:
        """The acceptance that events caused by this command prove; None if it caused none."""
        events = [orjson.loads(payload) for payload in await self._rows.history(envelope.key)]
        caused = [number for number, event in enumerate(events, 1) if event["caused_by"] == envelope.id]
        if not caused:
            return None
        reply = reply_of(envelope.type, caused[0], len(caused), events)
        return None if reply is None else _row(envelope, reply.decode(), caused[0], len(caused), rejected=False)

    async def _record(self, place: str) -> LogRecord | None:
        topic, partition, offset = place.split("/")
        async with log_reader(self._settings) as reader:
            where = TopicPartition(topic, int(partition))
            first, end = (await reader.spans([where], Start()))[where]
            if not first <= int(offset) < end:
                return None
            found = (await reader.first_at({where: int(offset)})).get(where)
            return found if found is not None and found.offset == int(offset) else None

    async def _find(self, command_id: str, nonce: str, order_id: str, at: Any) -> LogRecord | None:
        """The record of a request, searched from shortly before its promise."""
        async with log_reader(self._settings) as reader:
            partitions = await reader.partitions([COMMANDS])
            spans = await reader.spans(partitions, Start(since=at - EARLIER))
            async for record in reader.merged(spans):
                envelope = record.envelope if record.key == order_id.encode() else None
                if envelope is not None and (envelope.id, envelope.nonce) == (command_id, nonce):
                    return record
        return None


def _unsure(subject: str) -> Refusal:
    return Refusal(subject, "it was promised, and may have been refused since; --force decides it now")


def _refused(envelope: Envelope) -> NewCommand:
    return _row(envelope, NEVER_DECIDED, 1, 0, rejected=True)


def _row(envelope: Envelope, reply: str, first: int, count: int, *, rejected: bool) -> NewCommand:
    fingerprint: Sequence[Any] | bytes | None = None
    if envelope.fingerprint is not None:
        fingerprint = orjson.dumps(dict(envelope.fingerprint))
    return NewCommand(
        id=envelope.id,
        order_id=envelope.key,
        type=envelope.type,
        nonce=envelope.nonce,
        fingerprint=fingerprint.decode() if isinstance(fingerprint, bytes) else None,
        rejected=rejected,
        reply=reply,
        first_sequence=first,
        event_count=count,
    )
