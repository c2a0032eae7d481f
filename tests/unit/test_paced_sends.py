"""Records that callers send one by one: handed over at once, together where many come, and every caller hears of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaError, RequestTimedOutError

from runtime.settings import Settings
from tests.support.eventually import eventually
from topics import producer as module
from topics.producer import LogProducer, LogUnavailableError, Record

SECONDS = 5.0


class Batch:
    """aiokafka's, with room for three records."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []

    def append(self, *, value: bytes | None, **_more: Any) -> object | None:
        if len(self.values) == 3:
            return None
        self.values.append(value)
        return object()

    def record_count(self) -> int:
        return len(self.values)

    def close(self) -> None: ...


class Client:
    """aiokafka's producer: remembers what was handed over, and acks when it is told to."""

    def __init__(self, **_options: Any) -> None:
        self.sent: list[tuple[int, list[bytes | None]]] = []
        self.acks: list[asyncio.Future[object]] = []
        self.refuses = False

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, _topic: str, *, partition: int) -> asyncio.Future[object]:
        if self.refuses:
            raise KafkaError("the producer is closed")
        self.sent.append((partition, batch.values))
        self.acks.append(asyncio.get_running_loop().create_future())
        return self.acks[-1]


def record(value: bytes, partition: int = 0) -> Record:
    return Record("topic", partition, b"key", value)


@pytest.fixture
async def client() -> Client:
    return Client()


@pytest.fixture
async def producer(client: Client, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = LogProducer(Settings(test_mode=True), make_client=lambda **_options: client)
    monkeypatch.setattr(module, "PACE_SECONDS", 0.0)
    async with made:
        yield made


async def turns() -> None:
    """Let every task go as far as it can."""
    for _ in range(30):
        await asyncio.sleep(0)


async def test_one_record_is_handed_over_at_once_and_ends_with_its_ack(producer: LogProducer, client: Client) -> None:
    ack = producer.send(record(b"1"), timeout=SECONDS)
    await turns()
    assert client.sent == [(0, [b"1"])]
    assert not ack.done()
    client.acks[0].set_result("offset 7")
    assert await ack == "offset 7"


async def test_after_records_that_went_together_the_next_are_gathered_until_their_time(
    producer: LogProducer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PACE_SECONDS", 3_600.0)
    for value in (b"1", b"2"):
        producer.send(record(value), timeout=SECONDS)
    await turns()
    client.acks[0].set_result(None)
    await turns()
    producer.send(record(b"3"), timeout=SECONDS)
    await turns()
    assert client.sent == [(0, [b"1", b"2"])]


async def test_after_a_record_that_went_alone_the_next_is_not_held_back(
    producer: LogProducer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PACE_SECONDS", 3_600.0)
    for value in (b"1", b"2", b"3"):
        producer.send(record(value), timeout=SECONDS)
        await turns()
        client.acks[-1].set_result(None)
        await turns()
    assert client.sent == [(0, [b"1"]), (0, [b"2"]), (0, [b"3"])]


async def test_records_that_arrive_in_between_go_together_in_order_once_the_first_is_acked(
    producer: LogProducer, client: Client
) -> None:
    producer.send(record(b"1"), timeout=SECONDS)
    await turns()
    later = [producer.send(record(b"%d" % n, n % 2), timeout=SECONDS) for n in range(2, 10)]
    await turns()
    # A partition whose leader is gone acks nothing, and holds up no other.
    assert client.sent[1:] == [(1, [b"3", b"5", b"7"]), (1, [b"9"])]
    client.acks[0].set_result(None)
    await turns()
    # A partition's records go in the order they were sent, in as many batches as they fill.
    assert client.sent[3:] == [(0, [b"2", b"4", b"6"]), (0, [b"8"])]
    # Each batch's ack is that of its records, and of no others.
    client.acks[1].set_result(None)
    await turns()
    assert [ack.done() for ack in later] == [False, True, False, True, False, True, False, False]


async def test_waiting_callers_get_an_error_when_the_producer_stops(producer: LogProducer, client: Client) -> None:
    producer.send(record(b"1"), timeout=SECONDS)
    await turns()
    waiting = producer.send(record(b"2"), timeout=SECONDS)
    await producer.stop()
    with pytest.raises(LogUnavailableError, match="stopped"):
        await waiting


async def test_an_error_of_the_broker_is_heard_by_the_callers_of_its_batch(
    producer: LogProducer, client: Client
) -> None:
    failing, lasting = (producer.send(record(b"1", n), timeout=SECONDS) for n in (0, 1))
    await turns()
    client.acks[0].set_exception(RequestTimedOutError())
    client.acks[1].set_result(None)
    await lasting
    with pytest.raises(LogUnavailableError, match="RequestTimedOutError"):
        await failing


async def test_records_that_cannot_be_handed_over_fail_and_the_next_go_over_another_connection(
    producer: LogProducer, client: Client
) -> None:
    client.refuses = True
    with pytest.raises(LogUnavailableError, match="the producer is closed"):
        await producer.send(record(b"1"), timeout=SECONDS)
    client.refuses = False
    assert producer._renewal is not None
    await producer._renewal
    ack = producer.send(record(b"2"), timeout=SECONDS)
    await turns()
    client.acks[0].set_result(None)
    await ack


async def test_a_portion_without_a_response_holds_up_the_next_for_its_timeout_only(
    producer: LogProducer, client: Client
) -> None:
    producer.send(record(b"1"), timeout=0.01)
    await turns()
    second = producer.send(record(b"2"), timeout=0.01)
    await eventually(lambda: len(client.sent) == 2)
    client.acks[1].set_result(None)
    await second


async def test_a_caller_that_gave_up_does_not_take_the_others_down(producer: LogProducer, client: Client) -> None:
    gone, waiting = (producer.send(record(b"%d" % n), timeout=SECONDS) for n in (1, 2))
    await turns()
    gone.cancel()
    client.acks[0].set_result(None)
    await waiting


async def test_so_many_records_wait_and_no_more(
    producer: LogProducer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 2)
    for value in (b"1", b"2"):
        producer.send(record(value), timeout=SECONDS)
    with pytest.raises(LogUnavailableError, match="2 records wait"):
        producer.send(record(b"3"), timeout=SECONDS)
