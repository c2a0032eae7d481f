"""Commands survive the log; bodies of another shape are undecodable; events carry what was decided and no secrets."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from domain.decision import Decision
from domain.machine import decide
from tests.unit.orders import AT, COMMANDS, STATES, after, timed
from topics.codec import command_envelope, command_of, encode_event
from topics.envelope import UndecodableError, decode, encode

KINDS = ["create", "cancel", "pay", "succeed", "capture", "refund", "refund succeeds"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_read_from_the_log_as_it_was_written(name: str) -> None:
    command = COMMANDS[name]
    envelope = command_envelope(
        command, command_id="cmd_1", at=AT, request_id="req_1", nonce="n", fingerprint={"a": "b"}
    )
    read = decode(encode(envelope))
    assert command_of(read) == command
    assert (read.id, read.key, read.nonce, read.fingerprint) == ("cmd_1", command.order_id, "n", {"a": "b"})


NOT_IN_EARLIER_VERSIONS = {"turn"}
"""Of every command that KINDS name. What a command writes only where it has it is not in them."""


def _bodies(name: str) -> list[tuple[str, Any, dict[str, Any]]]:
    """The command's body with each field missing, and with each field of another type."""
    record = orjson.loads(encode(command_envelope(COMMANDS[name], command_id="c", at=AT, request_id=None)))
    damaged = []
    for field in record["body"]:
        without = {key: value for key, value in record["body"].items() if key != field}
        if field not in NOT_IN_EARLIER_VERSIONS:
            damaged.append((field, "missing", {**record, "body": without}))
        for wrong in (1.5, [], {"x": {}} if field != "notes" else "x"):
            damaged.append((field, wrong, {**record, "body": {**record["body"], field: wrong}}))
    return damaged


OPTIONAL = {
    "create to expire": ("expires_at",),
    "create to capture": ("capture",),
    "refund all that is left": ("rest", "receipt", "notes"),
    "create a link": ("link", "return_url"),
    "pay with words": ("name", "email", "contact", "description", "notes"),
}


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_field_with_a_default_may_be_missing_but_not_wrong(name: str) -> None:
    record = orjson.loads(encode(command_envelope(COMMANDS[name], command_id="c", at=AT, request_id=None)))
    for field in OPTIONAL[name]:
        without = {key: value for key, value in record["body"].items() if key != field}
        command_of(decode(orjson.dumps({**record, "body": without})))
        with pytest.raises(UndecodableError):
            command_of(decode(orjson.dumps({**record, "body": {**record["body"], field: 7}})))


def test_a_refund_without_an_amount_is_refused_by_an_actor_that_does_not_know_it() -> None:
    """It reads the amount alone."""
    body = command_envelope(COMMANDS["refund all that is left"], command_id="c", at=AT, request_id=None).body
    assert (body["amount"], body["rest"]) == (0, True)


@pytest.mark.parametrize("name", KINDS)
def test_a_body_of_another_shape_is_undecodable(name: str) -> None:
    for field, wrong, record in _bodies(name):
        with pytest.raises(UndecodableError):
            command_of(decode(orjson.dumps(record)))
            pytest.fail(f"{name} was decoded although {field} is {wrong}")


def test_an_unknown_type_is_undecodable() -> None:
    envelope = command_envelope(COMMANDS["create"], command_id="c", at=AT, request_id=None)
    record = orjson.loads(encode(envelope)) | {"type": "order.destroy"}
    with pytest.raises(UndecodableError, match=r"order\.destroy"):
        command_of(decode(orjson.dumps(record)))


@pytest.mark.parametrize("state", [name for name in STATES if name != "no order"])
def test_events_are_envelopes_with_a_deterministic_id_and_the_same_bytes_each_time(state: str) -> None:
    *before, last = STATES[state]
    decided = decide(after(*before), *timed(last))
    assert isinstance(decided, Decision)
    for event in decided.events:
        payload = encode_event(event, caused_by="cmd_1", request_id=None)
        assert payload == encode_event(event, caused_by="cmd_1", request_id=None)
        read = decode(payload)
        assert read.id == f"evt_{read.key[-16:]}_{event.sequence}"
        assert read.type == event.type
        assert read.body["sequence"] == event.sequence
        assert read.caused_by == "cmd_1"
