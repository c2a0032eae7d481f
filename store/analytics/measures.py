"""What the analytics count: from one event to the measures that it changes. Pure, so that a rebuild counts the same.

    measure            label                      count, amount
    created            currency/method            1, amount
    success, failed    currency/method            1, amount
    error              error code                 1, 0                    failed payments
    latency            bucket number              1, 0                    from creation to outcome
    refund_*           currency/asked|automatic   1, amount               taken back where the bank turns

Everything counts in the period in which the payment or refund was made, including its later result: the
numbers of a period agree with the payment list of the same period.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from domain.event import EventType

QUARTER, DAY = 15, 24 * 60
GRAINS = (QUARTER, DAY)
"""Minutes. Quarters of an hour, because every time zone's midnight is on one."""

BUCKETS_PER_DOUBLING = 8
"""Each bucket is 9 % wider than the one before: a percentile is off by less than that."""
BUCKET_MAX = 26 * BUCKETS_PER_DOUBLING
"""2**26 ms: 18 hours."""


class Measure(StrEnum):
    CREATED = "created"
    SUCCESS = "success"
    FAILED = "failed"
    ERROR = "error"
    LATENCY = "latency"
    REFUND_CREATED = "refund_created"
    REFUND_PROCESSED = "refund_processed"
    REFUND_FAILED = "refund_failed"


REQUESTED, AUTOMATIC = "asked", "automatic"
"""Labels of refunds. An automatic one returns money that no successful payment counted."""


class Cell(NamedTuple):
    """Key of one rollup row of a merchant. Sorted by it, two writers lock rows in one order."""

    grain_minutes: int
    measure: str
    starts_at: datetime
    label: str


@dataclass(slots=True)
class Sum:
    count: int = 0
    amount_minor: int = 0


Moved = tuple[Measure, str, datetime, int, int]
"""Measure, label, when the payment or refund was made, change of the count, change in minor units."""

COUNTED = frozenset(
    {
        EventType.PAYMENT_CREATED,
        EventType.PAYMENT_SUCCESS,
        EventType.PAYMENT_FAILED,
        EventType.REFUND_CREATED,
        EventType.REFUND_PROCESSED,
        EventType.REFUND_FAILED,
        EventType.REFUND_LATE_SUCCESS,
    }
)
"""Events that change a measure."""


def fold(records: Iterable[dict[str, Any]]) -> dict[Cell, Sum]:
    """What the events (as recorded: `type`, `at`, `body`) add to each cell."""
    cells: dict[Cell, Sum] = {}
    for record in records:
        add(cells, record)
    return cells


def add(cells: dict[Cell, Sum], record: dict[str, Any]) -> None:
    """Add one event. A malformed record raises KeyError, TypeError or ValueError, and nothing is added."""
    moved = _moved(record)
    for grain in GRAINS:
        for measure, label, made_at, count, amount in moved:
            total = cells.setdefault(Cell(grain, measure, floor(made_at, grain), label), Sum())
            total.count += count
            total.amount_minor += amount


def label_of(currency: str, kind: str) -> str:
    """Amounts of different currencies are never added up."""
    return f"{currency}/{kind}"


def _moved(record: dict[str, Any]) -> list[Moved]:
    body = record["body"]
    match record["type"]:
        case EventType.PAYMENT_CREATED:
            return [_payment(Measure.CREATED, body["payment"])]
        case EventType.PAYMENT_SUCCESS:
            return [_payment(Measure.SUCCESS, body["payment"]), _latency(record)]
        case EventType.PAYMENT_FAILED:
            return [_payment(Measure.FAILED, body["payment"]), _error(body["payment"]), _latency(record)]
        case EventType.REFUND_CREATED:
            return [_refund(Measure.REFUND_CREATED, body["refund"])]
        case EventType.REFUND_PROCESSED:
            return [_refund(Measure.REFUND_PROCESSED, body["refund"])]
        case EventType.REFUND_FAILED:
            # One that was processed before has bounced.
            bounced = body["refund"]["processed_at"] is not None
            undone = [_refund(Measure.REFUND_PROCESSED, body["refund"], -1)] if bounced else []
            return [_refund(Measure.REFUND_FAILED, body["refund"]), *undone]
        case EventType.REFUND_LATE_SUCCESS:
            return [
                _refund(Measure.REFUND_PROCESSED, body["refund"]),
                _refund(Measure.REFUND_FAILED, body["refund"], -1),
            ]
    return []


def _payment(measure: Measure, payment: dict[str, Any]) -> Moved:
    label = label_of(payment["currency"], payment["method"])
    return measure, label, _instant(payment["created_at"]), 1, payment["amount"]


def _error(payment: dict[str, Any]) -> Moved:
    return Measure.ERROR, payment["error_code"] or "", _instant(payment["created_at"]), 1, 0


def _refund(measure: Measure, refund: dict[str, Any], count: int = 1) -> Moved:
    label = label_of(refund["currency"], AUTOMATIC if refund["automatic"] else REQUESTED)
    return measure, label, _instant(refund["created_at"]), count, count * refund["amount"]


def _latency(record: dict[str, Any]) -> Moved:
    created_at = _instant(record["body"]["payment"]["created_at"])
    milliseconds = (_instant(record["at"]) - created_at) / timedelta(milliseconds=1)
    return Measure.LATENCY, str(bucket_of(milliseconds)), created_at, 1, 0


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def floor(instant: datetime, grain_minutes: int) -> datetime:
    """Start of the stretch that an instant is in; stretches are counted from the Unix epoch, in UTC."""
    seconds = grain_minutes * 60
    return datetime.fromtimestamp(math.floor(instant.timestamp()) // seconds * seconds, UTC)


def bucket_of(milliseconds: float) -> int:
    """Bucket b holds [2**(b/8), 2**((b+1)/8)) ms; what is below 1 ms is in the first."""
    return min(BUCKET_MAX, math.floor(math.log2(max(1.0, milliseconds)) * BUCKETS_PER_DOUBLING))


def percentile(counts: dict[int, int], share: float) -> int | None:
    """The duration in milliseconds that `share` of the counted did not exceed; None if nothing was counted.

    Within a bucket the values are taken to be spread evenly on the logarithmic scale.
    """
    rank, passed = share * sum(counts.values()), 0
    for bucket in sorted(counts):
        if passed + counts[bucket] >= rank and counts[bucket]:
            inside = (rank - passed) / counts[bucket]
            return round(math.exp2((bucket + inside) / BUCKETS_PER_DOUBLING))
        passed += counts[bucket]
    return None
