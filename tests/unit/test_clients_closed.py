"""A Kafka client whose start fails or is cancelled is closed: no one else holds it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from runtime.settings import Settings
from topics import admin
from topics.producer import LogProducer


class Client:
    """One that never starts, or fails to."""

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails
        self.starting = asyncio.Event()
        self.closed = False

    async def start(self) -> None:
        self.starting.set()
        if self.fails:
            raise KafkaConnectionError
        await asyncio.Event().wait()

    async def stop(self) -> None:
        self.closed = True

    close = stop


async def cancelled(starting: Any, client: Client) -> None:
    task = asyncio.create_task(starting)
    await asyncio.wait_for(client.starting.wait(), timeout=5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, timeout=5)


async def test_a_producer_whose_start_is_cancelled_is_closed() -> None:
    client: Any = Client()
    producer = LogProducer(Settings(test_mode=True), make_client=lambda **_: client)
    await cancelled(producer.start(), client)
    assert client.closed


@pytest.mark.parametrize("fails", [False, True], ids=["cancelled", "failed"])
async def test_an_admin_client_that_does_not_start_is_closed(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    client: Any = Client(fails)
    monkeypatch.setattr(admin, "AIOKafkaAdminClient", lambda **_: client)

    async def entered() -> None:
        async with admin.admin_client(Settings(test_mode=True)):
            raise AssertionError("it has not started")

    if fails:
        with pytest.raises(KafkaConnectionError):
            await entered()
    else:
        await cancelled(entered(), client)
    assert client.closed
