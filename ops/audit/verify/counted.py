"""The analytics' rollups beside the events, as one number for each merchant.

    event ─► cells it adds to (quarter of an hour, measure, label) ─► Σ count · a(cell) + amount · b(cell)
    rollup row ──────────────────────────────────────────────────────► the same sum

`a` and `b` are seeded hashes of the cell, so two sums are equal where all cells are. The rules are written a second
time here, on purpose: an error of the jobs role must not be repeated. Days must be the sums of their quarters, which
SQL checks.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from xxhash import xxh3_128_intdigest

Json = dict[str, Any]
Place = int
"""In the feed."""
Counted = dict[str, int]

COUNTED = frozenset(
    {
        "payment.created", "payment.success", "payment.failed",
        "refund.created", "refund.processed", "refund.failed", "refund.late_success",
    }
)  # fmt: skip
"""Events that change a measure: checked first, because the others are half of all."""
WEIGHTS_MAX = 50_000
"""Cells whose weights are remembered; more are computed again."""
LOW = (1 << 64) - 1
BEFORE_ALL: Place = 0
LATENCY_MAX = 208
"""The last bucket: 2^26 ms; there are eight for each doubling."""


class Counter:
    """The sums of the events up to each merchant's position."""

    def __init__(self, seed: int, places: Mapping[str, Place]) -> None:
        self.sums: Counted = defaultdict(int)
        self._seed = seed
        self._places = places
        self._weights: dict[str, int] = {}

    def add(self, merchant_id: str, place: Place, event: Json) -> None:
        """Add one event, unless the rollups do not count it yet."""
        if place <= self._places.get(merchant_id, BEFORE_ALL):
            for cell, count, amount in cells(event):
                self.add_cell(merchant_id, cell, count, amount)

    def add_cell(self, merchant_id: str, cell: str, count: int, amount: int) -> None:
        weight = self._weights.get(cell)
        if weight is None:
            if len(self._weights) >= WEIGHTS_MAX:
                self._weights.clear()
            weight = self._weights[cell] = xxh3_128_intdigest(cell.encode(), self._seed)
        self.sums[merchant_id] += count * (weight >> 64) + amount * (weight & LOW)


def cells(event: Json) -> list[tuple[str, int, int]]:
    """(cell, count, amount) of each number that the event moves; the cell as `quarter|measure|label`."""
    kind, body = event["type"], event["body"]
    if kind in ("payment.created", "payment.success", "payment.failed"):
        payment = body["payment"]
        quarter, outcome = quarter_of(payment["created_at"]), kind[8:]
        found = [(f"{quarter}|{outcome}|{payment['currency']}/{payment['method']}", 1, payment["amount"])]
        if outcome == "failed":
            found.append((f"{quarter}|error|{payment['error_code'] or ''}", 1, 0))
        if outcome != "created":
            found.append((f"{quarter}|latency|{_bucket(payment['created_at'], event['at'])}", 1, 0))
        return found
    if kind.startswith("refund."):
        refund = body["refund"]
        quarter, amount = quarter_of(refund["created_at"]), refund["amount"]
        label = f"{refund['currency']}/{'automatic' if refund['automatic'] else 'asked'}"
        return [(f"{quarter}|refund_{status}|{label}", count, count * amount) for status, count in _moves(kind, refund)]
    return []


def _moves(kind: str, refund: Json) -> list[tuple[str, int]]:
    """(status, how many more have it). A reversal by the bank subtracts its earlier outcome."""
    match kind:
        case "refund.late_success":
            return [("processed", 1), ("failed", -1)]
        case "refund.failed" if refund["processed_at"] is not None:
            return [("failed", 1), ("processed", -1)]
        case "refund.created" | "refund.processed" | "refund.failed":
            return [(kind[7:], 1)]
    return []


def quarter_of(text: str) -> str:
    """`2030-01-31T12:1` for everything from 12:15 to 12:30 UTC."""
    return f"{text[:14]}{int(text[14:16]) // 15}"


def cell_of(starts_at: datetime, measure: str, label: str) -> str:
    """The cell of a rollup row."""
    return f"{starts_at:%Y-%m-%dT%H:}{starts_at.minute // 15}|{measure}|{label}"


def differing(counted: Counted, stored: Counted) -> list[str]:
    """Merchants whose sums are not the same."""
    return sorted(key for key in counted.keys() | stored.keys() if counted.get(key, 0) != stored.get(key, 0))


def merged(total: Counted, more: Iterable[tuple[str, int]]) -> None:
    for merchant_id, number in more:
        total[merchant_id] = total.get(merchant_id, 0) + number


def _bucket(created_at: str, at: str) -> int:
    elapsed = datetime.fromisoformat(at) - datetime.fromisoformat(created_at)
    milliseconds = max(1.0, elapsed.total_seconds() * 1_000)
    return min(LATENCY_MAX, math.floor(math.log2(milliseconds) * 8))
