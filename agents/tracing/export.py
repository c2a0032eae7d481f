"""Our spans in OpenTelemetry's form, sent by OTLP over HTTP."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from agents.tracing.spans import Span

TIMEOUT_SECONDS = 5.0
RESOURCE = Resource.create({"service.name": "payment-gateway"})
KINDS = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "producer": SpanKind.PRODUCER,
    "client": SpanKind.CLIENT,
}


class Exporter:
    """Sends spans to `endpoint` (the collector's base address, http://localhost:4318)."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint.rstrip("/") + "/v1/traces"
        self._exporter = OTLPSpanExporter(endpoint=self.endpoint, timeout=TIMEOUT_SECONDS)

    def send(self, spans: Sequence[Span]) -> bool:
        """Blocks for TIMEOUT_SECONDS at most; False if the collector did not accept them."""
        return self._exporter.export([_readable(span) for span in spans]) is SpanExportResult.SUCCESS


def _readable(span: Span) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=_context(span.trace_id, span.span_id),
        parent=None if span.parent_id is None else _context(span.trace_id, span.parent_id),
        resource=RESOURCE,
        attributes=span.attributes,
        kind=KINDS[span.kind],
        status=Status(StatusCode.UNSET) if span.error is None else Status(StatusCode.ERROR, span.error),
        start_time=span.began_ns,
        end_time=span.ended_ns,
    )


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
