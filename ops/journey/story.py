"""One order's story as a list of steps: commands, decisions, bank reports, deliveries, dead letters; in order.

    at, kind, title, id, caused_by, change (state before → after), place (topic/partition/offset)

Built from what was read; no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.currency import decimal_text
from ops.log.formats import gist_of
from store.operations.inspection import EventSeen
from topics.records import JsonObject, LogRecord


class StepKind(StrEnum):
    COMMAND = "command"
    EVENT = "event"
    BANK = "bank"
    DELIVERY = "delivery"
    ATTEMPT = "attempt"
    DEAD = "dead"


_RANK = {kind: rank for rank, kind in enumerate(StepKind)}


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `place` None: it is not on the log, or was not found there."""

    at: datetime
    kind: StepKind
    title: str
    id: str
    caused_by: str | None = None
    request_id: str | None = None
    change: str | None = None
    gist: str = ""
    place: str | None = None
    refused: bool = False
    sequence: int = 0
    facts: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that was read about one order."""

    events: Sequence[EventSeen]
    commands: Sequence[LogRecord] = ()
    event_records: Sequence[LogRecord] = ()
    bank: Sequence[JsonObject] = ()
    deliveries: Sequence[JsonObject] = ()
    dead: Sequence[LogRecord] = ()
    refusals: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(command id, nonce) -> why the actor refused this request."""


def steps_of(material: Material) -> list[Step]:
    """All steps, in order of time; at the same instant a command comes before what it led to."""
    steps = [
        *_events(material.events, {_id(record): record.place for record in material.event_records}),
        *_commands(material.commands, {event.record["caused_by"] for event in material.events}, material.refusals),
        *_bank(material.bank),
        *_deliveries(material.deliveries),
        *_dead(material.dead),
    ]
    return sorted(steps, key=lambda step: (step.at, _RANK[step.kind], step.sequence, step.id))


def _id(record: LogRecord) -> str:
    return record.envelope.id if record.envelope is not None else ""


def _events(events: Iterable[EventSeen], places: dict[str, str]) -> Iterator[Step]:
    states: dict[str, str] = {}
    floor: datetime | None = None
    for event in events:
        record = event.record
        at = event.written_at
        floor = at = at if floor is None else max(floor, at)
        yield Step(
            at=at,
            kind=StepKind.EVENT,
            title=event.type,
            id=record["id"],
            caused_by=record["caused_by"],
            request_id=record["request_id"],
            change=_change(record["body"], states),
            gist=gist_of(record["body"]),
            place=places.get(record["id"]),
            sequence=event.sequence,
            facts=record["body"],
        )


def _change(body: JsonObject, states: dict[str, str]) -> str | None:
    """`pay_… CREATED → PROCESSING`; remembers the state for the next event."""
    subject: Any = body.get("refund") or body.get("payment") or body.get("order")
    if not isinstance(subject, dict):
        return None
    name, after = str(subject["id"]), _state(subject)
    before = states.get(name, "∅")
    states[name] = after
    payment = body.get("payment")
    if isinstance(payment, dict):
        states[str(payment["id"])] = _state(payment)
    return f"{name} {before} → {after}"


def _state(resource: JsonObject) -> str:
    state = str(resource["status"])
    if resource.get("captured"):
        state += "+captured"
    if resource.get("voided"):
        state += "+voided"
    if resource.get("amount_refunded"):
        state += f"-{resource['amount_refunded']}"
    if resource.get("reversed"):
        state += "+reversed"
    if resource.get("amount_owed"):
        state += f", owed {resource['amount_owed']}"
    return state


def _commands(
    records: Iterable[LogRecord], led_to_events: set[str | None], refusals: Mapping[tuple[str, str], str]
) -> Iterator[Step]:
    for record in records:
        envelope = record.envelope
        if envelope is None:
            yield Step(record.at, StepKind.COMMAND, "undecodable", record.place, place=record.place, refused=True)
            continue
        refusal = refusals.get((envelope.id, envelope.nonce))
        fruitless = refusal is not None or envelope.id not in led_to_events
        yield Step(
            at=envelope.at,
            kind=StepKind.COMMAND,
            title=envelope.type,
            id=envelope.id,
            caused_by=envelope.caused_by,
            request_id=envelope.request_id,
            gist=_command_gist(gist_of(envelope.body), refusal, fruitless=fruitless),
            place=record.place,
            refused=fruitless,
            facts=envelope.body,
        )


def _command_gist(gist: str, refusal: str | None, *, fruitless: bool) -> str:
    if refusal is not None:
        return f"{gist}  refused: {refusal}".strip()
    return f"{gist}  led to no event".strip() if fruitless else gist


def _bank(rows: Iterable[JsonObject]) -> Iterator[Step]:
    for row in rows:
        counts = "" if row["times_asked"] == 1 else f", requests: {row['times_asked']}, moved: {row['times_moved']}"
        outcome = row["outcome"] if row["error_code"] is None else f"{row['outcome']} {row['error_code']}"
        amount = decimal_text(row["amount"], row["currency"])
        yield Step(
            at=row["recorded_at"],
            kind=StepKind.BANK,
            title=f"bank.{row['kind']}",
            id=row["attempt_id"],
            gist=f"{outcome} {amount} {row['currency']} {row['reference']}{counts}",
            refused=row["outcome"] != "success",
            facts=row,
        )


def _deliveries(rows: Iterable[JsonObject]) -> Iterator[Step]:
    for row in rows:
        log_id = str(row["id"])
        replay = ", replayed" if row["replay"] else ""
        facts = {name: value for name, value in row.items() if name != "made"}
        yield Step(
            at=row["created_at"],
            kind=StepKind.DELIVERY,
            title=f"webhook {row['event']}",
            id=log_id,
            caused_by=row["event_id"],
            gist=f"{row['status']} after {row['attempts']} attempts to {row['url'] or row['endpoint_id']}{replay}",
            refused=row["status"] == "failed",
            facts=facts,
        )
        for made in row["made"]:
            yield _attempt(log_id, made)


def _attempt(log_id: str, made: JsonObject) -> Step:
    outcome = made["error"] or f"HTTP {made['response_code']}"
    ok = made["response_code"] is not None and 200 <= made["response_code"] < 300
    return Step(
        at=made["at"],
        kind=StepKind.ATTEMPT,
        title=f"webhook attempt {made['attempt']}",
        id=f"dlv_{log_id}_{made['attempt']}",
        caused_by=log_id,
        gist=f"{outcome} in {made['duration_ms']} ms",
        refused=not ok,
        facts=made,
    )


def _dead(records: Iterable[LogRecord]) -> Iterator[Step]:
    for record in records:
        envelope = record.envelope
        if envelope is None:
            continue
        yield Step(
            at=envelope.at,
            kind=StepKind.DEAD,
            title=envelope.type,
            id=envelope.id,
            gist=gist_of(envelope.body),
            place=record.place,
            refused=True,
            facts=envelope.body,
        )
