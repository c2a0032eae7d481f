"""Log lines: what they never contain, and what happens if they cannot be written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import orjson
import pytest
import structlog

from runtime.logs import configure_logs, get_logger
from runtime.settings import Settings


@pytest.fixture(autouse=True)
def as_configured() -> Iterator[None]:
    """Every line is JSON; the configuration of other tests is as it was afterwards."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()


def _configure() -> None:
    configure_logs(Settings(test_mode=True, log_json=True, log_level="info"), role="api", worker="api-0")


def test_a_line_is_one_fact_with_its_process(capsys: pytest.CaptureFixture[str]) -> None:
    _configure()
    get_logger("orders").info("order_created", order_id="order_1")
    line = orjson.loads(capsys.readouterr().err)
    assert (line["event"], line["part"], line["worker"], line["order_id"]) == (
        "order_created",
        "orders",
        "api-0",
        "order_1",
    )


def test_card_data_is_left_out_at_any_depth(capsys: pytest.CaptureFixture[str]) -> None:
    _configure()
    get_logger("orders").info("body", payment={"card": [{"number": "4111111111111111"}], "note": [{"cvv": "123"}]})
    message = capsys.readouterr().err
    assert "4111" not in message
    assert "123" not in message.partition("timestamp")[0]


def test_payers_data_is_omitted_at_any_depth(capsys: pytest.CaptureFixture[str]) -> None:
    _configure()
    payer = {"email": "asha@example.com", "contact": "+919876543210", "vpa": "asha@okbank"}
    get_logger("orders").info("body", payment=[payer], customer={"name": "Asha Rao"})
    message = capsys.readouterr().err
    assert "asha" not in message.lower() and "9876" not in message


def test_a_full_disk_costs_lines_but_no_response(monkeypatch: pytest.MonkeyPatch) -> None:
    _configure()
    with suppress(OSError), Path("/dev/full").open("w", buffering=1, encoding="utf-8") as full:
        monkeypatch.setattr("sys.stderr", full)
        for _ in range(1_000):
            get_logger("orders").warning("order_refused", padding="x" * 100)
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space"):
            full.flush()


def test_a_command_that_never_configures_its_logs_keeps_them_off_its_output() -> None:
    code = "from runtime.logs import get_logger; get_logger('x').warning('happened'); print('result')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, "happened" in done.stderr) == ("result\n", True)
