"""Whether the events table has what the log has: the comparison that the fence, the feeder and `gateway recover` make.

A record that an operator has disowned (`gateway recover --disown`) counts as known: it is not this gateway's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from store.driver import Connection

RECOVERY_LOCK = 7_240_002
"""Advisory lock of the only running `gateway recover --apply`. The number before it: store/schema/migrate.py."""
RECOVERING = "SELECT NOT pg_try_advisory_xact_lock_shared($1)"
# events_pkey, disowned_events_pkey
STRANGE = """
SELECT s.number, e.order_id IS NULL AS missing
  FROM unnest($1::text[], $2::integer[], $3::text[]) WITH ORDINALITY AS s (order_id, sequence, digest, number)
  LEFT JOIN events e USING (order_id, sequence)
 WHERE md5(e.payload) IS DISTINCT FROM s.digest
   AND NOT EXISTS (SELECT FROM disowned_events d
                    WHERE d.order_id = s.order_id AND d.sequence = s.sequence AND d.digest = s.digest)
"""
# disowned_events_pkey
DISOWN = """
INSERT INTO disowned_events (order_id, sequence, digest, note)
SELECT s.*, $4 FROM unnest($1::text[], $2::integer[], $3::text[]) AS s
    ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """An event's record on the log. `digest`: md5 of its bytes, in hex."""

    order_id: str
    sequence: int
    digest: str

    @property
    def identity(self) -> tuple[str, int]:
        return self.order_id, self.sequence


async def strange_events(connection: Connection, seen: Sequence[SeenEvent]) -> dict[SeenEvent, bool]:
    """Records that the table lacks or has with other bytes -> True if it lacks the event. Disowned ones are omitted."""
    if not seen:
        return {}
    rows = await connection.fetch(STRANGE, *_columns(seen))
    return {seen[row["number"] - 1]: row["missing"] for row in rows}


async def disown(connection: Connection, seen: Sequence[SeenEvent], note: str) -> None:
    """Count these records as foreign from now on."""
    await connection.execute(DISOWN, *_columns(seen), note)


async def is_recovering(connection: Connection) -> bool:
    """True while a `gateway recover --apply` is running on this database."""
    return bool(await connection.fetchval(RECOVERING, RECOVERY_LOCK))


def _columns(seen: Sequence[SeenEvent]) -> tuple[list[str], list[int], list[str]]:
    return [one.order_id for one in seen], [one.sequence for one in seen], [one.digest for one in seen]
