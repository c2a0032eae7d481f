"""Replaying dead letters: a bounded rate, a kill at any moment, and still each letter once; the loop guard."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest

from domain.ids import ORDER
from domain.order import CreateOrder
from ops.inspection.letters import HEADER_REPLAYED, Letter, Selection, letters
from ops.inspection.replay import HEADER_REPLAY, REPLAYED_MAX, Refusal, Replayer, Sent
from ops.inspection.schemas import DEAD_COMMAND
from runtime.clock import make_id, now, random_token
from store.connections import make_pool
from store.dead_letters import begin_replay, history_of, mark_sending
from tests.support.command import gateway, started_gateway
from tests.support.stack import Stack
from topics.catalogue import COMMANDS, PAYMENTS_DLQ, partition_of
from topics.codec import command_envelope
from topics.deadletter import REASON_INVARIANT, REASON_UNDECODABLE, Origin, dead_letter
from topics.envelope import encode
from topics.producer import Headers, LogProducer, Record
from topics.reader import Start, log_reader
from topics.records import LogRecord


@pytest.fixture
async def pool(services: Stack) -> AsyncIterator[asyncpg.Pool]:
    made = await make_pool(services.settings, size=2)
    yield made
    await made.close()


def letter_record(*, offset: int, headers: Headers = (), reason: str = REASON_INVARIANT) -> Record:
    """A dead letter of a sound command, as the actor would write it."""
    order_id = make_id(ORDER)
    command = CreateOrder(order_id, "test_merchant", 500, "INR", None, {})
    value = encode(command_envelope(command, command_id=f"cmd_{random_token()[:16]}", at=now(), request_id=None))
    return dead_letter(
        to_topic=PAYMENTS_DLQ,
        kind=DEAD_COMMAND,
        key=order_id.encode(),
        value=value,
        headers=[("type", b"order.create"), ("reply_to", b"api-x"), *headers],
        origin=Origin(COMMANDS, 0, offset),
        reason=reason,
        error="AssertionError()",
        trace="",
        at=now(),
    )


async def buried(services: Stack, records: Sequence[Record]) -> list[str]:
    """Write letters to the dead-letter topic; their ids."""
    producer = LogProducer(services.kafka_bootstrap_servers)
    await producer.start()
    await producer.publish(records, timeout=20)
    await producer.stop()
    return [json.loads(record.value)["id"] for record in records]


async def found(services: Stack, pool: asyncpg.Pool, ids: Sequence[str]) -> list[Letter]:
    asked = Selection(ids=frozenset(ids), handled_too=True)
    return await letters(services.settings, pool, asked)


async def replayed(services: Stack, replay_id: str) -> list[LogRecord]:
    """What stands on the commands topic of one replay."""
    async with log_reader(services.settings) as reader:
        spans = await reader.spans(await reader.partitions([COMMANDS]), Start())
        records = [record async for record in reader.merged(spans)]
    return [record for record in records if (record.header(HEADER_REPLAY) or "").startswith(f"{replay_id}/")]


def some_offset() -> int:
    return int(random_token()[:12], 16)


async def test_a_letter_goes_back_as_it_was_with_a_mark_and_an_audit_row(services: Stack, pool: asyncpg.Pool) -> None:
    record = letter_record(offset=some_offset())
    letter_id, _ = await buried(services, [record, record])
    (letter,) = await found(services, pool, [letter_id])
    replay_id = f"rpl_{random_token()[:16]}"
    await begin_replay(pool, replay_id, "both", [letter_id], "test")

    run = Replayer(services.settings, pool, replay_id, rate=100, actor="test").run([letter], force=False)
    fates = [fate async for fate in run]

    (again,) = await replayed(services, replay_id)
    assert [type(fate) for fate in fates] == [Sent]
    assert again.value == json.loads(record.value)["body"]["value"].encode()
    assert again.key == letter.key
    assert again.partition == partition_of(letter.key, services.settings.topic_partitions)
    assert again.header(HEADER_REPLAYED) == "1"
    assert again.header("reply_to") is None
    (action,) = await history_of(pool, letter_id)
    assert (action["action"], action["replay_id"], action["actor"]) == ("replayed", replay_id, "test")


async def test_a_replay_killed_at_any_moment_sends_each_letter_once(services: Stack, pool: asyncpg.Pool) -> None:
    ids = await buried(services, [letter_record(offset=some_offset()) for _ in range(12)])
    run = await started_gateway(services, "dlq", "replay", *ids, "--apply", "--rate", "40", "--json")
    assert run.stdout is not None
    lines = [json.loads(await run.stdout.readline()) for _ in range(3)]
    run.kill()
    await run.communicate()
    replay_id = lines[0]["replay"]
    assert 3 <= len(await replayed(services, replay_id)) < 12, "the kill came too late to prove anything"

    resumed = await gateway(services, "dlq", "replay", "--resume", replay_id, "--rate", "500", "--json")

    assert resumed.code == 0, resumed.err
    marks = Counter(record.header(HEADER_REPLAY) for record in await replayed(services, replay_id))
    assert marks == {f"{replay_id}/{letter_id}": 1 for letter_id in ids}
    audited = {letter_id: len(await history_of(pool, letter_id)) for letter_id in ids}
    assert audited == dict.fromkeys(ids, 1)


async def test_a_letter_that_reached_the_log_before_the_kill_is_found_not_sent(
    services: Stack, pool: asyncpg.Pool
) -> None:
    """The narrowest moment: acked by the broker, not yet marked in the database."""
    sent_id, unsent_id = await buried(services, [letter_record(offset=some_offset()) for _ in range(2)])
    chosen = await found(services, pool, [sent_id, unsent_id])
    replay_id = f"rpl_{random_token()[:16]}"
    await begin_replay(pool, replay_id, "both", [sent_id, unsent_id], "test")
    for letter in chosen:
        partition = partition_of(letter.key, services.settings.topic_partitions)
        await mark_sending(pool, replay_id, letter.id, to_topic=COMMANDS, partition=partition)
    first = next(letter for letter in chosen if letter.id == sent_id)
    mark = [(HEADER_REPLAY, f"{replay_id}/{sent_id}".encode())]
    partition = partition_of(first.key, services.settings.topic_partitions)
    await written(services, Record(COMMANDS, partition, first.key, first.value, mark))

    run = Replayer(services.settings, pool, replay_id, rate=100, actor="test").run(chosen, force=False)
    fates = {fate.letter.id: fate async for fate in run}

    assert isinstance(fates[sent_id], Sent)
    assert fates[sent_id].found is True
    assert isinstance(fates[unsent_id], Sent)
    assert fates[unsent_id].found is False
    assert len(await replayed(services, replay_id)) == 2


async def written(services: Stack, record: Record) -> None:
    producer = LogProducer(services.kafka_bootstrap_servers)
    await producer.start()
    await producer.publish([record], timeout=20)
    await producer.stop()


@pytest.mark.parametrize(
    ("headers", "reason", "force", "sent"),
    [
        ([], REASON_INVARIANT, False, True),
        ([], REASON_UNDECODABLE, False, False),
        ([], REASON_UNDECODABLE, True, True),
        ([(HEADER_REPLAYED, b"1")], REASON_INVARIANT, False, False),
        ([(HEADER_REPLAYED, b"1")], REASON_INVARIANT, True, True),
        ([(HEADER_REPLAYED, str(REPLAYED_MAX).encode())], REASON_INVARIANT, True, False),
    ],
)
async def test_what_came_back_is_not_sent_round_and_round(
    services: Stack, pool: asyncpg.Pool, headers: Headers, reason: str, force: bool, sent: bool
) -> None:
    (letter_id,) = await buried(services, [letter_record(offset=some_offset(), headers=headers, reason=reason)])
    replay_id = f"rpl_{random_token()[:16]}"
    await begin_replay(pool, replay_id, "both", [letter_id], "test")
    chosen = await found(services, pool, [letter_id])
    run = Replayer(services.settings, pool, replay_id, rate=100, actor="test").run(chosen, force=force)
    (fate,) = [fate async for fate in run]
    assert isinstance(fate, Sent if sent else Refusal)
    assert len(await replayed(services, replay_id)) == int(sent)


async def test_the_dry_run_sends_nothing_and_a_discard_needs_a_reason(services: Stack, pool: asyncpg.Pool) -> None:
    (letter_id,) = await buried(services, [letter_record(offset=some_offset())])

    said = await gateway(services, "dlq", "replay", letter_id)
    assert (said.code, "nothing was sent" in said.out) == (0, True), said.err
    assert await history_of(pool, letter_id) == []

    refused = await gateway(services, "dlq", "discard", letter_id, "--reason", " ")
    assert (refused.code, refused.err.strip()) == (2, "Error: A discard needs a reason.")

    done = await gateway(services, "dlq", "discard", letter_id, "--reason", "made by a test")
    assert done.code == 0, done.err
    (letter,) = await found(services, pool, [letter_id])
    assert letter.state == "discarded"
    (action,) = await history_of(pool, letter_id)
    assert action["reason"] == "made by a test"
