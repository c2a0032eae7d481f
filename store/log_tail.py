"""What the events table has of what the log has: the digests that the fence and `gateway recover` compare."""

from __future__ import annotations

from collections.abc import Sequence

from store.driver import Connection

RECOVERY_LOCK = 7_240_002
"""Advisory lock of the one `gateway recover --apply` that may be at work; store/migrate.py has the number before it."""
RECOVERING = "SELECT NOT pg_try_advisory_xact_lock_shared($1)"
# events_pkey
DIGESTS = """
SELECT order_id, sequence, md5(payload) AS digest
  FROM unnest($1::text[], $2::integer[]) AS seen (order_id, sequence)
  JOIN events USING (order_id, sequence)
"""


async def event_digests(connection: Connection, identities: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """(order id, sequence) -> md5 of the stored payload; events that are not in the table are left out."""
    if not identities:
        return {}
    order_ids, sequences = zip(*identities, strict=True)
    rows = await connection.fetch(DIGESTS, list(order_ids), list(sequences))
    return {(row["order_id"], row["sequence"]): row["digest"] for row in rows}


async def is_recovering(connection: Connection) -> bool:
    """True while a `gateway recover --apply` is at work on this database."""
    return bool(await connection.fetchval(RECOVERING, RECOVERY_LOCK))
