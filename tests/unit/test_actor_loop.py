"""The actor's Kafka client lives in the actor's own loop, under Faust's service of that name, and ends with it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from agents.payments.app import make_app
from agents.payments.transport import InLoop
from runtime.settings import Settings
from runtime.worker import Worker

STOP_SECONDS = 5.0


class Client:
    """aiokafka's consumer, as far as Faust starts and stops it."""

    def __init__(self) -> None:
        self.did: list[tuple[str, threading.Thread, asyncio.AbstractEventLoop]] = []

    async def start(self) -> None:
        self._note("start")

    async def stop(self) -> None:
        self._note("stop")

    async def commit(self, _offsets: Any) -> None:
        self._note("commit")

    def _note(self, what: str) -> None:
        self.did.append((what, threading.current_thread(), asyncio.get_running_loop()))


@pytest.fixture
async def app(tmp_path: Path) -> Any:
    return make_app(Settings(test_mode=True, metrics_port=0), Worker("payments", 0, "payments-0", 0), tmp_path)


async def test_the_client_starts_works_and_stops_in_the_loop_of_the_actor(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given the actor's consumer with a client of ours,
    client = Client()
    monkeypatch.setattr(InLoop, "_create_consumer", lambda _self, loop: client)
    threads = threading.active_count()
    service = app.consumer._thread
    # when Faust starts it, calls it and stops it,
    await service.maybe_start()
    await service.call_thread(client.commit, {})
    async with asyncio.timeout(STOP_SECONDS):
        await service.stop()
    # then all of it took place here, without another thread or a task that goes on.
    here = threading.current_thread(), asyncio.get_running_loop()
    assert [(what, *where) for what, *where in client.did] == [(what, *here) for what in ("start", "commit", "stop")]
    assert threading.active_count() == threads
    assert not service._futures


async def test_nobody_samples_every_message(app: Any) -> None:
    list(app.on_init_dependencies())
    assert list(app.sensors) == []
