"""The inbox as the API reads it: what became of commands whose answer did not come over Redis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

# commands_pkey
FIND = "SELECT id, nonce, fingerprint, rejected, reply FROM commands WHERE id = ANY($1::text[])"


@dataclass(frozen=True, slots=True)
class DecidedCommand:
    """`reply`: the resource as answered, or the refusal where `rejected`; `fingerprint`: JSON, as it was sent."""

    id: str
    nonce: str
    fingerprint: str | None
    rejected: bool
    reply: str


async def find_decided(pool: asyncpg.Pool, command_ids: Sequence[str], *, timeout: float) -> dict[str, DecidedCommand]:
    """Those of the commands that are decided, by id."""
    rows = await pool.fetch(FIND, command_ids, timeout=timeout)
    return {row["id"]: DecidedCommand(**row) for row in rows}
