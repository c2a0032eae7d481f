"""A record that a later release wrote: it is recognised, and not treated as damage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from agents.letters import letters_of
from agents.newer import NewerRecords
from agents.payments.actor import PaymentActor
from agents.payments.batches import Batches
from agents.payments.intake import incoming_of
from ops.health.command import _outdated
from ops.log.schemas import sample_of
from runtime.outdated import OUTDATED, is_outdated
from store.redis.job_counters import worker_status
from tests.unit.test_hostile_records import AT, Message
from topics.catalogue import COMMANDS
from topics.envelope import (
    FIRST_VERSION,
    VERSION,
    VERSION_MAX,
    NewerRecordError,
    UndecodableError,
    decode,
    newer_version,
)

SAMPLE = sample_of("payment.create")
NEXT = VERSION + 1


def written(version: object) -> bytes:
    return orjson.dumps(SAMPLE | {"v": version})


def test_a_record_without_a_version_has_the_first() -> None:
    without = {name: value for name, value in SAMPLE.items() if name != "v"}
    assert decode(orjson.dumps(without)).version == FIRST_VERSION
    assert newer_version(orjson.dumps(without)) is None


def test_a_newer_record_is_not_an_undecodable_one_like_the_others() -> None:
    with pytest.raises(NewerRecordError, match=f"version {NEXT}, newer than this version"):
        decode(written(NEXT))
    # Whatever else is in it: only the version has to be where it is today.
    with pytest.raises(NewerRecordError):
        decode(orjson.dumps({"v": NEXT, "payload": []}))


@pytest.mark.parametrize("version", [NEXT, VERSION_MAX])
def test_its_version_is_known_without_reading_it(version: int) -> None:
    assert newer_version(written(version)) == version
    assert newer_version(orjson.dumps(SAMPLE | {"v": version}, option=orjson.OPT_INDENT_2)) == version


@pytest.mark.parametrize("version", range(FIRST_VERSION, VERSION + 1))
def test_every_version_up_to_ours_is_read(version: int) -> None:
    assert newer_version(written(version)) is None
    assert decode(written(version)).version == version


@pytest.mark.parametrize("version", [0, -1, VERSION_MAX + 1, "2", 2.0, True, None, [2]])
def test_a_version_that_no_release_will_have_is_damage(version: object) -> None:
    assert newer_version(written(version)) is None
    with pytest.raises(UndecodableError) as found:
        decode(written(version))
    assert not isinstance(found.value, NewerRecordError)


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"[2]", b'{"v":', b'"v":2', b'{"v":2}}', b"[" * 2_000])
def test_a_value_that_is_not_a_record_is_not_newer(value: bytes | None) -> None:
    assert newer_version(value) is None


def test_a_text_that_looks_like_a_version_hides_nothing() -> None:
    body = {"note": '"v":1,'}
    assert newer_version(orjson.dumps({"id": "a", "type": "b", "v": NEXT, "body": body})) == NEXT
    assert newer_version(orjson.dumps({"id": '"v":1,', "v": NEXT})) == NEXT


def test_a_newer_record_never_becomes_a_dead_letter() -> None:
    message = Message(COMMANDS, 0, 7, 0, b"k", written(NEXT), ())
    with pytest.raises(NewerRecordError):
        letters_of(message, NewerRecordError("newer"), at=AT)


STANDING = {OUTDATED: "commands/3/1200 has version 2, newer than this version (1)"}


def test_a_waiting_worker_is_reported() -> None:
    assert is_outdated(STANDING)
    assert not is_outdated({OUTDATED: ""}) and not is_outdated({})
    beside: dict[str, dict[str, Any]] = {"processor": {"processor-0": {}}, "jobs": {"jobs-0": {}}}
    assert worker_status({"payments": {"payments-0": STANDING}, **beside}) == "degraded"
    (message,) = _outdated({"payments": {"payments-0": STANDING, "payments-1": {}}})
    assert message.startswith("payments-0 stands still: commands/3/1200 has version 2, newer than this version (1)")


def test_a_reassigned_partition_no_longer_waits() -> None:
    newer = NewerRecords()
    message = Message(COMMANDS, 3, 7, 0, b"k", written(NEXT), ())
    assert newer.is_newer(message)
    assert newer.facts()[OUTDATED] == f"{COMMANDS}/3/7 has version {NEXT}, newer than this version ({VERSION})"
    newer.forget_all()
    assert newer.facts() == {OUTDATED: ""}


@dataclass
class Event:
    message: Message


class Queue:
    """Empty after the last event."""

    def __init__(self, left: int) -> None:
        self.left = left

    def empty(self) -> bool:
        return self.left == 0


class Actor(PaymentActor):
    """Notes what it is given."""

    def __init__(self) -> None:
        self.decided: list[Any] = []  # type: ignore[assignment]  # a count in the actor
        self.put_off_: list[Any] = []

    async def prepare(self, messages: Any) -> Any:
        self.decided += [one.origin.offset for one in messages]

    async def finish(self, prepared: Any) -> None: ...

    async def put_off(self, messages: Any) -> None:
        self.put_off_ += [one.origin.offset for one in messages]


async def test_the_actor_lets_a_newer_command_and_all_behind_it_go_and_decides_the_others() -> None:
    # Given commands of two partitions, number 3 of the first newer than this actor,
    messages = [
        Message(COMMANDS, offset % 2, offset, 0.0, b"k", written(NEXT if offset == 4 else VERSION), ())
        for offset in range(9)
    ]
    queue, acked, let_go = Queue(len(messages)), [], []

    async def events() -> AsyncIterator[Event]:
        for message in messages:
            queue.left -= 1
            yield Event(message)

    async def ack(event: Event) -> None:
        acked.append(event.message.offset)

    actor = Actor()
    batches = Batches(actor, lambda *_: None, None, lambda message: let_go.append(message.offset))
    # when they are read,
    await batches.run(events(), queue, ack)
    await asyncio.sleep(0)
    # then it and those behind it are neither decided nor acked, and their callers are answered; the others are decided.
    assert let_go == actor.put_off_ == [4, 6, 8]
    assert actor.decided == acked == [0, 1, 2, 3, 5, 7]
    assert is_outdated(batches.newer.facts())


async def test_a_newer_command_that_slipped_through_is_not_a_dead_letter_either() -> None:
    actor = PaymentActor.__new__(PaymentActor)
    actor.partitions = None
    with pytest.raises(NewerRecordError):
        actor._decoded([incoming_of(Message(COMMANDS, 0, 7, 0.0, b"k", written(NEXT), ()))])
