"""Queries of the log, and what is masked: expressions, filters, masking, names of topics."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import orjson
import pytest
from typer.testing import CliRunner

from ops.cli import app
from ops.console.exit_codes import UsageError
from ops.console.mask import masked, masked_bytes, masked_text
from ops.console.names import named_topics, parse_duration, parse_instant
from ops.dead_letters.letters import Known, letter_of
from ops.dead_letters.replayer import refusal_of, remembered_since
from ops.log.formats import as_block, as_line, as_object
from ops.log.schemas import sample_of
from ops.log.selection import Filters, filters_of
from ops.log.topics import _parse_place
from ops.log.where import compile_where
from ops.webhooks.listen import Forwarder
from runtime.settings import Settings
from tests.support.stack import settings_of
from topics.catalogue import COMMANDS, DELIVERIES
from topics.deadletter import Origin, dead_letter
from topics.envelope import decode
from topics.records import LogRecord

RECORD = {
    "id": "evt_1",
    "type": "payment.failed",
    "request_id": None,
    "body": {
        "sequence": 4,
        "payment": {"amount": 50_000, "status": "FAILED", "captured": False, "vpa": "alpha.beta@okbank"},
        "bank": {"token": "alpha.beta@okbank"},
    },
}


def record(value: bytes | dict[str, object], *, key: bytes = b"order_1", **headers: bytes | None) -> LogRecord:
    content = value if isinstance(value, bytes) else orjson.dumps(value)
    return LogRecord("payments.events.v1", 3, 7, 1_770_000_000_000, key, content, tuple(headers.items()))


def consumed(
    key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]] = (), at_ms: int = 0
) -> LogRecord:
    """As a reader makes it of aiokafka's record."""
    message = SimpleNamespace(
        topic="payments.events.v1", partition=3, offset=7, timestamp=at_ms, key=key, value=value, headers=headers
    )
    return LogRecord.of(message)


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("amount > 49999", True),
        ("amount > 50000", False),
        ("amount>=50000 and status=FAILED", True),
        ("status != FAILED or amount < 1", False),
        ("not (status = SUCCESS)", True),
        ("payment.amount = 50000", True),
        ("body.payment.amount = 50000", True),
        ("bank.token ~ '@ok'", True),
        ("vpa ~ '^beta'", False),
        ("captured = false", True),
        ("captured = 0", False),
        ("captured", False),
        ("request_id = null", True),
        ("amount = 'FAILED'", False),
        ("amount > 'a'", False),
        ("status > 5", False),
        ("nowhere = 1", False),
        ("nowhere != 1", True),
        ("status = 'FAILED' and (amount = 1 or sequence = 4)", True),
        ("amount = 1 and amount = 2 or sequence = 4", True),
        ("sequence = 4 or amount = 1 and amount = 2", True),
    ],
)
def test_an_expression_is_true_of_the_records_it_describes(expression: str, holds: bool) -> None:
    assert compile_where(expression)(RECORD) is holds


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("amount >", "expected a value at character 9"),
        ("> 5", "expected the name of a field at character 1"),
        ("(amount > 5", "expected a closing parenthesis"),
        ("amount > 5 status", "expected and, or, or the end at character 12"),
        ("amount ~ '('", "not a valid regular expression"),
        ("amount > 'x", "is unexpected"),
        ("(" * 1_900, "nested too deeply"),
        ("a" * 3_000, "longer than"),
    ],
)
def test_an_expression_that_cannot_be_read_is_one_sentence(expression: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        compile_where(expression)


def test_filters_hold_together() -> None:
    one = record(RECORD, type=b"payment.failed", reply_to=b"api-1")
    assert Filters().matches(one)
    assert filters_of(types=["payment.*"], headers=["reply_to"], words=["okbank", None]).matches(one)
    assert filters_of(headers=["reply_to=api-1"], key="order_1", where="amount > 1").matches(one)
    assert not filters_of(types=["refund.*"]).matches(one)
    assert not filters_of(headers=["reply_to=api-2"]).matches(one)
    assert not filters_of(key="order_2").matches(one)
    assert not filters_of(types=["payment.*"], where="amount > 90000").matches(one)
    assert not filters_of(where="amount > 1").matches(record(b"\xff no json"))


def test_personal_data_is_masked_everywhere() -> None:
    letter = {
        "body": {"value": orjson.dumps(RECORD).decode(), "value_base64": "Zm9v", "error": "bad alpha.beta@okbank"}
    }
    for shown in (masked(RECORD), masked(letter), masked({"notes": {"mail": "alpha.beta@okbank"}}), masked([["x@y"]])):
        text = orjson.dumps(shown).decode()
        assert "alpha.beta" not in text
        assert "x@y" not in text
    assert masked(RECORD)["body"]["payment"]["vpa"] == "a***@okbank"
    assert masked(RECORD)["body"]["payment"]["amount"] == 50_000
    payer = {"name": "Asha", "contact": "+919876543210", "email": "asha@example.com"}
    shown = f"{masked(payer)} {masked_text(orjson.dumps(payer).decode())}"
    assert not any(personal in shown for personal in ("Asha", "9876543210", "asha@"))
    assert masked_text('{"name":"A \\"B\\" C","amount":5}') == '{"name":"***","amount":5}'
    assert "rent" not in masked_text('{"notes":{"for":"rent"},"amount":5}')


def test_masking_takes_a_moment_whatever_the_text() -> None:
    # Backtracking over these would take hours; the test's own timeout notices.
    for hostile in ("a" * 1_000_000, "a." * 500_000, '"notes":{' * 100_000, '"token":"' * 100_000, "a@" * 400_000):
        masked_text(hostile)
        masked_bytes(hostile.encode() + b"\xff")
    assert masked_text("._alpha.beta@okbank, x@y") == "._a***@okbank, x***@y"


def test_unmasked_is_the_record_itself() -> None:
    assert as_object(record(RECORD), unmask=True)["record"] == RECORD
    assert as_object(record(RECORD), unmask=False)["record"] != RECORD


def test_a_value_that_is_not_json_is_shown_as_text_or_hex_and_never_controls_the_terminal() -> None:
    assert as_object(record(b"plain \x1b[31m text"), unmask=True)["text"] == r"plain \x1b[31m text"
    assert as_object(record(b"\xff\x00a"), unmask=True)["hex"] == "ff 00 61"
    assert b"beta".hex(" ") not in as_object(record(b"\xffalpha.beta@okbank"), unmask=False)["hex"]
    assert "\x1b" not in as_line(record(b"\x1b[2J", key=b"\x1b[1m"), unmask=False).plain


def test_a_null_header_and_repeated_headers_are_shown() -> None:
    headers = [("a", b"1"), ("a", None), ("a", b"\xff")]
    one = consumed(b"k", b"{}", headers)
    shown = as_object(one, unmask=True)
    assert [header["value"] for header in shown["header_list"]] == ["1", None, r"\xff"]
    assert all(header["name"] == "a" for header in shown["header_list"])
    assert "null" in as_block(one, unmask=False).plain
    assert one.header("a") == "1"
    assert consumed(b"k", b"{}", [("type", None)]).type == "?"
    assert not filters_of(headers=["a=2"]).matches(one)


def test_a_tombstone_is_not_an_empty_value_and_no_key_not_an_empty_key() -> None:
    tombstone, empty = as_object(consumed(None, None), unmask=True), as_object(consumed(b"", b""), unmask=True)
    assert (tombstone["value"], tombstone["key"]) == (None, None)
    assert "value" not in empty
    assert (empty["text"], empty["key"]) == ("", "")
    assert "tombstone" in as_line(consumed(None, None), unmask=True).plain
    assert "tombstone" not in as_line(consumed(b"", b""), unmask=True).plain


def test_hexadecimal_is_whole_in_json_and_short_on_a_line() -> None:
    one = consumed(b"k", b"\xff" * 5_000)
    assert as_object(one, unmask=True)["hex"] == " ".join(["ff"] * 5_000)
    assert len(as_line(one, unmask=True).plain) < 500


@pytest.mark.parametrize(
    ("at_ms", "shown"),
    [(1_770_000_000_123, "2026-02-02 02:40:00.123"), (-1, "1970-01-01"), (2**62, "9999-12-31")],
)
def test_a_line_shows_the_records_date_whatever_a_producer_wrote(at_ms: int, shown: str) -> None:
    assert as_line(consumed(b"k", b"{}", at_ms=at_ms), unmask=False).plain.startswith(shown)


def test_ids_and_types_cannot_drive_the_terminal() -> None:
    hostile = {**RECORD, "v": 1, "key": "k", "at": "2026-01-01T00:00:00Z", "id": "\x1b[2J", "type": "\x1b]0;x\x07"}
    hostile |= {"caused_by": "\x1b[1m", "body": {"status": "\x1b[31m"}}
    assert "\x1b" not in as_line(record(hostile), unmask=True).plain


@pytest.mark.parametrize("text", ["99999999d", "999999999999d", "9" * 5_000 + "d", "0001-01-01T00:00:00+14:00", "²d"])
def test_a_time_beyond_the_calendar_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        parse_instant(text)


@pytest.mark.parametrize("place", ["events/0/²", "events/²/1", "events/0/" + "9" * 30, "events", "events/-1/2"])
def test_a_position_that_is_not_a_number_is_a_usage_error(place: str) -> None:
    with pytest.raises(UsageError):
        _parse_place(place)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_AAAA", "whsec_!!!!", "x" * 40])
def test_a_secret_that_proves_nothing_is_a_usage_error(secret: str) -> None:
    ended = CliRunner().invoke(app, ["listen", "--forward-to", "http://localhost:1", "--secret", secret])
    assert isinstance(ended.exception, UsageError)
    assert "The secret must be whsec_" in str(ended.exception)


async def test_an_event_without_a_payload_is_one_line_and_skipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEST_MODE", "true")
    sample = sample_of("payment.success")
    good = sample["body"]
    for body in ({}, {"payment": []}, good | {"sequence": "x"}, good, {"sequence": 1}):
        event = decode(orjson.dumps({**sample, "body": body}))
        forwarder = Forwarder(Settings(), None, "whsec_", insecure=False, as_json=True)
        assert await forwarder.forward(event) is (body is good)
    lines = [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert ["skipped" in line for line in lines] == [True, True, True, False, True]


@pytest.mark.parametrize("value", [b"\xb2", "²".encode(), b"", b"-1", b"9" * 5_000, None])
def test_a_replayed_header_that_is_not_a_number_counts_nothing(value: bytes | None) -> None:
    letter = letter_of(letter_with([("replayed", value)]), Known())
    assert letter is not None
    assert letter.times_replayed == 0


@pytest.mark.parametrize(
    ("topic", "hours", "is_refused"), [(COMMANDS, 1, False), (COMMANDS, -1, True), (DELIVERIES, -1, False)]
)
def test_a_command_that_died_before_the_inbox_remembers_is_sent_again_by_force_only(
    topic: str, hours: int, is_refused: bool
) -> None:
    """A request repeated under its key may have been decided since, and its row be gone: the log would date it anew."""
    since = remembered_since(settings_of({"TEST_MODE": "true"}))
    died_at = since + timedelta(hours=hours)
    letter = letter_of(letter_with([], topic=topic, reason="invariant_broken", at=died_at), Known())
    assert letter is not None
    assert (refusal_of(letter, force=False, since=since) is not None) is is_refused
    assert refusal_of(letter, force=True, since=since) is None


def letter_with(
    headers: Sequence[tuple[str, bytes | None]],
    *,
    topic: str = COMMANDS,
    reason: str = "undecodable",
    at: datetime | None = None,
) -> LogRecord:
    made = dead_letter(
        to_topic="payments.dlq.v1", kind="dead.command", key=b"k", value=b"{}", headers=headers,
        origin=Origin(topic, 0, 1), reason=reason, error="", trace="", at=at or datetime.now(UTC),
    )  # fmt: skip
    return consumed(made.key, made.value)


def test_letters_from_before_there_was_a_header_list_are_read() -> None:
    old = sample_of("dead.command")
    for name in ("header_list", "null_key", "null_value", "value_bytes", "record_sha256", "cut"):
        del old["body"][name]
    letter = letter_of(consumed(b"order_1", orjson.dumps(old)), Known())
    assert letter is not None
    assert letter.headers == (("type", b"payment.settle"),)
    assert (letter.key, letter.cut) == (b"order_1", False)


def test_topics_have_short_names_and_a_wrong_one_gets_a_hint() -> None:
    settings = settings_of({"TEST_MODE": "true"})
    names = ["events", "payments.events", "payments.events.v1"]
    assert {topic.name for topic in named_topics(names, settings)} == {"payments.events.v1"}
    with pytest.raises(UsageError, match="did you mean 'events'"):
        named_topics(["evnts"], settings)
    with pytest.raises(UsageError, match="names 2 topics"):
        named_topics(["dlq"], settings)


def test_times_have_short_forms() -> None:
    assert parse_duration("250ms") == timedelta(milliseconds=250)
    assert parse_duration("2h") == timedelta(hours=2)
    assert parse_instant("2026-01-02T03:04:05") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert abs(datetime.now(UTC) - parse_instant("10m") - timedelta(minutes=10)) < timedelta(seconds=5)
    for wrong in ("10 parsecs", "-5m", "yesterday"):
        with pytest.raises(UsageError):
            parse_instant(wrong)


COMMANDS_OF_INSPECTION = (
    ("topics", "list"), ("topics", "describe"), ("topics", "tail"), ("topics", "show"), ("topics", "lag"),
    ("topics", "schemas"), ("topics", "docs"), ("topics", "create"), ("journey",), ("replay",), ("stuck",),
    ("dlq", "ls"), ("dlq", "show"), ("dlq", "diff"), ("dlq", "replay"), ("dlq", "discard"), ("dlq", "reopen"),
    ("listen",), ("trigger",),
    ("health",), ("exporter",),
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS_OF_INSPECTION, ids=" ".join)
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    ended = CliRunner().invoke(app, [*command, "--help"])
    assert ended.exit_code == 0, ended.output
    assert "Usage:" in ended.output
