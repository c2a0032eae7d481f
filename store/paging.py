"""Keyset paging: the place after which a list goes on, newest first by (created_at, id)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """The last row that was shown."""

    created_at: datetime
    id: str


@dataclass(slots=True)
class Conditions:
    """A WHERE clause that grows: `add("amount >= {}", 5)` binds the value and numbers its parameter."""

    clauses: list[str] = field(default_factory=list)
    parameters: list[Any] = field(default_factory=list)

    def add(self, clause: str, *values: Any) -> None:
        first = len(self.parameters) + 1
        self.clauses.append(clause.format(*(f"${first + position}" for position in range(len(values)))))
        self.parameters.extend(values)

    def add_given(self, clause: str, value: Any) -> None:
        """As `add`, where there is a value to compare with."""
        if value is not None:
            self.add(clause, value)

    def after(self, place: Place | None) -> None:
        if place is not None:
            self.add("(created_at, id) < ({}, {})", place.created_at, place.id)

    @property
    def sql(self) -> str:
        return "WHERE " + "\n   AND ".join(self.clauses)

    def newest_first(self, table: str, limit: int) -> str:
        """The whole query: at most `limit` rows."""
        return f"SELECT *\n  FROM {table}\n {self.sql}\n ORDER BY created_at DESC, id DESC\n LIMIT {int(limit)}"
