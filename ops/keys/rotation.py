"""Seals everything again under the newest key, row by row, while the gateway runs.

    for each table: outdated rows in the order of ids ─► open with the ring ─► seal for this row ─► replace

The values themselves show what is done, so an interrupted run simply starts again. A value that cannot be opened is
unchanged, and its row is reported.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from runtime.keyring import KeyRing, tag_of
from runtime.secrets import Sealed, SealError, seal, sealed_header, unseal
from store.driver import Pool
from store.sealed import (
    TABLES,
    Count,
    SealedRow,
    SealedTable,
    Value,
    count_hashes,
    count_sealed,
    outdated_rows,
    replace_row,
)

PAGE = 200
API_KEYS = "api_keys"


@dataclass(frozen=True, slots=True)
class Progress:
    """Of one table. `unreadable`: ids of rows that hold a value which no key of the ring opens."""

    table: str
    outdated: int
    sealed: int
    unreadable: tuple[str, ...]


async def counts(pool: Pool, ring: KeyRing) -> dict[str, Count]:
    """Table -> rows with secrets, and how many of them need an older key. API secrets are hashed again when used."""
    header = sealed_header(ring)
    found = {table.name: await count_sealed(pool, table, header) for table in TABLES}
    return {**found, API_KEYS: await count_hashes(pool, tag_of(ring.newest))}


async def rotate(pool: Pool, ring: KeyRing) -> AsyncIterator[Progress]:
    """After each page and at the end of each table."""
    header = sealed_header(ring)
    for table in TABLES:
        outdated = (await count_sealed(pool, table, header)).outdated
        sealed, after, unreadable = 0, "", list[str]()
        while page := await outdated_rows(pool, table, header, after=after, limit=PAGE):
            for row in page:
                renewed = _renewed(table, row, ring)
                if renewed is None:
                    unreadable.append(row.id)
                else:
                    sealed += await replace_row(pool, table, row, renewed)
            after = page[-1].id
            yield Progress(table.name, outdated, sealed, tuple(unreadable))
        if not outdated:
            yield Progress(table.name, 0, 0, ())


def _renewed(table: SealedTable, row: SealedRow, ring: KeyRing) -> dict[str, Value] | None:
    """The row's values under the newest key; None if one cannot be opened."""
    try:
        return {name: _sealed_again(row.values[name], ring, kind, row.id) for name, kind in table.columns.items()}
    except SealError:
        return None


def _sealed_again(value: Value, ring: KeyRing, kind: Sealed, row_id: str) -> Value:
    if value is None:
        return None
    if isinstance(value, bytes):
        return seal(unseal(value, ring, kind, row_id), ring, kind, row_id)
    return [seal(unseal(one, ring, kind, row_id), ring, kind, row_id) for one in value]
