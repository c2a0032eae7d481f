"""What a caller gets while the log's ack is missing: a 202 only about what the broker has acknowledged."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from api.http.errors import ApiError
from api.process.bus import CommandBus
from runtime.settings import Settings
from tests.support.command_client import fresh, order_command
from topics.producer import LogUnavailableError

DEADLINE_MS = 50


class SilentLog:
    """A log whose acks are made to end as a test wants it."""

    def __init__(self, *, fails_at_deadline: bool) -> None:
        self._fails_at_deadline = fails_at_deadline

    def send(self, _record: object, *, timeout: float) -> asyncio.Future[object]:
        loop = asyncio.get_running_loop()
        ack: asyncio.Future[object] = loop.create_future()
        if self._fails_at_deadline:
            # Due just after the deadline, and the loop is busy beyond both: they come in one turn of the loop.
            loop.call_later(1.5 * DEADLINE_MS / 1000, ack.set_exception, LogUnavailableError("the broker is gone"))
            loop.call_later(0.5 * DEADLINE_MS / 1000, time.sleep, 2 * DEADLINE_MS / 1000)
        else:
            loop.call_soon(ack.cancel)
        return ack

    def renew(self) -> None:
        """Nothing to replace."""


@pytest.mark.parametrize("fails_at_deadline", [True, False], ids=["failed at the deadline", "cancelled"])
async def test_a_command_that_the_log_did_not_accept_is_never_reported_as_accepted(fails_at_deadline: bool) -> None:
    nothing: Any = None
    log: Any = SilentLog(fails_at_deadline=fails_at_deadline)
    bus = CommandBus(Settings(test_mode=True, decision_timeout_ms=DEADLINE_MS), "api-0", log, nothing, nothing)
    order_id = fresh("order_")
    with pytest.raises(ApiError) as error:
        await bus.submit(order_command(order_id), key=None, request_id="req_test", resource_id=order_id)
    assert error.value.status == 503
