"""One hostile record of each kind, where it is read: an UndecodableError or a dead letter, never another exception."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from agents.jobs.counters import type_if_new
from agents.jobs.seen import Seen
from agents.letters import has_type, letters_of
from agents.payments.intake import Caller, Incoming, caller_of, received_of
from agents.processor.processor import read_request
from agents.webhooks.forwarder import read_waiting
from agents.webhooks.planner import read_events
from ops.log.schemas import RecordKind, sample_of
from runtime.clock import now
from store.redis.replies import Flag, Reply, decode_replies, encode_replies
from topics.catalogue import COMMANDS, DELIVERIES, EVENTS, PAYMENTS_DLQ
from topics.deadletter import LETTER_BYTES_MAX, Origin, dead_letter, hash_of
from topics.delivery import read_delivery
from topics.envelope import UndecodableError, decode
from topics.producer import Headers

AT = datetime(2030, 1, 31, 12, tzinfo=UTC)
NOW_MS = int(AT.timestamp() * 1_000)


@dataclass(frozen=True)
class Message:
    """As aiokafka gives one."""

    topic: str
    value: bytes | None
    key: bytes | None = b"order_0Ab3xZQwErTyUiOp"
    headers: Headers = ()
    partition: int = 0
    offset: int = 7
    timestamp: int = NOW_MS


def changed(record_type: str, **fields: object) -> bytes:
    """The golden sample with other fields; a name with two underscores is one of the body."""
    sample = sample_of(record_type)
    for name, value in fields.items():
        place = sample
        *way, last = name.split("__")
        for step in way:
            place = place[step]
        place[last] = value
    return orjson.dumps(sample)


def incoming(value: bytes, headers: Headers = ()) -> Incoming:
    key = orjson.loads(value)["key"]
    return Incoming(key.encode() if isinstance(key, str) else b"", value, headers, Origin(COMMANDS, 0, 1), now())


@pytest.mark.parametrize(
    "headers", [[("reply_to", None)], [("reply_to", b"\xff\xfe")], [("reply_to", b"a" * 5_000)], [("reply_to", b"\0")]]
)
def test_a_reply_header_that_is_not_text_makes_a_command_undecodable(headers: Headers) -> None:
    good = changed("order.create")
    assert received_of(incoming(good)).reply_to is None
    with pytest.raises(UndecodableError, match="reply_to"):
        received_of(incoming(good, headers))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"fingerprint": ["amount"]}, "fingerprint must be an object"),
        ({"fingerprint": {"amount": 1}}, r"fingerprint\.amount must be a string"),
        ({"fingerprint": {str(n): "x" for n in range(65)}}, "fingerprint has 65 fields"),
        ({"id": "x" * 8_000}, "id has 8000 characters"),
        ({"request_id": "x" * 8_000}, "request_id has 8000 characters"),
        ({"request_id": 5}, "request_id must be a string"),
        ({"caused_by": {}}, "caused_by must be a string"),
        ({"nonce": 5}, "nonce must be a string"),
        ({"id": "a\0b"}, "id contains NUL"),
        ({"body__merchant_id": "x" * 8_000}, "merchant_id has 8000 characters"),
        ({"body__notes": {"a": {"b": 1}}}, r"notes\.a must be a string"),
        ({"body__notes": {str(n): "x" for n in range(65)}}, "notes has 65 entries"),
    ],
)
def test_a_field_of_another_type_or_size_makes_a_command_undecodable(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UndecodableError, match=message):
        received_of(incoming(changed("order.create", **fields)))


def test_what_is_nested_too_deeply_to_be_written_again_is_not_read() -> None:
    for levels in (65, 255, 1_000, 100_000):
        nested = b'{"a":' * levels + b"1" + b"}" * levels
        with pytest.raises(UndecodableError):
            decode(nested)
    assert decode(changed("order.create", body__more=[[[]]] * 200)).type == "order.create"


@pytest.mark.parametrize(
    "fields",
    [
        {"body__log_id": 5},
        {"body__log_id": "x"},
        {"body__endpoint_id": ["whe"]},
        {"body__order_id": None},
        {"body__attempt": 0},
        {"body__attempt": True},
        {"body__attempt": 2**40},
    ],
)
def test_a_delivery_of_another_shape_is_undecodable(fields: dict[str, Any]) -> None:
    with pytest.raises(UndecodableError):
        read_delivery(changed("delivery.attempt", **fields))


@pytest.mark.parametrize("due_at", [None, b"", b"-1", b"soon", b"\xb2", b"9" * 15, b"9" * 5_000])
def test_a_retry_without_a_plausible_due_time_is_undecodable(due_at: bytes | None) -> None:
    with pytest.raises(UndecodableError, match="due_at"):
        read_waiting(Message(DELIVERIES, changed("delivery.attempt"), headers=[("due_at", due_at)]), now_ms=NOW_MS)


HOSTILE_EVENTS: list[dict[str, Any]] = [
    {"body": {}},
    {"body__sequence": "4"},
    {"body__sequence": 2**40},
    {"body__order_id": []},
    {"body__payment": []},
    {"body__payment": {"id": {}}},
]


@pytest.mark.parametrize("fields", HOSTILE_EVENTS)
@pytest.mark.parametrize("reader", [read_request, lambda message: must_read(message)], ids=["processor", "planner"])
def test_an_event_of_another_shape_is_the_records_fault(reader: Callable[[Any], Any], fields: dict[str, Any]) -> None:
    for record_type in ("payment.processing", "payment.success"):
        message = Message(EVENTS, changed(record_type, **fields), headers=[("type", record_type.encode())])
        if reader is read_request:
            with pytest.raises((UndecodableError, KeyError, TypeError)):
                reader(message)
        elif record_type == "payment.success":
            (letter,) = reader(message)
            assert orjson.loads(letter.value)["type"] == "dead.event"


def must_read(message: Message) -> list[Any]:
    events, letters = read_events([message], AT)
    assert events == []
    return letters


def test_an_event_without_a_subscriber_is_not_read() -> None:
    for headers in ([], [("type", None)], [("type", b"\xff")], [("x", None)]):
        assert read_events([Message(EVENTS, b"\xff", headers=headers)], AT) == ([], [])
    assert has_type(Message(EVENTS, b"", headers=[("type", None), ("type", b"a")]), {b"a"})


@pytest.mark.parametrize(
    "value", [None, b"\xff", b"[]", b"1", b"{}", b'{"type":[],"key":"k","at":"","body":{"sequence":1}}']
)
def test_a_record_that_cannot_be_counted_raises_and_is_not_remembered(value: bytes | None) -> None:
    seen = Seen()
    with pytest.raises(Exception):  # noqa: B017  # whatever it is, the caller writes a dead letter
        type_if_new(Message(EVENTS, value), seen)
    good = Message(EVENTS, changed("payment.success"))
    assert type_if_new(good, seen) == "payment.success"
    assert type_if_new(good, seen) is None


def test_a_letter_about_a_letter_is_not_written() -> None:
    assert letters_of(Message(PAYMENTS_DLQ, b"\xff"), ValueError(), at=AT) == []


def letter(key: bytes | None, value: bytes | None, headers: Headers) -> dict[str, Any]:
    record = dead_letter(
        to_topic=PAYMENTS_DLQ,
        kind="dead.command",
        key=key,
        value=value,
        headers=headers,
        origin=Origin(COMMANDS, 1, 2),
        reason="undecodable",
        error="x" * 900_000,
        trace="y" * 900_000,
        at=AT,
    )
    assert record.value is not None
    assert len(record.value) <= LETTER_BYTES_MAX
    assert decode(record.value).id == "dlq_payments.commands.v1-1-2", "the letter itself must be readable"
    found: dict[str, Any] = orjson.loads(record.value)
    assert RecordKind.problems_of(found) == []
    return dict(found["body"])


def test_a_letter_carries_key_value_and_headers_byte_for_byte() -> None:
    headers = [("a", b"1"), ("a", b"\xff"), ("b", None), ("", b"")]
    body = letter(None, b"\xff\0", headers)
    again = [
        (one["name"], None if one["value_base64"] is None else base64.b64decode(one["value_base64"]))
        for one in body["header_list"]
    ]
    assert again == headers
    assert base64.b64decode(body["value_base64"]) == b"\xff\0"
    assert (body["null_key"], body["null_value"], body["cut"]) == (True, False, False)
    assert letter(b"", None, [])["null_value"] is True


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (b"k", b"\xff" * 900_000, []),
        (b"k", b"\x01" * 900_000, []),
        (b"k", b'"' * 600_000, []),
        (b"\0" * 1_000_000, b"{}", []),
        (b"k", b"{}", [("\x01" * 20_000, b"\x01" * 20_000)] * 50),
        (b"k", b"\xff" * 400_000, [("a", b"\xff" * 600_000)]),
    ],
    ids=["bytes", "escapes", "quotes", "key", "headers", "value and header"],
)
def test_a_record_too_large_for_a_letter_is_cut_and_keeps_its_hash(key: bytes, value: bytes, headers: Headers) -> None:
    body = letter(key, value, headers)
    assert body["cut"] is True
    assert body["value_bytes"] == len(value)
    assert value.startswith(base64.b64decode(body["value_base64"]))
    assert body["record_sha256"] == hash_of(key, value, headers)


@pytest.mark.parametrize(
    "value", [b"", b"\xff", b"[]", b'"id"', b'{"key":"k"}', b'{"id":5}', b'{"id":"a","nonce":5}', b"[" * 100_000]
)
def test_no_reply_is_sent_if_the_record_does_not_name_the_caller(value: bytes) -> None:
    record = Incoming(b"k", value, [("reply_to", b"api-0")], Origin(COMMANDS, 0, 1), now())
    assert caller_of(record) is None
    assert caller_of(replace(record, value=b'{"id":"a"}')) == Caller("api-0", "a", "")
    assert caller_of(replace(record, value=b'{"id":"a"}', headers=())) is None


def test_an_id_that_breaks_the_form_of_a_reply_is_left_out() -> None:
    forged = Reply("a\tn\tR\t{}\nb", "n", Flag.REJECTED, "{}")
    honest = Reply("b", "n", Flag.ACCEPTED, "{}")
    assert decode_replies(encode_replies([forged, honest])) == [honest]


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59.999999Z", "2030-02-02T00:00:00.000000Z", "soon", "2030-01-31"])
def test_an_event_from_the_future_does_not_make_later_ones_look_old(at: str) -> None:
    seen = Seen(orders_max=1)
    with pytest.raises((UndecodableError, ValueError, TypeError)):
        type_if_new(Message(EVENTS, changed("payment.success", key="order_hostile", at=at)), seen)
    for second, order in enumerate(("order_a", "order_b", "order_c")):
        good = changed("payment.success", key=order, at=f"2030-01-31T11:59:0{second}.000000Z")
        assert type_if_new(Message(EVENTS, good), seen) == "payment.success"
