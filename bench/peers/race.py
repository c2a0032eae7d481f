"""Rounds of a race: the runs of each side, the medians of its rounds, and their ratios to the peer's."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any

PEER = "Kill Bill"
COLUMNS = ("payments/s", "processor ms", "p50 ms", "p95 ms")


@dataclass(frozen=True, slots=True)
class Run:
    """One side's share of a round. `processor_ms`: of all of its processes, a payment. `p50_ms`, `p95_ms`: from a
    payment's first request to its success."""

    per_second: float
    processor_ms: float
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Heat:
    """All rounds at one number in flight. `runs`: side -> its runs, a round each."""

    in_flight: int
    count: int
    runs: Mapping[str, Sequence[Run]]

    def medians(self) -> dict[str, Run]:
        """Side -> each figure's median, for itself."""
        return {
            side: Run(*(statistics.median(column) for column in zip(*map(astuple, runs), strict=True)))
            for side, runs in self.runs.items()
        }

    def ratios(self) -> dict[str, Run]:
        """Each of our sides as a multiple of the peer, median by median."""
        medians = self.medians()
        peer = medians.pop(PEER)
        return {
            side: Run(*(_ratio(one, other) for one, other in zip(astuple(run), astuple(peer), strict=True)))
            for side, run in medians.items()
        }

    def as_json(self) -> dict[str, Any]:
        return {
            "in_flight": self.in_flight,
            "count": self.count,
            "runs": {side: [asdict(run) for run in runs] for side, runs in self.runs.items()},
            "medians": {side: asdict(run) for side, run in self.medians().items()},
            "ratios": {side: asdict(run) for side, run in self.ratios().items()},
        }


def _ratio(one: float, other: float) -> float:
    return one / other if other else 0.0


def turns(sides: Sequence[str], *, rounds: int) -> Iterator[list[str]]:
    """The sides in the order of each round: the first side is last in the next, so that none always follows another."""
    for number in range(rounds):
        first = number % len(sides)
        yield [*sides[first:], *sides[:first]]


def payments_in(count: int, *, in_flight: int) -> int:
    """How many payments a run has, so that one at a time takes about as long as many."""
    return count * max(1, min(in_flight, 16) // 2)


def shown(heat: Heat) -> str:
    """The heat as a table: a line a side with each median and its range, then the ratios."""
    rounds = len(next(iter(heat.runs.values())))
    lines = [
        f"{heat.in_flight} in flight, {heat.count} payments, {rounds} rounds: medians (lowest to highest)",
        "  " + " " * 24 + "".join(f"{name:>24}" for name in COLUMNS),
    ]
    for side, median in heat.medians().items():
        columns = zip(astuple(median), *map(astuple, heat.runs[side]), strict=True)
        lines.append(f"  {side:<24}" + "".join(f"{_spread(*column):>24}" for column in columns))
    for side, ratio in heat.ratios().items():
        lines.append(f"  {f'{side} / {PEER}':<24}" + "".join(f"{figure:>24.2f}" for figure in astuple(ratio)))
    return "\n".join(lines)


def _spread(median: float, *figures: float) -> str:
    return f"{median:.1f} ({min(figures):.1f} to {max(figures):.1f})"
