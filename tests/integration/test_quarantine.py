"""A record over which workers die: counted in a real Redis, a dead letter on a real broker, and the partition
continues."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
import redis.asyncio as redis
from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.consumer import LogConsumer
from agents.payments.actor import PaymentActor
from agents.payments.batches import Batches
from agents.payments.intake import Incoming
from agents.quarantine import DEATHS_MAX, RESCUES_MAX, Quarantine
from domain.ids import ORDER
from runtime.clock import random_token
from store.errors import DatabaseUnavailableError
from store.redis.clients import make_redis
from tests.support.actor import Bench
from tests.support.command_client import fresh, order_command
from tests.support.stack import Stack
from topics.catalogue import COMMANDS, DELIVERIES, PAYMENTS_DLQ, WEBHOOKS_DLQ
from topics.producer import LogProducer, Record
from topics.reader import Start, log_reader


@pytest.fixture
async def client(services: Stack) -> AsyncIterator[redis.Redis]:
    made = make_redis(services.settings)
    yield made
    await made.aclose()


async def life(services: Stack, client: redis.Redis, name: str) -> Quarantine:
    """A worker that has just started."""
    made = Quarantine(services.settings, client, group=name, worker=name)
    await made.begin_life()
    return made


def record_at(offset: int, topic: str = COMMANDS, key: bytes = b"k") -> Any:
    return SimpleNamespace(
        topic=topic, partition=0, offset=offset, key=key, value=b"{}", headers=(), timestamp=1_770_000_000.0
    )


async def letters_of_key(services: Stack, topic: str, key: bytes) -> list[dict[str, Any]]:
    async with log_reader(services.settings) as reader:
        spans = await reader.spans(await reader.partitions([topic]), Start())
        return [record.json["body"] async for record in reader.merged(spans) if record.key == key and record.json]


async def test_a_worker_is_careful_only_after_a_life_that_ended_badly(services: Stack, client: redis.Redis) -> None:
    name = random_token()
    first = await life(services, client, name)
    assert not first.careful
    second = await life(services, client, name)
    assert second.careful
    await second.end_life()
    assert not (await life(services, client, name)).careful


async def test_the_third_death_over_a_record_gives_it_up(services: Stack, client: redis.Redis) -> None:
    name, key = random_token(), random_token().encode()
    for _ in range(DEATHS_MAX):
        assert await (await life(services, client, name)).admits(record_at(5, key=key))
    assert not await (await life(services, client, name)).admits(record_at(5, key=key))
    (letter,) = await letters_of_key(services, PAYMENTS_DLQ, key)
    assert letter["reason"] == "quarantined"
    assert letter["origin"]["offset"] == 5
    assert await (await life(services, client, name)).admits(record_at(6, key=key))


@pytest.mark.parametrize("error", [OSError(), DatabaseUnavailableError(), ExceptionGroup("roles", [TimeoutError()])])
async def test_what_the_surroundings_cause_is_not_counted(
    services: Stack, client: redis.Redis, error: Exception
) -> None:
    name = random_token()
    for _ in range(DEATHS_MAX + 2):
        worker = await life(services, client, name)
        assert await worker.admits(record_at(5))
        await worker.ended_by(error)


async def test_work_that_ends_well_is_not_counted(services: Stack, client: redis.Redis) -> None:
    worker = await life(services, client, random_token())
    for _ in range(DEATHS_MAX + 2):
        assert await worker.admits(record_at(5))
        await worker.absolve()


async def test_a_role_continues_after_a_record_that_kills_it(services: Stack, client: redis.Redis) -> None:
    # Given a record that kills whoever works on it, before a good one,
    name, good, deadly = random_token(), random_token().encode(), random_token().encode()
    producer = LogProducer(services.settings)
    await producer.start()
    offset = await producer.write(Record(DELIVERIES, 3, deadly, b"{}"), timeout=20)
    await producer.write(Record(DELIVERIES, 3, good, b"{}"), timeout=20)
    await producer.stop()
    await committed(services, name, offset)
    # When the runner starts the worker again and again,
    lives = 1
    while not await one_life(services, client, name, deadly=deadly, good=good):
        lives += 1
        assert lives < 10
    # Then it has died once unmarked and three times marked, and the good record was met; the other is a letter.
    assert lives == 1 + DEATHS_MAX + 1
    (letter,) = await letters_of_key(services, WEBHOOKS_DLQ, deadly)
    assert (letter["reason"], letter["origin"]["offset"]) == ("quarantined", offset)


async def committed(services: Stack, group: str, offset: int) -> None:
    """The group stands before `offset` of partition 3, and at the end of the others."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=services.kafka_bootstrap_servers, group_id=group, enable_auto_commit=False
    )
    await consumer.start()
    partitions = [TopicPartition(DELIVERIES, n) for n in range(services.settings.topic_partitions)]
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    await consumer.commit({**ends, TopicPartition(DELIVERIES, 3): offset})
    await consumer.stop()


async def one_life(services: Stack, client: redis.Redis, name: str, *, deadly: bytes, good: bytes) -> bool:
    """True if the good record was met; False if the worker died, without a word to anybody."""
    quarantine = await life(services, client, name)
    consumer = LogConsumer(services.settings, DELIVERIES, group=name, member=name, quarantine=quarantine)
    await consumer.start()
    try:
        for _ in range(200):
            for partition, messages in (await consumer.take(wait_ms=100)).items():
                for message in messages:
                    mark = consumer.offsets.begin(partition, message.offset)
                    if message.key == deadly:
                        return False
                    consumer.offsets.done(mark)
                    if message.key == good:
                        return True
        raise AssertionError("neither record came")
    finally:
        await consumer.raw.stop()


