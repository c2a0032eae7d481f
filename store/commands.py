"""The inbox as the API reads it: the results of requests whose reply did not arrive over Redis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from store.driver import Pool

# commands_pkey, commands_accepted
FIND = """
SELECT own.id, own.nonce, own.fingerprint, own.rejected, own.reply
  FROM unnest($1::text[], $2::text[]) AS asked (id, nonce)
  JOIN commands own
    ON own.id = asked.id
   AND own.nonce = asked.nonce
 UNION ALL
SELECT id, nonce, fingerprint, rejected, reply
  FROM commands
 WHERE id = ANY($1::text[])
   AND NOT rejected
   AND nonce <> ''
"""
# commands_accepted
FIND_ACCEPTED = """
SELECT id, nonce, fingerprint, rejected, reply FROM commands WHERE id = $1 AND NOT rejected AND nonce <> ''
"""

Request = tuple[str, str]
"""(command id, nonce). Without an Idempotency-Key the nonce is ''."""


@dataclass(frozen=True, slots=True)
class DecidedCommand:
    """`reply`: the resource as returned, or the refusal if `rejected`; `fingerprint`: JSON, as it was sent."""

    id: str
    nonce: str
    fingerprint: str | None
    rejected: bool
    reply: str


async def find_decided(pool: Pool, requests: Sequence[Request], *, timeout: float) -> dict[Request, DecidedCommand]:
    """Request -> its own refusal, else the acceptance of its command. Requests without either are omitted."""
    ids, nonces = [command_id for command_id, _ in requests], [nonce for _, nonce in requests]
    rows = [DecidedCommand(**row) for row in await pool.fetch(FIND, ids, nonces, timeout=timeout)]
    refused = {(row.id, row.nonce): row for row in rows if row.rejected}
    accepted = {row.id: row for row in rows if not row.rejected}
    found_for = {request: refused.get(request) or accepted.get(request[0]) for request in requests}
    return {request: command for request, command in found_for.items() if command is not None}


async def find_accepted(pool: Pool, command_id: str, *, timeout: float) -> DecidedCommand | None:
    """The acceptance under an Idempotency-Key, of any request."""
    row = await pool.fetchrow(FIND_ACCEPTED, command_id, timeout=timeout)
    return None if row is None else DecidedCommand(**row)
