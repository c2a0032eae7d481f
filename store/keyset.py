"""Keyset paging: the position after which a list continues, newest first by (created_at, id)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from store.driver import Connection, Pool, Row

PLAN_WITH_VALUES = "SET LOCAL plan_cache_mode = force_custom_plan"


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
        """As `add`, if there is a value to compare with."""
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


def escaped(text: str) -> str:
    """`text` as LIKE takes it literally."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


@asynccontextmanager
async def planned(pool: Pool) -> AsyncIterator[Connection]:
    """A connection whose queries are planned for their actual values, in one transaction.

    A prepared statement's general plan takes no partial index, and reads a million rows for a status that none has;
    PostgreSQL chooses it, because it estimates such a plan as cheap.
    """
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(PLAN_WITH_VALUES)
        yield connection


async def fetch_newest(pool: Pool, table: str, conditions: Conditions, limit: int) -> list[Row]:
    """At most `limit` rows of `table` that meet the conditions, newest first."""
    async with planned(pool) as connection:
        return await connection.fetch(conditions.newest_first(table, limit), *conditions.parameters)
