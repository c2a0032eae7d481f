"""Arbitrary records, fed to every consumer's reading step and to everything that the inspection shows of a record.

A record is bytes that a stranger chose, or one of ours with parts replaced, with arbitrary key and headers, nulls and
sizes among them. Whatever it is, a consumer reads it or writes a dead letter that can be read; the inspection shows it.

Twenty records a role here; `make faults` sets HOSTILE_RECORDS to 10,000.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.jobs.counters import type_if_new
from agents.jobs.seen import Seen
from agents.letters import letters_of
from agents.payments.fold import Known, fold
from agents.payments.intake import incoming_of, received_of
from agents.processor.processor import read_request
from agents.tracing.spans import Story
from agents.webhooks.forwarder import read_waiting
from agents.webhooks.planner import read_events
from ops.console.mask import masked
from ops.dead_letters import command as dlq
from ops.dead_letters.letters import Known as KnownLetters
from ops.dead_letters.letters import letter_of
from ops.dead_letters.replayer import refusal_of
from ops.log.formats import as_block, as_line, as_object
from ops.log.schemas import RECORD_KINDS, RecordKind, sample_of
from ops.log.selection import filters_of
from ops.webhooks.listen import Forwarder
from runtime.settings import Settings
from store.actor import Inbox
from topics.catalogue import COMMANDS, DELIVERIES, EVENTS, PAYMENTS_DLQ, WEBHOOKS_DLQ, retry_topic
from topics.deadletter import LETTER_BYTES_MAX, home_of
from topics.delivery import read_delivery
from topics.envelope import NewerRecordError, UndecodableError, decode, newer_version
from topics.records import LogRecord

RECORDS = int(os.environ.get("HOSTILE_RECORDS", "20"))
TOPICS = (COMMANDS, EVENTS, DELIVERIES, retry_topic(30), PAYMENTS_DLQ, WEBHOOKS_DLQ)
AT = datetime(2030, 1, 31, 12, tzinfo=UTC)
many = settings(
    max_examples=RECORDS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


@dataclass(frozen=True)
class Message:
    """As aiokafka and Faust give one."""

    topic: str
    partition: int
    offset: int
    timestamp: float
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(["", "\0", "\x1b[2J", "²", "9" * 5_000, "x" * 8_000, "a@b", "0001-01-01T00:00:00+14:00", "1e999"]),
)
numbers = st.one_of(
    st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([2**31, -1, 0])
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
)
nested = st.builds(
    lambda sign, levels: {"[": b"[" * levels + b"]" * levels, "{": b'{"a":' * levels + b"1" + b"}" * levels}[sign],
    st.sampled_from("[{"),
    st.sampled_from([10, 64, 65, 254, 255, 1_000, 1_025]),
)
large = st.sampled_from([b"\xff" * 900_000, b"\x01" * 600_000, b'"' * 500_000, b"{}" * 400_000])
headers = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(["type", "reply_to", "due_at", "replayed", "replay", "origin", ""]), texts),
        st.one_of(
            st.none(),
            st.binary(max_size=20),
            st.sampled_from([b"payment.success", b"payment.processing", b"\xff\xfe", b"9" * 5_000, b"5", b"\xc2\xb2"]),
        ),
    ),
    max_size=5,
).map(tuple)


@st.composite
def damaged(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """(key, value) of one of our records with some of its parts replaced or removed."""
    record = deepcopy(sample_of(draw(st.sampled_from([kind.type for kind in RECORD_KINDS]))))
    key = str(record["key"]).encode()
    for _ in range(draw(st.integers(0, 3))):
        place: Any = record
        while True:
            name = draw(st.sampled_from(sorted(place)))
            if not isinstance(place[name], dict) or not place[name] or draw(st.booleans()):
                break
            place = place[name]
        if draw(st.booleans()):
            del place[name]
        else:
            place[name] = draw(json_values)
        if not record or not place:
            break
    return key, orjson.dumps(record)


@st.composite
def messages(draw: st.DrawFn, topics: tuple[str, ...] = TOPICS) -> Message:
    key, value = draw(damaged())
    if draw(st.integers(0, 19)) == 19:
        value = draw(large)
    value = draw(
        st.one_of(
            st.just(value), st.just(value), st.just(value), st.none(), st.binary(max_size=50), nested,
            json_values.map(orjson.dumps),
        )
    )  # fmt: skip
    key = draw(st.one_of(st.just(key), st.just(key), st.none(), st.binary(max_size=20), st.just(b"\0" * 2_000)))
    made = draw(headers)
    if draw(st.booleans()):
        made = (("type", draw(st.sampled_from(KINDS)).encode()), *made)
    timestamp = draw(st.sampled_from([1_770_000_000_000, -1, 0, 2**62]))
    return Message(draw(st.sampled_from(topics)), 0, 7, timestamp, key, value, made)


KINDS = [kind.type for kind in RECORD_KINDS]


def must_be_buried(message: Message, error: Exception) -> None:
    """Every dead letter can be written, read, listed and sent again."""
    for letter in letters_of(message, error, at=AT):
        assert len(letter.value or b"") <= LETTER_BYTES_MAX
        read = letter_of(consumed(letter.topic, letter.key, letter.value), KnownLetters())
        assert read is not None
        assert decode(letter.value).type == (home_of(message.topic) or ("", ""))[1]
        if not read.cut:
            assert (read.key, read.value, read.headers) == (message.key, message.value, message.headers)
        refusal_of(read, force=False, since=AT)


def consumed(topic: str, key: bytes | None, value: bytes | None) -> LogRecord:
    return LogRecord.of(Message(topic, 0, 1, 0, key, value, ()))


def read_or_buried(read: Callable[[Message], object], message: Message) -> None:
    try:
        read(message)
    except NewerRecordError:
        assert newer_version(message.value) is not None  # whoever reads the topic stops before it
    except Exception as error:
        must_be_buried(message, error)


@many
@given(messages((COMMANDS,)))
def test_the_payment_actor(message: Message) -> None:
    incoming = incoming_of(replace(message, timestamp=message.timestamp / 1_000))
    try:
        requested = received_of(incoming)
    except NewerRecordError:
        assert newer_version(message.value) is not None
        return
    except UndecodableError as error:
        must_be_buried(message, error)
        return
    known = Known(Inbox({}, {}), {requested.envelope.key: None}, {requested.envelope.key})
    read_or_buried(lambda _: fold([requested], known), message)


@many
@given(messages((EVENTS,)))
def test_the_processor(message: Message) -> None:
    read_or_buried(read_request, message)


@many
@given(messages((EVENTS,)))
def test_the_planner(message: Message) -> None:
    if newer_version(message.value) is not None:
        return  # the consumer stops before it
    events, letters = read_events([message], AT)
    assert len(events) + len(letters) <= 1


@many
@given(messages((DELIVERIES,)))
def test_the_dispatcher(message: Message) -> None:
    read_or_buried(lambda one: read_delivery(one.value), message)


@many
@given(messages((retry_topic(30),)))
def test_the_forwarder(message: Message) -> None:
    read_or_buried(lambda one: read_waiting(one, now_ms=1_900_000_000_000), message)


@many
@given(messages((EVENTS, PAYMENTS_DLQ)))
def test_the_jobs_role(message: Message) -> None:
    read_or_buried(lambda one: type_if_new(one, Seen()), message)


@many
@given(messages((COMMANDS, EVENTS)))
def test_the_tracer(message: Message) -> None:
    def take(one: Message) -> None:
        envelope = decode(one.value)
        (Story().command if one.topic == COMMANDS else Story().event)(envelope, one.timestamp)

    read_or_buried(take, message)


@pytest.fixture
def in_test_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_MODE", "true")


@many
@given(message=messages())
def test_every_form_of_a_record_that_the_inspection_shows(message: Message) -> None:
    record = LogRecord.of(message)
    for unmask in (True, False):
        shown = as_object(record, unmask=unmask)
        assert orjson.loads(orjson.dumps(shown, default=str))["offset"] == 7
        for text in (as_line(record, unmask=unmask).plain, as_block(record, unmask=unmask).plain):
            assert "\x1b" not in text
    assert record.place and record.type is not None
    if record.json is not None:
        RecordKind.problems_of(record.json)
        masked(record.json)
    for filters in TYPES:
        filters.matches(record)


TYPES = (
    filters_of(where="amount > 5 and not (status = FAILED) or vpa ~ 'a'"),
    filters_of(types=["payment.*"], headers=["type=payment.success"], words=["order"]),
    filters_of(headers=["reply_to"], key="k"),
)


@many
@given(message=messages((PAYMENTS_DLQ, WEBHOOKS_DLQ)))
def test_everything_that_is_shown_of_a_letter(message: Message) -> None:
    letter = letter_of(LogRecord.of(message), KnownLetters())
    if letter is None:
        return
    orjson.dumps(dlq._summary(letter), default=str)
    record = dlq._readable(letter.value, unmask=False)
    orjson.dumps(record, default=str)
    dlq._shape_diff(letter.type, masked(record))
    refusal_of(letter, force=True, since=AT)


@many
@given(message=messages((EVENTS,)))
async def test_listening(in_test_mode: None, capsys: pytest.CaptureFixture[str], message: Message) -> None:
    event = LogRecord.of(message).envelope
    if event is None:
        return
    for as_json in (True, False):
        await Forwarder(Settings(), None, "whsec_", insecure=False, as_json=as_json).forward(event)
    capsys.readouterr()
