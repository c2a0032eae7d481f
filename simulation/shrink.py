"""From a world that broke a promise to the smallest one found that still breaks it.

webhooks ─► requests ─► faults ─► requests ─► … until nothing more can be removed, or the tries are used up

Delta debugging: remove halves, then quarters, and so on down to single faults and single requests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from simulation.plan import Plan
from simulation.search import Outcome, run

TRIES_MAX = 1_000
"""Worlds that one shrinking may run: a minute; most are small."""
SALTS = 6
"""With one request less, all delays after it differ: a smaller world is tried with this many sets of delays."""
Part = TypeVar("Part", bound=str | tuple[int, int, int])


class Shrinking:
    """One failing world on its way down. `smallest` breaks the same promise as the first."""

    def __init__(self, failed: Outcome, *, tries_max: int = TRIES_MAX) -> None:
        self.promise = failed.violations[0].promise
        self._left = tries_max
        self.smallest = self._try(replace(failed.plan, webhooks=False)) or failed

    def run(self) -> Outcome:
        """The smallest world found."""
        before = None
        while before != (before := (len(self.smallest.faults), len(self.smallest.sent))) and self._left > 0:
            self._leave_out_clients()
            self._reduce(self.smallest.sent, lambda kept: replace(self.smallest.plan, requests=frozenset(kept)))
            self._reduce(self.smallest.faults, lambda kept: replace(self.smallest.plan, faults=frozenset(kept)))
        return self.smallest

    def _leave_out_clients(self) -> None:
        """Whole clients first: unrelated ones are then removed at once."""
        for client in sorted({place[0] for place in self.smallest.sent}):
            kept = frozenset(place for place in self.smallest.sent if place[0] != client)
            self.smallest = self._try(replace(self.smallest.plan, requests=kept)) or self.smallest

    def _try(self, plan: Plan) -> Outcome | None:
        """The outcome, if the promise is still broken."""
        for salt in range(plan.salt, plan.salt + SALTS):
            self._left -= 1
            outcome = run(replace(plan, salt=salt))
            if any(one.promise == self.promise for one in outcome.violations):
                return outcome
        return None

    def _reduce(self, parts: Sequence[Part], plan_with: Callable[[Sequence[Part]], Plan]) -> None:
        kept, size = list(parts), len(parts)
        while size and self._left > 0:
            kept = self._without_chunks(kept, size, plan_with)
            size = size // 2

    def _without_chunks(self, kept: list[Part], size: int, plan_with: Callable[[Sequence[Part]], Plan]) -> list[Part]:
        first = 0
        while first < len(kept) and self._left > 0:
            fewer = kept[:first] + kept[first + size :]
            outcome = self._try(plan_with(fewer))
            if outcome is None:
                first += size
            else:
                self.smallest, kept = outcome, fewer
        return kept
