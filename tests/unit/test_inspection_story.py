"""An order's story: every source in one order of time, states before and after, what was refused and why."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from ops.journey.mermaid import as_mermaid
from ops.journey.story import Material, StepKind, steps_of
from ops.log.schemas import sample_of
from store.operations.inspection import EventSeen
from topics.catalogue import COMMANDS, EVENTS
from topics.location import windows_of
from topics.records import LogRecord

AT = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
ORDER = "order_0Ab3xZQwErTyUiOp"


def event(record_type: str, sequence: int, *, ms: int, decided_ms: int | None = None) -> EventSeen:
    """The golden sample of an event, moved in time."""
    record = sample_of(record_type)
    record["id"] = f"evt_0Ab3xZQwErTyUiOp_{sequence}"
    at = AT + timedelta(milliseconds=ms)
    decided_at = None if decided_ms is None else AT + timedelta(milliseconds=decided_ms)
    return EventSeen(sequence, record_type, at, decided_at, record)


def on_log(topic: str, record: dict[str, Any], *, offset: int, ms: int) -> LogRecord:
    record = {**record, "at": (AT + timedelta(milliseconds=ms)).isoformat()}
    at_ms = int((AT + timedelta(milliseconds=ms)).timestamp() * 1_000)
    return LogRecord(topic, 4, offset, at_ms, ORDER.encode(), orjson.dumps(record), ())


def material(**more: Any) -> Material:
    created, processing, success = (
        event("payment.created", 2, ms=100, decided_ms=110),
        event("payment.processing", 3, ms=100, decided_ms=110),
        event("payment.success", 4, ms=700, decided_ms=705),
    )
    create, settle = sample_of("payment.create"), sample_of("payment.settle")
    capture = {**sample_of("payment.capture"), "id": "cmd_refused"}
    return Material(
        events=[created, processing, success],
        commands=[
            on_log(COMMANDS, create, offset=7, ms=100),
            on_log(COMMANDS, settle, offset=8, ms=700),
            on_log(COMMANDS, capture, offset=9, ms=900),
        ],
        event_records=[on_log(EVENTS, success.record, offset=41, ms=706)],
        **more,
    )


def test_steps_stand_in_the_order_of_time_with_states_before_and_after() -> None:
    steps = steps_of(material())
    assert [(step.kind.value, step.title) for step in steps] == [
        ("command", "payment.create"),
        ("event", "payment.created"),
        ("event", "payment.processing"),
        ("command", "payment.settle"),
        ("event", "payment.success"),
        ("command", "payment.capture"),
    ]
    pay = "pay_0Ab3xaQwErTyUiOp"
    changes = [step.change for step in steps if step.kind is StepKind.EVENT]
    assert changes == [f"{pay} ∅ → CREATED", f"{pay} CREATED → PROCESSING", f"{pay} PROCESSING → SUCCESS"]
    assert [step.place for step in steps if step.title == "payment.success"] == [f"{EVENTS}/4/41"]
    assert [step.place for step in steps if step.title == "payment.processing"] == [None]


def test_a_command_without_an_event_is_marked_with_the_reason() -> None:
    refusals = {("cmd_refused", ""): "Payment not in capturable state"}
    last = steps_of(material(refusals=refusals))[-1]
    assert last.refused
    assert "refused: Payment not in capturable state" in last.gist
    assert "led to no event" in steps_of(material())[-1].gist
    assert not any(step.refused for step in steps_of(material())[:-1])


def test_bank_webhooks_and_attempts_take_their_places() -> None:
    log_id = uuid.uuid4()
    bank = {
        "attempt_id": "pay_0Ab3xaQwErTyUiOp", "kind": "charge", "amount": 50_000, "currency": "INR",
        "outcome": "success", "error_code": None, "reference": "bank_1", "times_asked": 2, "times_moved": 1,
        "recorded_at": AT + timedelta(milliseconds=150),
    }  # fmt: skip
    made = {
        "attempt": 1, "at": AT + timedelta(milliseconds=720), "duration_ms": 9, "response_code": 500, "error": None,
        "next_retry_at": None,
    }  # fmt: skip
    delivery = {
        "id": log_id, "endpoint_id": "whe_1", "event_id": "evt_0Ab3xZQwErTyUiOp_4", "event": "payment.success",
        "payment_id": "pay_0Ab3xaQwErTyUiOp", "status": "pending", "attempts": 1, "next_retry_at": None,
        "replay": False, "created_at": AT + timedelta(milliseconds=710), "url": "http://localhost/x", "made": [made],
    }  # fmt: skip
    steps = steps_of(material(bank=[bank], deliveries=[delivery]))
    titles = [step.title for step in steps]
    assert titles.index("payment.processing") < titles.index("bank.charge") < titles.index("payment.settle")
    assert titles.index("payment.success") < titles.index("webhook payment.success")
    assert titles.index("webhook payment.success") < titles.index("webhook attempt 1")
    by_title = {step.title: step for step in steps}
    assert "requests: 2, moved: 1" in by_title["bank.charge"].gist
    assert by_title["webhook attempt 1"].refused
    assert by_title["webhook attempt 1"].caused_by == str(log_id)


def test_events_never_stand_before_earlier_ones_whatever_the_clocks_say() -> None:
    late = event("payment.created", 2, ms=100, decided_ms=500)
    early = event("payment.processing", 3, ms=100, decided_ms=200)
    assert [step.sequence for step in steps_of(Material([late, early]))] == [2, 3]


def test_a_mermaid_diagram_names_who_takes_part_and_hides_who_does_not() -> None:
    diagram = as_mermaid(steps_of(material()))
    assert diagram.startswith("sequenceDiagram\n")
    assert "    Client->>Actor: payment.create" in diagram
    assert "    Processor->>Actor: payment.settle" in diagram
    assert "    Client-xActor: payment.capture" in diagram
    assert "participant Processor" in diagram
    assert "participant Merchant" not in diagram


def test_instants_that_lie_close_together_are_looked_for_in_one_window() -> None:
    due = [(AT, "a"), (AT + timedelta(seconds=3), "b"), (AT + timedelta(minutes=5), "c")]
    windows = windows_of(due)
    assert [sorted(window.ids) for window in windows] == [["a", "b"], ["c"]]
    assert windows[0].ends_at == AT + timedelta(seconds=3)
