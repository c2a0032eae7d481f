"""The log read from outside: merged by time, filtered, followed, undecodable records shown, one sentence when it is
unavailable."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from domain.ids import ORDER
from domain.order import CreateOrder
from ops.console.names import named_topics
from ops.log.lag import group_lags
from ops.log.selection import filters_of
from ops.log.tail import Tail, tailed
from runtime.clock import make_id, now, random_token
from tests.support.command import gateway, started_gateway
from tests.support.stack import Stack
from topics.catalogue import COMMANDS, EVENTS, partition_of
from topics.codec import command_envelope
from topics.envelope import encode
from topics.location import locate
from topics.producer import Headers, LogProducer, Record
from topics.reader import Start, log_reader
from topics.records import LogRecord


def order_record(services: Stack, order_id: str, *, topic: str = COMMANDS, amount: int = 500) -> Record:
    command = CreateOrder(order_id, "test_merchant", amount, "INR", None, {"mail": "alpha@example"})
    value = encode(command_envelope(command, command_id=f"cmd_{random_token()[:16]}", at=now(), request_id=None))
    key = order_id.encode()
    partition = partition_of(key, services.settings.topic_partitions)
    return Record(topic, partition, key, value, [("type", b"order.create"), ("mark", order_id.encode())])


async def publish(services: Stack, *records: Record) -> None:
    """One after the other, so that their times differ."""
    producer = LogProducer(services.settings)
    await producer.start()
    for record in records:
        await producer.publish([record], timeout=20)
        await asyncio.sleep(0.002)
    await producer.stop()


async def test_a_reader_that_reads_nothing_closes_like_any_other(services: Stack) -> None:
    async with log_reader(services.settings):
        pass


def tail_of(
    services: Stack,
    *names: str,
    limit: int = 0,
    follow: bool = False,
    order_id: str | None = None,
    headers: Sequence[str] = (),
    where: str | None = None,
) -> Tail:
    return Tail(
        topics=tuple(named_topics(names, services.settings)),
        filters=filters_of(words=(order_id,), headers=headers, where=where),
        start=Start(),
        order_id=order_id,
        limit=limit,
        follow=follow,
    )


async def test_topics_and_partitions_are_merged_by_time(services: Stack) -> None:
    mark = random_token()
    orders = [make_id(ORDER) for _ in range(12)]
    records = [order_record(services, one, topic=(COMMANDS, EVENTS)[n % 2]) for n, one in enumerate(orders)]
    await publish(services, *(Record(r.topic, r.partition, r.key, r.value, [("run", mark.encode())]) for r in records))

    requested = tail_of(services, "commands", "events", headers=[f"run={mark}"])
    seen = [record async for record in tailed(services.settings, requested)]

    assert [record.key.decode() for record in seen] == orders
    assert [record.at_ms for record in seen] == sorted(record.at_ms for record in seen)


async def test_the_last_that_match_are_shown(services: Stack) -> None:
    order_id = make_id(ORDER)
    await publish(services, *(order_record(services, order_id, amount=500 + n) for n in range(6)))
    requested = tail_of(services, "commands", limit=2, order_id=order_id, where="amount < 505")
    seen = [record async for record in tailed(services.settings, requested)]
    assert [record.json["body"]["amount"] for record in seen if record.json] == [503, 504]


async def test_following_shows_what_arrives(services: Stack) -> None:
    order_id = make_id(ORDER)
    requested = tail_of(services, "commands", limit=1, follow=True, order_id=order_id)
    await publish(services, order_record(services, order_id, amount=600))
    stream = tailed(services.settings, requested)

    async def next_amount() -> int:
        record: LogRecord = await asyncio.wait_for(anext(stream), timeout=20)
        assert record.json is not None
        return int(record.json["body"]["amount"])

    assert await next_amount() == 600
    arriving = asyncio.create_task(next_amount())
    await asyncio.sleep(0.3)
    await publish(services, order_record(services, order_id, amount=700))
    assert await arriving == 700
    await stream.aclose()  # type: ignore[attr-defined]  # an async generator


async def test_records_are_located_by_partition_and_time(services: Stack) -> None:
    early, late, other = make_id(ORDER), make_id(ORDER), make_id(ORDER)
    began = now()
    await publish(services, order_record(services, early), order_record(services, other), order_record(services, late))
    async with log_reader(services.settings) as reader:
        found = await locate(
            reader, COMMANDS, late, [(began, "never_there")], counts=services.settings.partition_counts
        )
    assert [record.key for record in found] == [late.encode()]


async def test_lag_is_shown_in_records_and_in_time(services: Stack) -> None:
    group, order_id = f"test_{random_token()[:12]}", make_id(ORDER)
    await publish(services, *(order_record(services, order_id) for _ in range(3)))
    partition = TopicPartition(COMMANDS, partition_of(order_id.encode(), services.settings.topic_partitions))
    consumer = AIOKafkaConsumer(
        bootstrap_servers=services.kafka_bootstrap_servers, group_id=group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        await consumer.commit({partition: end - 2})
    finally:
        await consumer.stop()

    (found,) = [one for one in await group_lags(services.settings) if one.group == group]

    assert partition.partition in found.partitions_behind
    assert found.unread >= 2
    assert found.members == 0
    assert found.oldest_unread_seconds is not None


async def test_an_undecodable_record_is_shown_and_ends_nothing(services: Stack) -> None:
    key = f"bad_{random_token()}".encode()
    await publish(services, Record(COMMANDS, 0, key, b"\xff\xfe payer@okbank", [("type", b"order.create")]))
    shown = await gateway(services, "topics", "tail", "commands", "--key", key.decode())
    assert shown.code == 0, shown.err
    assert "undecodable" in shown.out
    assert "ff fe" in shown.out
    assert b"payer".hex(" ") not in shown.out


async def test_hostile_records_are_shown_and_end_nothing(services: Stack) -> None:
    # Given records that an ordinary producer may write,
    mark = random_token().encode()
    deep = b'{"a":' * 600 + b"1" + b"}" * 600
    hostile: list[tuple[bytes | None, bytes | None, Headers]] = [
        (mark, None, []),
        (mark, b"", []),
        (mark, b"{}", [("type", None), ("a", b"1"), ("a", b"\xff\xfe"), ("", b"")]),
        (mark, b"\xff" * 400_000, []),
        (mark, deep, []),
        (mark, b'{"type": [], "body": {"payment": {"amount": "x"}}}', [("type", b"\xff")]),
        (None, b"no key " + mark, []),
    ]
    await publish(services, *(Record(COMMANDS, 1, *parts) for parts in hostile))
    # Then every form of tail shows all of them,
    for more in (
        (),
        ("--full",),
        ("--json",),
        ("--json", "--unmask"),
        ("--full", "--unmask"),
        ("--where", "amount > 1"),
    ):
        shown = await gateway(
            services, "topics", "tail", "commands", "--partition", "1", "-n", str(len(hostile)), *more
        )
        assert shown.code == 0, shown.err
        if "--json" in more:
            lines = [json.loads(line) for line in shown.out.splitlines()]
            assert [("value" in line, line["key"] is None) for line in lines] == [
                (True, False),
                *[(False, False)] * 5,
                (False, True),
            ]
            assert len(lines[2]["header_list"]) == 4
            assert len(lines[3]["hex"]) > 1_000_000
    # and so does everything that reads the topic for another reason.
    for command in (("topics", "lag"), ("topics", "describe", "commands"), ("topics", "list")):
        assert (await gateway(services, *command)).code == 0


async def test_a_tail_ends_before_an_instant_and_reads_only_the_partitions_it_is_given(services: Stack) -> None:
    order_id = make_id(ORDER)
    record = order_record(services, order_id)
    await publish(services, record)
    await asyncio.sleep(0.05)
    between = now()
    await publish(services, record)
    requested = ("topics", "tail", "commands", "--key", order_id, "--json")
    before = await gateway(services, *requested, "--until", between.isoformat())
    assert len(before.out.splitlines()) == 1, before
    other = (record.partition + 1) % services.settings.topic_partitions
    assert len((await gateway(services, *requested, "-p", str(record.partition))).out.splitlines()) == 2
    assert (await gateway(services, *requested, "-p", str(other))).out == ""
    nowhere = await gateway(services, *requested, "-p", "999")
    assert (nowhere.code, "has a partition 999" in nowhere.err) == (2, True), nowhere


@pytest.mark.parametrize(
    "arguments", [("topics", "tail", "-n", "0"), ("topics", "tail", "-n", "0", "--json"), ("topics", "schemas")]
)
async def test_a_closed_pipe_ends_a_command_quietly(services: Stack, arguments: tuple[str, ...]) -> None:
    await publish(services, *(order_record(services, make_id(ORDER)) for _ in range(3)))
    running = await started_gateway(services, *arguments)
    assert running.stdout is not None and running.stderr is not None
    running.stdout._transport.close()  # type: ignore[attr-defined]  # the reader has gone, as `head` does
    async with asyncio.timeout(60):
        message = await running.stderr.read()
        code = await running.wait()
    assert (code, message) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "env", "code", "message"),
    [
        (("topics", "tail", "evnts"), {}, 2, "did you mean 'events'?"),
        (("topics", "tail", "--where", "amount >"), {}, 2, "expected a value"),
        (("topics", "show", "events/0/99999999"), {}, 2, "There is no record at"),
        (("journey", "order_0000000000000000"), {}, 2, "No order 'order_0000000000000000' is known"),
        (("topics", "list"), {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, 4, "The log at 127.0.0.1:1 is unavailable"),
        (("journey", "pay_0000000000000000"), {"DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}, 4, "is unavailable"),
        (("stuck",), {"REDIS_URL": "redis://127.0.0.1:1/0"}, 4, "Redis is unavailable"),
        (("dlq", "show", "dlq_nothing"), {}, 2, "There is no dead letter"),
        (("topics", "tail", "--since", "99999999d"), {}, 2, "before the year 1"),
        (("topics", "tail", "--since", "999999999999d"), {}, 2, "is too long"),
        (("topics", "tail", "--until", "1m", "--follow"), {}, 2, "exclude each other"),
        (("listen", "--secret", "whsec_"), {}, 2, "The secret must be whsec_"),
        (("trigger", "webhook.tset"), {}, 2, "'webhook.tset' is not an event type"),
    ],
)
async def test_an_error_is_one_sentence_and_an_exit_code(
    services: Stack, arguments: tuple[str, ...], env: dict[str, str], code: int, message: str
) -> None:
    ended = await gateway(services, *arguments, **env)
    assert ended.code == code, ended.err
    assert message in ended.err
    assert len(ended.err.strip().splitlines()) == 1
