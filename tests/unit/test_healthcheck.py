"""The containers' health check: every worker of a role must return 200 on its own port."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from ops.stack import healthcheck


class Responding(http.server.BaseHTTPRequestHandler):
    """200 for /health, 404 for the rest."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test's output is not its log."""


@pytest.fixture
def port() -> Iterator[int]:
    """A server on this machine that is healthy."""
    with http.server.HTTPServer(("127.0.0.1", 0), Responding) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_the_api_is_probed_on_its_public_port(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", str(port))
    assert list(healthcheck.addresses("api")) == [(port, "/health")]
    assert healthcheck.main("api") == 0


def test_a_worker_that_does_not_respond_is_named(
    port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("METRICS_PORT", str(port - 20))
    monkeypatch.setenv("ACTOR_WORKERS", "2")
    assert list(healthcheck.addresses("payments")) == [(port, "/health"), (port + 1, "/health")]
    assert healthcheck.main("payments") == 1
    assert capsys.readouterr().out.startswith(f"payments: port {port + 1}/health: ")


def test_pages_must_serve_their_files_too(
    port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("METRICS_PORT", str(port - 70))
    monkeypatch.setenv("DASHBOARD_PORT", str(port))
    assert healthcheck.main("pages") == 1
    assert capsys.readouterr().out == f"pages: port {port}/login: 404\n"
