"""What a person asks of the log, and what is kept from showing: expressions, filters, masking, names of topics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from typer.testing import CliRunner

from ops.cli import app
from ops.inspection.masking import masked, masked_text
from ops.inspection.matching import Wanted, wanted_of
from ops.inspection.names import named_topics, parse_duration, parse_instant
from ops.inspection.outcome import AskedWronglyError
from ops.inspection.rendering import as_line, as_object
from ops.inspection.where import compile_where
from tests.support.stack import settings_of
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


def record(value: bytes | dict[str, object], *, key: bytes = b"order_1", **headers: bytes) -> LogRecord:
    content = value if isinstance(value, bytes) else orjson.dumps(value)
    return LogRecord("payments.events.v1", 3, 7, 1_770_000_000_000, key, content, tuple(headers.items()))


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
    ("expression", "said"),
    [
        ("amount >", "a value was expected at character 9"),
        ("> 5", "the name of a field was expected at character 1"),
        ("(amount > 5", "a closing parenthesis was expected"),
        ("amount > 5 status", "and, or, or the end was expected at character 12"),
        ("amount ~ '('", "no regular expression"),
        ("amount > 'x", "cannot be read"),
        ("(" * 1_900, "nested too deeply"),
        ("a" * 3_000, "longer than"),
    ],
)
def test_an_expression_that_cannot_be_read_is_one_sentence(expression: str, said: str) -> None:
    with pytest.raises(AskedWronglyError, match=said.replace("(", r"\(")):
        compile_where(expression)


def test_filters_hold_together() -> None:
    one = record(RECORD, type=b"payment.failed", reply_to=b"api-1")
    assert Wanted().matches(one)
    assert wanted_of(types=["payment.*"], headers=["reply_to"], words=["okbank", None]).matches(one)
    assert wanted_of(headers=["reply_to=api-1"], key="order_1", where="amount > 1").matches(one)
    assert not wanted_of(types=["refund.*"]).matches(one)
    assert not wanted_of(headers=["reply_to=api-2"]).matches(one)
    assert not wanted_of(key="order_2").matches(one)
    assert not wanted_of(types=["payment.*"], where="amount > 90000").matches(one)
    assert not wanted_of(where="amount > 1").matches(record(b"\xff no json"))


def test_personal_data_is_masked_wherever_it_stands() -> None:
    letter = {
        "body": {"value": orjson.dumps(RECORD).decode(), "value_base64": "Zm9v", "error": "bad alpha.beta@okbank"}
    }
    for shown in (masked(RECORD), masked(letter), masked({"notes": {"mail": "alpha.beta@okbank"}}), masked([["x@y"]])):
        text = orjson.dumps(shown).decode()
        assert "alpha.beta" not in text
        assert "x@y" not in text
    assert masked(RECORD)["body"]["payment"]["vpa"] == "a***@okbank"
    assert masked(RECORD)["body"]["payment"]["amount"] == 50_000
    assert "rent" not in masked_text('{"notes":{"for":"rent"},"amount":5}')


def test_unmasked_is_the_record_itself() -> None:
    assert as_object(record(RECORD), unmask=True)["record"] == RECORD
    assert as_object(record(RECORD), unmask=False)["record"] != RECORD


def test_a_value_that_is_no_json_is_shown_as_text_or_hex_and_never_drives_the_terminal() -> None:
    assert as_object(record(b"plain \x1b[31m text"), unmask=True)["text"] == r"plain \x1b[31m text"
    assert as_object(record(b"\xff\x00a"), unmask=True)["hex"] == "ff 00 61"
    assert b"beta".hex(" ") not in as_object(record(b"\xffalpha.beta@okbank"), unmask=False)["hex"]
    assert "\x1b" not in as_line(record(b"\x1b[2J", key=b"\x1b[1m"), unmask=False).plain


def test_topics_answer_to_their_short_names_and_a_wrong_one_is_helped() -> None:
    settings = settings_of({"TEST_MODE": "true"})
    names = ["events", "payments.events", "payments.events.v1"]
    assert {topic.name for topic in named_topics(names, settings)} == {"payments.events.v1"}
    with pytest.raises(AskedWronglyError, match="did you mean 'events'"):
        named_topics(["evnts"], settings)
    with pytest.raises(AskedWronglyError, match="names 2 topics"):
        named_topics(["dlq"], settings)


def test_times_are_said_as_people_say_them() -> None:
    assert parse_duration("250ms") == timedelta(milliseconds=250)
    assert parse_duration("2h") == timedelta(hours=2)
    assert parse_instant("2026-01-02T03:04:05") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert abs(datetime.now(UTC) - parse_instant("10m") - timedelta(minutes=10)) < timedelta(seconds=5)
    for wrong in ("10 parsecs", "-5m", "yesterday"):
        with pytest.raises(AskedWronglyError):
            parse_instant(wrong)


COMMANDS_OF_INSPECTION = (
    ("topics", "list"), ("topics", "describe"), ("topics", "tail"), ("topics", "show"), ("topics", "lag"),
    ("topics", "schemas"), ("topics", "docs"), ("topics", "create"), ("journey",), ("replay",), ("stuck",),
    ("dlq", "ls"), ("dlq", "show"), ("dlq", "diff"), ("dlq", "replay"), ("dlq", "discard"), ("listen",), ("trigger",),
    ("health",), ("exporter",),
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS_OF_INSPECTION, ids=" ".join)
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    ended = CliRunner().invoke(app, [*command, "--help"])
    assert ended.exit_code == 0, ended.output
    assert "Usage:" in ended.output