async def test_the_payment_actor_continues_after_a_command_that_kills_it(services: Stack, client: redis.Redis) -> None:
    # Given a command that ends the process in a way that no handler sees,
    name, deadly = random_token(), random_token().encode()
    events = [SimpleNamespace(message=record_at(7, key=deadly)), SimpleNamespace(message=record_at(8))]
    acked: list[int] = []
    deaths = 0
    while len(acked) < len(events):
        try:
            await worker_of(events[len(acked) :], acked, await life(services, client, name), deadly)
        except SystemExit:
            deaths += 1
            assert deaths < 10
    # Then it is acked as a letter after its third marked death, and the next command is decided.
    assert (deaths, acked) == (1 + DEATHS_MAX, [7, 8])
    (letter,) = await letters_of_key(services, PAYMENTS_DLQ, deadly)
    assert letter["reason"] == "quarantined"


async def worker_of(events: list[Any], acked: list[int], quarantine: Quarantine, deadly: bytes) -> None:
    class Actor:
        async def prepare(self, messages: list[Any]) -> None:
            if any(message.key == deadly for message in messages):
                raise SystemExit

        async def finish(self, prepared: None) -> None: ...

        async def rescue(self, _message: Any) -> bool:
            return False

    async def stream() -> AsyncIterator[Any]:
        for event in events:
            yield event

    async def ack(event: Any) -> None:
        acked.append(event.message.offset)

    batches = Batches(Actor(), lambda *_: None, quarantine)  # type: ignore[arg-type]  # all that the loop needs
    await batches.run(stream(), SimpleNamespace(empty=lambda: True), ack)


async def died_over(services: Stack, client: redis.Redis, name: str, message: Any, times: int = DEATHS_MAX) -> None:
    for _ in range(times):
        assert await (await life(services, client, name)).admits(message)


def message_of(incoming: Incoming) -> Any:
    """The record as Faust gives it."""
    origin = incoming.origin
    return SimpleNamespace(
        topic=origin.topic, partition=origin.partition, offset=origin.offset, key=incoming.key, value=incoming.value,
        headers=incoming.headers, timestamp=incoming.logged_at.timestamp(),
    )  # fmt: skip


async def next_life(services: Stack, client: redis.Redis, name: str, actor: PaymentActor, message: Any) -> list[int]:
    """The loop of the actor's next life over this one record; returns the offsets that were acked."""
    acked: list[int] = []

    async def stream() -> AsyncIterator[Any]:
        yield SimpleNamespace(message=message)

    async def ack(event: Any) -> None:
        acked.append(event.message.offset)

    batches = Batches(actor, lambda *_: None, await life(services, client, name))
    await batches.run(stream(), SimpleNamespace(empty=lambda: True), ack)
    return acked


async def test_a_command_that_was_decided_before_its_workers_died_is_published_and_not_buried(
    services: Stack, client: redis.Redis, bench: Bench
) -> None:
    # Given a command that was committed, and workers that died before its events were on the log, again and again,
    name, order_id = random_token(), fresh(ORDER)
    creation = bench.submitted(order_command(order_id))
    died = await (await bench.actor()).prepare([creation])
    await died.replying
    message = message_of(creation)
    await died_over(services, client, name, message)
    # when the next one meets the record,
    acked = await next_life(services, client, name, await bench.actor(), message)
    # then the event is published, once, the record is no dead letter, and the partition goes on.
    assert acked == [message.offset]
    rows = await bench.command_client.pool.fetch("SELECT payload FROM events WHERE order_id = $1", order_id)
    assert await bench.event_records(order_id) == [row["payload"].encode() for row in rows]
    assert len(rows) == 1
    assert await bench.letters(order_id) == []
    # The deaths are forgotten.
    assert await (await life(services, client, name)).admits(message)


async def test_a_command_that_has_led_to_nothing_is_buried_and_never_decided(
    services: Stack, client: redis.Redis, bench: Bench
) -> None:
    name, order_id = random_token(), fresh(ORDER)
    message = message_of(bench.submitted(order_command(order_id)))
    await died_over(services, client, name, message)
    assert await next_life(services, client, name, await bench.actor(), message) == [message.offset]
    assert await bench.reasons(order_id) == ["quarantined"]
    assert await bench.events(order_id) == []


async def test_a_record_that_kills_its_rescuers_is_buried_after_all(services: Stack, client: redis.Redis) -> None:
    name, key = random_token(), random_token().encode()
    message = record_at(9, key=key)
    await died_over(services, client, name, message)

    async def deadly() -> bool:
        raise SystemExit

    for _ in range(RESCUES_MAX):
        with pytest.raises(SystemExit):
            await (await life(services, client, name)).admits(message, rescue=deadly)
    assert not await (await life(services, client, name)).admits(message, rescue=deadly)
    (letter,) = await letters_of_key(services, PAYMENTS_DLQ, key)
    assert "gateway verify" in letter["error"]


async def test_an_outage_during_a_rescue_takes_the_deaths_back(services: Stack, client: redis.Redis) -> None:
    name, message = random_token(), record_at(10)
    await died_over(services, client, name, message)

    async def in_an_outage() -> bool:
        raise DatabaseUnavailableError

    worker = await life(services, client, name)
    with pytest.raises(DatabaseUnavailableError) as outage:
        await worker.admits(message, rescue=in_an_outage)
    await worker.ended_by(outage.value)
    assert await (await life(services, client, name)).admits(message)
