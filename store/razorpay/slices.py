"""Lists as the double's clients page them: `skip` rows, then at most `count`, newest first, between two instants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from store.keyset import Conditions


@dataclass(frozen=True, slots=True)
class Slice:
    """`from_at` and `to_at` are included: clients send whole seconds."""

    count: int
    skip: int = 0
    from_at: datetime | None = None
    to_at: datetime | None = None

    def narrow(self, conditions: Conditions, column: str) -> None:
        conditions.add_given(f"{column} >= {{}}", self.from_at)
        conditions.add_given(f"{column} < {{}}::timestamptz + interval '1 second'", self.to_at)

    def holds(self, at: datetime) -> bool:
        """Whether this instant is between the two, for lists that are not read in part."""
        begins = self.from_at is None or at >= self.from_at
        return begins and (self.to_at is None or at < self.to_at + timedelta(seconds=1))

    def newest_first(self, alias: str) -> str:
        """ORDER BY and what follows it."""
        return f"ORDER BY {alias}.created_at DESC, {alias}.id DESC LIMIT {int(self.count)} OFFSET {int(self.skip)}"
