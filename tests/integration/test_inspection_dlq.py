"""Replaying dead letters: a bounded rate, a kill at any moment, and still each letter once; the loop guard."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace

import asyncpg
import pytest

from domain.delivery import Due
from domain.ids import ORDER
from domain.order import CreateOrder
from ops.dead_letters.letters import HEADER_REPLAYED, Letter, Selection, letters
from ops.dead_letters.replayer import HEADER_REPLAY, REPLAYED_MAX, Refusal, Replayer, Sent, refusal_of
from runtime.clock import make_id, now, random_token
from store.connections import make_pool
from store.operations.dead_letters import begin_replay, history_of, mark_sending, mark_sent
from tests.support.command import gateway, started_gateway
from tests.support.stack import Stack
from topics.catalogue import COMMANDS, DELIVERIES, PAYMENTS_DLQ, WEBHOOKS_DLQ, partition_of
from topics.codec import command_envelope
from topics.deadletter import DEAD_COMMAND, REASON_INVARIANT, REASON_UNDECODABLE, Origin, dead_letter, letter_about
from topics.delivery import delivery_record
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
    producer = LogProducer(services.settings)
    await producer.start()
    await producer.publish(records, timeout=20)
    await producer.stop()
    return [json.loads(record.value or b"")["id"] for record in records]


async def found(services: Stack, pool: asyncpg.Pool, ids: Sequence[str]) -> list[Letter]:
    requested = Selection(ids=frozenset(ids), handled_too=True)
    return await letters(services.settings, pool, requested)


async def replayed(services: Stack, replay_id: str) -> list[LogRecord]:
    """What stands on the commands topic of one replay."""
    async with log_reader(services.settings) as reader:
        spans = await reader.spans(await reader.partitions([COMMANDS]), Start())
        records = [record async for record in reader.merged(spans)]
    return [record for record in records if (record.header(HEADER_REPLAY) or "").startswith(f"{replay_id}/")]


def some_offset() -> int:
    return int(random_token()[:12], 16)


async def test_a_letter_is_replayed_unchanged_with_a_mark_and_an_audit_row(services: Stack, pool: asyncpg.Pool) -> None:
    record = letter_record(offset=some_offset())
    letter_id, _ = await buried(services, [record, record])
    (letter,) = await found(services, pool, [letter_id])
    replay_id = f"rpl_{random_token()[:16]}"
    await begin_replay(pool, replay_id, "both", [letter_id], "test")

    run = Replayer(services.settings, pool, replay_id, rate=100, actor="test").run([letter], force=False)
    results = [result async for result in run]

    (again,) = await replayed(services, replay_id)
    assert [type(result) for result in results] == [Sent]
    assert again.value == json.loads(record.value or b"")["body"]["value"].encode()
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
    results = {result.letter.id: result async for result in run}

    assert isinstance(results[sent_id], Sent)
    assert results[sent_id].found is True
    assert isinstance(results[unsent_id], Sent)
    assert results[unsent_id].found is False
    assert len(await replayed(services, replay_id)) == 2


HOSTILE_RECORDS: dict[str, tuple[bytes | None, bytes | None, Headers]] = {
    "doubled, binary and null headers": (b"k", b"{}", [("a", b"1"), ("a", b"\xff\0"), ("b", None), ("a", b"1")]),
    "a null value": (b"k", None, [("type", b"order.create")]),
    "a null key": (None, b"\xff\xfe", []),
    "neither key nor value": (None, None, []),
    "an empty key and value": (b"", b"", []),
    "larger than a letter": (b"\0" * 2_000, b"\x01" * 300_000, [("a", b"\xff")]),
}


@pytest.mark.parametrize("kind", HOSTILE_RECORDS)
async def test_a_replay_writes_byte_for_byte_what_was_given_up(services: Stack, pool: asyncpg.Pool, kind: str) -> None:
    # Given a record on the commands topic, and the letter that a consumer wrote about it,
    key, value, headers = HOSTILE_RECORDS[kind]
    producer = LogProducer(services.settings)
    await producer.start()
    offset = await producer.write(Record(COMMANDS, 2, key, value, headers), timeout=20)
    await producer.stop()
    (original,) = [record for record in await everything(services) if (record.partition, record.offset) == (2, offset)]
    message = SimpleNamespace(topic=COMMANDS, partition=2, offset=offset, key=key, value=value, headers=headers)
    letter_record_ = letter_about(message, reason=REASON_UNDECODABLE, error="", at=now())
    assert letter_record_ is not None
    (letter_id,) = await buried(services, [letter_record_])
    # When it is replayed,
    replay_id = f"rpl_{random_token()[:16]}"
    await begin_replay(pool, replay_id, "both", [letter_id], "test")
    chosen = await found(services, pool, [letter_id])
    run = Replayer(services.settings, pool, replay_id, rate=100, actor="test").run(chosen, force=True)
    assert [type(result) async for result in run] == [Sent]
    # Then its bytes are on the topic again, followed by the two marks of the replay.
    (again,) = await replayed(services, replay_id)
    assert (again.key, again.null_key) == (original.key, original.null_key)
    assert (again.value, again.tombstone) == (original.value, original.tombstone)
    assert list(again.headers[:-2]) == list(original.headers) == list(headers)
    assert [name for name, _ in again.headers[-2:]] == [HEADER_REPLAY, HEADER_REPLAYED]


async def everything(services: Stack) -> list[LogRecord]:
    async with log_reader(services.settings) as reader:
        spans = await reader.spans(await reader.partitions([COMMANDS]), Start())
        return [record async for record in reader.merged(spans)]


async def test_a_cut_letter_whose_original_is_gone_is_refused_with_a_sentence(
    services: Stack, pool: asyncpg.Pool
) -> None:
    message = SimpleNamespace(
        topic=COMMANDS, partition=2, offset=some_offset(), key=b"k", value=b"\x01" * 300_000, headers=()
    )
    letter = letter_about(message, reason=REASON_UNDECODABLE, error="", at=now())
    assert letter is not None
    (letter_id,) = await buried(services, [letter])
    ended = await gateway(services, "dlq", "replay", letter_id, "--apply", "--force")
    assert (ended.code, "its original is no longer on the log" in ended.out) == (1, True), ended


async def test_a_hostile_header_of_one_letter_hides_no_other(services: Stack, pool: asyncpg.Pool) -> None:
    ids = await buried(
        services,
        [
            letter_record(offset=some_offset(), headers=[(HEADER_REPLAYED, "²".encode())]),
            letter_record(offset=some_offset(), headers=[(HEADER_REPLAYED, None)]),
            letter_record(offset=some_offset()),
        ],
    )
    listed = await gateway(services, "dlq", "ls", "--json", "--limit", "1000")
    assert listed.code == 1, listed.err
    assert set(ids) <= {letter["id"] for letter in json.loads(listed.out)["letters"]}
    for letter_id in ids:
        for command in (("show",), ("diff",), ("replay",), ("show", "--json")):
            ended = await gateway(services, "dlq", *command, letter_id)
            assert ended.code == 0, ended.err


async def test_a_delivery_that_died_again_after_a_replay_is_not_sent_round_and_round(
    services: Stack, pool: asyncpg.Pool
) -> None:
    # Given a delivery whose letter was replayed, and that died again after its retry tiers, which keep no headers,
    first, second = (delivery_letter(some_offset()) for _ in range(2))
    first_id, second_id = await buried(services, [first, second])
    await begin_replay(pool, "rpl_" + first_id[-12:], "both", [first_id], "test")
    await mark_sending(pool, "rpl_" + first_id[-12:], first_id, to_topic=DELIVERIES, partition=0)
    (letter,) = await found(services, pool, [first_id])
    await mark_sent(
        pool, "rpl_" + first_id[-12:], first_id, topic=WEBHOOKS_DLQ, offset=1, reason="", actor="test",
        subject=letter.subject,
    )  # fmt: skip
    # When its new letter is to be replayed,
    (again,) = await found(services, pool, [second_id])
    # Then the loop guard acts.
    assert again.times_replayed == 1
    assert refusal_of(again, force=False, since=now()) is not None
    assert refusal_of(again, force=True, since=now()) is None


LOG_ID = uuid.uuid4()


def delivery_letter(offset: int) -> Record:
    record = delivery_record(Due(LOG_ID, "whe_0000000000000000", make_id(ORDER), 3), at=now(), partitions=12)
    message = SimpleNamespace(
        topic=DELIVERIES, partition=0, offset=offset, key=record.key, value=record.value, headers=record.headers
    )
    letter = letter_about(message, reason="attempts_exhausted", error="HTTP 500", at=now())
    assert letter is not None
    return letter


async def test_a_discard_can_be_taken_back_and_both_are_in_the_audit(services: Stack, pool: asyncpg.Pool) -> None:
    (letter_id,) = await buried(services, [letter_record(offset=some_offset())])
    early = await gateway(services, "dlq", "reopen", letter_id, "--reason", "too early")
    assert (early.code, "Not discarded" in early.err) == (2, True), early
    assert (await gateway(services, "dlq", "discard", letter_id, "--reason", "by mistake")).code == 0
    assert (await gateway(services, "dlq", "reopen", letter_id, "--reason", " ")).code == 2

    done = await gateway(services, "dlq", "reopen", letter_id, "--reason", "it was needed", "--json")

    assert (done.code, json.loads(done.out)) == (0, {"reopened": [letter_id]}), done
    (letter,) = await found(services, pool, [letter_id])
    assert letter.state == "open"
    assert [(row["action"], row["reason"]) for row in await history_of(pool, letter_id)] == [
        ("discarded", "by mistake"),
        ("reopened", "it was needed"),
    ]
    assert (await gateway(services, "dlq", "replay", letter_id)).code == 0


async def written(services: Stack, record: Record) -> None:
    producer = LogProducer(services.settings)
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
    (result,) = [result async for result in run]
    assert isinstance(result, Sent if sent else Refusal)
    assert len(await replayed(services, replay_id)) == int(sent)


async def test_the_dry_run_sends_nothing_and_a_discard_needs_a_reason(services: Stack, pool: asyncpg.Pool) -> None:
    (letter_id,) = await buried(services, [letter_record(offset=some_offset())])

    message = await gateway(services, "dlq", "replay", letter_id)
    assert (message.code, "nothing was sent" in message.out) == (0, True), message.err
    assert await history_of(pool, letter_id) == []

    refused = await gateway(services, "dlq", "discard", letter_id, "--reason", " ")
    assert (refused.code, refused.err.strip()) == (2, "Error: A discard needs a reason; give it with --reason.")

    done = await gateway(services, "dlq", "discard", letter_id, "--reason", "made by a test")
    assert done.code == 0, done.err
    (letter,) = await found(services, pool, [letter_id])
    assert letter.state == "discarded"
    (action,) = await history_of(pool, letter_id)
    assert action["reason"] == "made by a test"
