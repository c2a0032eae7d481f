"""The reply that the audit expects of an accepted command is the one that the actor sent, in every state of an
order."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from itertools import count

import orjson
import pytest

from domain.decision import BankWord, Command, Decision
from domain.machine import decide, evolve
from domain.order import Order
from domain.resource import resource_of
from ops.audit.verify.replies import reply_fits, reply_of
from tests.unit.orders import AT, COMMANDS, STATES, Earlier, timed
from topics.codec import COMMAND_TYPES, encode_event
from topics.envelope import encode_json

Json = dict[str, object]


def grown(commands: tuple[Command | Earlier, ...]) -> tuple[Order | None, list[Json]]:
    """The order after these commands, a second apart, and its events as JSON."""
    order: Order | None = None
    events: list[Json] = []
    for number, given in enumerate(commands):
        command, at = timed(given)
        decided = decide(order, command, at + timedelta(seconds=number, microseconds=number + 1))
        assert isinstance(decided, Decision)
        for event in decided.events:
            order = evolve(order, event)
            events.append(orjson.loads(encode_event(event, caused_by=f"cmd_{number}", request_id=None)))
    return order, events


def reply_to(command: Command, decided: Decision) -> bytes:
    return b"" if isinstance(command, BankWord) else encode_json(resource_of(decided.subject))


@pytest.mark.parametrize("state", STATES)
def test_the_reply_of_every_command_fits_the_events(state: str) -> None:
    order, events = grown(tuple(STATES[state]))
    accepted = count()
    for name, command in COMMANDS.items():
        decided = decide(order, command, AT + timedelta(hours=1))
        if not isinstance(decided, Decision):
            continue
        next(accepted)
        first, kind = (order.version if order is not None else 0) + 1, COMMAND_TYPES[type(command)]
        after = [orjson.loads(encode_event(one, caused_by="cmd", request_id=None)) for one in decided.events]
        reply, history = reply_to(command, decided), [*events, *after]
        digest = hashlib.md5(reply, usedforsecurity=False).digest()
        assert reply_fits(kind, first, len(after), history, digest), (name, reply)
        expected = reply_of(kind, first, len(after), history)
        assert expected in (reply, None), (name, reply, expected)
        other = hashlib.md5(reply + b" ", usedforsecurity=False).digest()
        assert not reply_fits(kind, first, len(after), history, other), name
    assert next(accepted)
