"""The actor's health page, served by the internal port's thread, does not touch Faust until the actor is ready."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import faust
import pytest

from agents.payments.app import PaymentAgents
from runtime.settings import Settings
from runtime.worker import Worker


def test_health_before_the_start_does_not_make_the_consumer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an actor that has not started: its consumer would be bound to the loop of whoever asks first.
    monkeypatch.setenv("TEST_MODE", "true")
    agents = PaymentAgents(Settings(), Worker("payments", 0, "payments-0", 0), tmp_path)
    # When the runner asks for its health,
    with mock.patch.object(faust.App, "_new_consumer", side_effect=AssertionError("made by the wrong thread")):
        healthy, facts = agents.health()
    # Then it says "not yet" and nothing was made.
    assert not healthy
    assert facts["lag"] == 0


async def test_an_actor_is_ready_once_the_group_has_given_it_its_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an actor whose connections stand, but which the group has not let in yet,
    monkeypatch.setenv("TEST_MODE", "true")
    agents = PaymentAgents(Settings(), Worker("payments", 0, "payments-0", 0), tmp_path)
    agents._ready = True
    with mock.patch.object(PaymentAgents, "_lag", return_value=0):
        assert not agents.health()[0]
        # When it gets its partitions, then it is ready.
        await agents._on_assigned(agents.app, set())
        assert agents.health()[0]
