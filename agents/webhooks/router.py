"""The dispatcher's last step: what must be on the log before a delivery record counts as done.

    Attempted ─► retry tier | DLQ | nothing          NotSent   ─► retry tier (parked) | DLQ (endpoint deleted) | nothing
    Repeated  ─► what its attempt had led to, again: the process that made it may have died in between

Repeating any of it is harmless: an attempt number is made and recorded once, a dead letter's id is the position of its
origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, assert_never

from agents.consumer import Mark
from domain.delivery import (
    REASON_ENDPOINT_DELETED,
    REASON_EXHAUSTED,
    Dead,
    Delivered,
    DeliveryStatus,
    Due,
    RetryLater,
    Sent,
    SwitchedOff,
    Verdict,
)
from runtime.settings import Settings
from store.webhooks.attempt_batch import Loaded, Made, Skipped
from topics.deadletter import letter_about
from topics.delivery import retry_record
from topics.producer import Record


@dataclass(slots=True)
class Task:
    """A delivery record under way. `marks`: its offset, and those of later copies of the same record."""

    due: Due
    message: Any
    marks: list[Mark]


@dataclass(frozen=True, slots=True)
class Attempted:
    task: Task
    sent: Sent
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class NotSent:
    task: Task
    skipped: Skipped


@dataclass(frozen=True, slots=True)
class Repeated:
    task: Task
    row: Loaded


Outcome = Attempted | NotSent | Repeated


def made_of(outcome: Attempted) -> Made:
    """What to write about an attempt."""
    match outcome.verdict:
        case Delivered():
            return Made(outcome.sent, DeliveryStatus.SUCCESS, None)
        case RetryLater(retry):
            return Made(outcome.sent, DeliveryStatus.PENDING, retry.due_at)
        case Dead():
            return Made(outcome.sent, DeliveryStatus.FAILED, None)
        case SwitchedOff():
            return Made(outcome.sent, DeliveryStatus.HELD, None, gone=True)
    assert_never(outcome.verdict)


class Router:
    """Makes the records that follow from outcomes."""

    def __init__(self, settings: Settings) -> None:
        self._delays = settings.retry_delays_seconds
        self._partitions = settings.topic_partitions
        self.parking_seconds = min((delay for delay in self._delays if delay > 0), default=0)
        """The shortest retry tier; 0: there is none, and nothing can be parked."""

    def records(self, outcomes: Sequence[Outcome], at: datetime) -> list[Record]:
        """All that has to be published for these outcomes."""
        return [record for outcome in outcomes if (record := self._record(outcome, at)) is not None]

    def _record(self, outcome: Outcome, at: datetime) -> Record | None:
        match outcome:
            case Attempted(task, sent, RetryLater(retry)):
                return self._retry(task.due.attempt + 1, task, retry.tier_seconds, retry.due_at, at)
            case Attempted(task, sent, Dead(reason)):
                return dead_record(task.message, reason=reason, error=_last_error(sent), at=at)
            case Attempted():
                return None
            case NotSent(task, skipped):
                return self._skipped_record(task, skipped, at)
            case Repeated(task, row):
                return self._repeated_record(task, row, at)
        assert_never(outcome)

    def _skipped_record(self, task: Task, skipped: Skipped, at: datetime) -> Record | None:
        if skipped.status == DeliveryStatus.FAILED:
            return dead_record(task.message, reason=REASON_ENDPOINT_DELETED, error="the endpoint was deleted", at=at)
        if skipped.next_retry_at is None:
            return None
        return self._retry(task.due.attempt, task, self.parking_seconds, skipped.next_retry_at, at)

    def _repeated_record(self, task: Task, row: Loaded, at: datetime) -> Record | None:
        if row.attempts != task.due.attempt:
            return None
        if row.status == DeliveryStatus.FAILED:
            return dead_record(task.message, reason=REASON_EXHAUSTED, error=f"{row.attempts} attempts failed", at=at)
        step = row.attempts - row.schedule_from
        if row.status == DeliveryStatus.PENDING and row.next_retry_at is not None and 0 < step < len(self._delays):
            return self._retry(task.due.attempt + 1, task, self._delays[step], row.next_retry_at, at)
        return None

    def _retry(self, attempt: int, task: Task, tier_seconds: int, due_at: datetime, at: datetime) -> Record:
        due = replace(task.due, attempt=attempt)
        return retry_record(due, tier_seconds=tier_seconds, due_at=due_at, at=at, partitions=self._partitions)


def dead_record(message: Any, *, reason: str, error: str, at: datetime) -> Record:
    """The dead letter of a delivery record."""
    letter = letter_about(message, reason=reason, error=error, at=at)
    assert letter is not None, "a delivery is no letter"
    return letter


def _last_error(sent: Sent) -> str:
    last = sent.error if sent.response is None else f"HTTP {sent.response.code}"
    return f"{sent.prepared.due.attempt} attempts failed; the last one: {last}"
