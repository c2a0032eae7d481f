"""Every sealed value of the database, table by table, for sealing again under a newer key.

    outdated = does not begin with the header of the newest key (runtime/secrets.py)

A row is replaced only if it still holds what was read, so a merchant's concurrent rotation wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runtime.secrets import HEADER_BYTES, Sealed
from store.driver import Pool, Row

Value = bytes | Sequence[bytes] | None
"""Of a column: one sealed value, or several (webhooks.previous_secrets_sealed)."""


@dataclass(frozen=True, slots=True)
class SealedTable:
    """A table with sealed columns. `key`: the column of the row's id; `columns`: column -> what it seals."""

    name: str
    key: str
    columns: Mapping[str, Sealed]
    lists: frozenset[str] = frozenset()
    """Columns that hold several values."""


@dataclass(frozen=True, slots=True)
class SealedRow:
    id: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Count:
    """Rows with sealed values, and how many of them an older key has sealed."""

    rows: int
    outdated: int


TABLES = (
    SealedTable(
        "webhooks",
        "id",
        {
            "secret_sealed": Sealed.WEBHOOK_SECRET,
            "previous_secrets_sealed": Sealed.WEBHOOK_SECRET,
            "headers_sealed": Sealed.WEBHOOK_HEADERS,
        },
        frozenset({"previous_secrets_sealed"}),
    ),
    SealedTable(
        "merchants",
        "id",
        {
            "return_secret_sealed": Sealed.RETURN_SECRET,
            "previous_return_secret_sealed": Sealed.RETURN_SECRET,
        },
    ),
    SealedTable("razorpay_keys", "key_id", {"secret_sealed": Sealed.API_SECRET}),
    SealedTable("users", "id", {"second_factor_sealed": Sealed.SECOND_FACTOR}),
    SealedTable("order_keys", "id", {"key_sealed": Sealed.ORDER_KEY}),
)

# api_keys_pkey: every key is read, and there are few
HASHES = """
SELECT count(*) AS rows, count(*) FILTER (WHERE hashed_by IS DISTINCT FROM $1) AS outdated
  FROM api_keys
 WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""


async def count_sealed(pool: Pool, table: SealedTable, header: bytes) -> Count:
    """Reads the whole table."""
    row = await pool.fetchrow(
        f"""
        SELECT count(*) FILTER (WHERE {_holds(table)}) AS rows,
               count(*) FILTER (WHERE {_is_outdated(table)}) AS outdated
          FROM {table.name}
        """,
        header,
    )
    return _count_of(row)


async def count_hashes(pool: Pool, tag: bytes) -> Count:
    """Usable API keys, and how many of them another key than that of `tag` has hashed, as far as is known."""
    return _count_of(await pool.fetchrow(HASHES, tag))


async def outdated_rows(
    pool: Pool, table: SealedTable, header: bytes, *, after: str, limit: int
) -> Sequence[SealedRow]:
    """In the order of ids, from behind `after`. The table's primary key."""
    rows = await pool.fetch(
        f"""
        SELECT {table.key} AS id, {", ".join(table.columns)}
          FROM {table.name}
         WHERE {table.key} > $2 AND ({_is_outdated(table)})
         ORDER BY {table.key}
         LIMIT $3
        """,
        header,
        after,
        limit,
    )
    return [SealedRow(row["id"], {name: row[name] for name in table.columns}) for row in rows]


async def replace_row(pool: Pool, table: SealedTable, before: SealedRow, after: Mapping[str, Value]) -> bool:
    """False if the row has changed since `before` was read; it is outdated no longer, or is read again."""
    names = list(table.columns)
    changes = ", ".join(f"{name} = ${place}" for place, name in enumerate(names, start=2))
    same = " AND ".join(
        f"{name} IS NOT DISTINCT FROM ${place}" for place, name in enumerate(names, start=2 + len(names))
    )
    done = await pool.execute(
        f"UPDATE {table.name} SET {changes} WHERE {table.key} = $1 AND {same}",
        before.id,
        *(after[name] for name in names),
        *(before.values[name] for name in names),
    )
    return done == "UPDATE 1"


def _holds(table: SealedTable) -> str:
    return " OR ".join(
        f"cardinality({name}) > 0" if name in table.lists else f"{name} IS NOT NULL" for name in table.columns
    )


def _is_outdated(table: SealedTable) -> str:
    """The condition, with the header as $1."""
    return " OR ".join(
        f"EXISTS (SELECT 1 FROM unnest({name}) AS one WHERE substr(one, 1, {HEADER_BYTES}) <> $1)"
        if name in table.lists
        else f"substr({name}, 1, {HEADER_BYTES}) <> $1"
        for name in table.columns
    )


def _count_of(row: Row | None) -> Count:
    assert row is not None, "an aggregate has one row"
    return Count(row["rows"], row["outdated"])
