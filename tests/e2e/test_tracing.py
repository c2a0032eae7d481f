"""Traces on the whole stack: one payment, its bank and its webhook are one tree at an OpenTelemetry collector."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.api import seeded
from tests.support.eventually import eventually
from tests.support.stack import Stack, running_stack

ROLES = ("api", "payments", "processor", "sweeper", "planner", "dispatcher", "forwarder")
EXPECTED = {
    "request payment.create": None,
    "payment.create": "request payment.create",
    "actor payment.create": "payment.create",
    "payment.created": "actor payment.create",
    "payment.processing": "actor payment.create",
    "bank": "payment.created|payment.processing",
    "payment.settle": "bank",
    "actor payment.settle": "payment.settle",
    "payment.success": "actor payment.settle",
    "webhook payment.success": "payment.success",
}
"""Span -> its parent."""


class Collector:
    """Takes OTLP over HTTP, and webhooks under /hook."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/traces":
                    collector.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, body: bytes) -> None:
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for of_scope in of_resource.scope_spans:
                self.spans += of_scope.spans

    def trace_with(self, name: str) -> list[Any]:
        """Spans of the trace that has a span of this name."""
        traces = {span.trace_id for span in self.spans if span.name == name}
        return [span for span in self.spans if span.trace_id in traces]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    one = Collector()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture(scope="module")
def traced(request: pytest.FixtureRequest, collector: Collector) -> Iterator[Stack]:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "API_WORKERS": "1"}
    with running_stack(roles=ROLES, env=environment, failed=lambda: request.session.testsfailed > 0) as stack:
        yield stack


async def test_a_payment_with_its_bank_and_its_webhook_is_one_trace(traced: Stack, collector: Collector) -> None:
    async with seeded(traced) as api:
        made = await api.post("/webhook-endpoints", {"url": f"{collector.url}/hook"})
        assert made.status_code == 201, made.text
        payment = await api.paid(vpa="payer.name@upi")

    def whole() -> list[Any] | None:
        spans = collector.trace_with("webhook payment.success")
        return spans if set(EXPECTED) <= {span.name for span in spans} else None

    spans = await eventually(whole, timeout=30)
    assert len({span.trace_id for span in spans}) == 1
    by_name = {span.name: span for span in spans}
    names = {span.span_id: span.name for span in spans}
    for name, parent in EXPECTED.items():
        found = names.get(by_name[name].parent_span_id)
        assert found in parent.split("|") if parent else found is None, f"{name} is below {found}"
    for span in spans:
        assert span.end_time_unix_nano >= span.start_time_unix_nano
        assert payment["order_id"] in str(span.attributes) or not span.name.startswith("payment.")
        assert "payer.name" not in str(span), "a payer's address is nobody's business here"
