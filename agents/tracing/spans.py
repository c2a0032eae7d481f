"""Spans from records: causes are on the log already (`request_id`, `caused_by`), and so are the instants.

    request ─► command ─► actor ─► event ─► webhook (each attempt)
                                     └────► bank ─► command (settle) ─► actor ─► event …

Identifiers are derived from the records' own: a record that is read again makes the same span again. No amounts,
addresses or names of payers become attributes.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from topics.envelope import Envelope

REMEMBERED_MAX = 50_000
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Span:
    """One span. Instants in nanoseconds since 1970; `kind`: internal, server, producer, client."""

    trace_id: int
    span_id: int
    parent_id: int | None
    name: str
    kind: str
    began_ns: int
    ended_ns: int
    attributes: Mapping[str, str | int] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One webhook attempt as the dispatcher recorded it. `code` None: no response."""

    event_id: str
    event: str
    request_id: str
    endpoint_id: str
    attempt: int
    at: datetime
    duration_ms: int
    code: int | None
    error: str | None


@dataclass(slots=True)
class _Command:
    request_id: str
    at_ns: int
    appended_ns: int
    kind: str


class Story:
    """Turns records, read in any order between topics, into spans. Bounded: the oldest are forgotten."""

    def __init__(self) -> None:
        self._commands: OrderedDict[str, _Command] = OrderedDict()
        self._events: OrderedDict[str, int] = OrderedDict()

    def command(self, envelope: Envelope, appended_ms: int) -> list[Span]:
        """A command that has been on the log since `appended_ms`."""
        if envelope.request_id is None:
            return []
        at_ns, appended_ns = nanoseconds(envelope.at), max(nanoseconds(envelope.at), appended_ms * 1_000_000)
        known = _Command(envelope.request_id, at_ns, appended_ns, envelope.type)
        _remember(self._commands, envelope.id, known)
        trace, spans = trace_id(envelope.request_id), []
        if envelope.caused_by is None:
            parent = span_id("request", envelope.request_id)
        else:
            parent, cause = span_id("bank", envelope.caused_by), span_id("event", envelope.caused_by)
            requested_ns = min(self._events.get(envelope.caused_by, at_ns), at_ns)
            spans.append(Span(trace, parent, cause, "bank", "client", requested_ns, at_ns))
        attributes = {"messaging.system": "kafka", "gateway.order_id": envelope.key, "gateway.command_id": envelope.id}
        identity = span_id("command", envelope.id)
        spans.append(Span(trace, identity, parent, envelope.type, "producer", at_ns, appended_ns, attributes))
        return spans

    def event(self, envelope: Envelope, appended_ms: int) -> list[Span]:
        """An event: the decision of the command that it names, and itself."""
        if envelope.request_id is None or envelope.caused_by is None:
            return []
        at_ns, appended_ns = nanoseconds(envelope.at), max(nanoseconds(envelope.at), appended_ms * 1_000_000)
        _remember(self._events, envelope.id, appended_ns)
        trace, actor = trace_id(envelope.request_id), span_id("actor", envelope.caused_by)
        spans = []
        command = self._commands.get(envelope.caused_by)
        if command is not None:
            parent = span_id("command", envelope.caused_by)
            began_ns = min(command.appended_ns, at_ns)
            spans.append(Span(trace, actor, parent, f"actor {command.kind}", "internal", began_ns, at_ns))
            if not command.kind.endswith(".settle"):
                attributes = {"gateway.request_id": envelope.request_id}
                request = span_id("request", envelope.request_id)
                name = f"request {command.kind}"
                spans.append(Span(trace, request, None, name, "server", command.at_ns, at_ns, attributes))
        attributes = {"messaging.system": "kafka", "gateway.order_id": envelope.key, "gateway.event_id": envelope.id}
        identity = span_id("event", envelope.id)
        spans.append(Span(trace, identity, actor, envelope.type, "producer", at_ns, appended_ns, attributes))
        return spans


def attempt_span(attempt: Attempt) -> Span:
    """A webhook attempt, below the event that it is about."""
    began_ns = nanoseconds(attempt.at)
    attributes: dict[str, str | int] = {"gateway.endpoint_id": attempt.endpoint_id, "gateway.attempt": attempt.attempt}
    if attempt.code is not None:
        attributes["http.response.status_code"] = attempt.code
    failed = attempt.code is None or not 200 <= attempt.code < 300
    return Span(
        trace_id(attempt.request_id),
        span_id("webhook", f"{attempt.event_id}/{attempt.endpoint_id}/{attempt.attempt}"),
        span_id("event", attempt.event_id),
        f"webhook {attempt.event}",
        "client",
        began_ns,
        began_ns + attempt.duration_ms * 1_000_000,
        attributes,
        (attempt.error or f"HTTP {attempt.code}") if failed else None,
    )


def trace_id(request_id: str) -> int:
    """128 bits, never zero."""
    return int.from_bytes(hashlib.sha256(request_id.encode()).digest()[:16]) or 1


def span_id(kind: str, identity: str) -> int:
    """64 bits, never zero."""
    return int.from_bytes(hashlib.sha256(f"{kind}:{identity}".encode()).digest()[:8]) or 1


def nanoseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000) * 1_000


def _remember(into: OrderedDict[str, Value], key: str, value: Value) -> None:
    into[key] = value
    if len(into) > REMEMBERED_MAX:
        into.popitem(last=False)
