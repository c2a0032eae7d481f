"""An error of the command line names what to do next."""

from __future__ import annotations

import pytest
from aiokafka.errors import KafkaConnectionError

from ops.console import exit_codes
from ops.console.errors import GatewayError
from runtime.settings import Settings
from store.errors import DatabaseUnavailableError
from topics.producer import LogUnavailableError


@pytest.mark.parametrize(
    "error",
    [KafkaConnectionError("refused"), LogUnavailableError("no broker"), DatabaseUnavailableError("x"), OSError("x")],
    ids=lambda error: type(error).__name__,
)
def test_an_unavailable_service_is_an_error_with_the_next_step(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable(settings: Settings) -> Settings:
        raise error

    async def nothing(settings: Settings) -> None:
        raise AssertionError("the work began without its services")

    monkeypatch.setattr(exit_codes, "single_plan", lambda: None)
    monkeypatch.setattr(exit_codes, "enter", lambda _: Settings(test_mode=True))
    monkeypatch.setattr(exit_codes, "counted", unavailable)

    with pytest.raises(GatewayError) as raised:
        exit_codes.run(nothing)

    assert raised.value.exit_code == exit_codes.UNREACHABLE
    assert "`gateway health`" in str(raised.value)
    assert "`gateway up`" in str(raised.value)
