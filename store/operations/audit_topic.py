"""The topics' side of an audit: records in temporary tables, compared with events and inbox by SQL.

    Runs             what the reader of the events topic could not keep in memory
    Sights           suspicious orders' records as (order, sequence, place, digest)
    CommandSights    the commands topic's records as (id, nonce, fingerprint, place)

Each has a session of its own outside any transaction. Inside one, its first row would give the session a transaction
id, and every merchant's feed, which shows nothing beyond the oldest one, would stop until the end of the audit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

from store.driver import Connection
from store.operations.audit import Snapshot

RECHECK_MAX = 10_000
"""Differences that are checked a second time because the system was running; more than that is not a coincidence."""

# An order's records on the topic as far as they were kept in memory together: sequences `first` to `last`, in turn.
# Each run must go on from what the runs before it have reached.
RUNS_TABLE = """
CREATE TEMPORARY TABLE topic_runs (
    order_id  text COLLATE "C",
    number    bigint,
    first     integer,
    last      integer
)
"""
RUNS_BROKEN = """
SELECT DISTINCT right(order_id, 2)
  FROM (
    SELECT order_id, first,
           max(last) OVER (PARTITION BY order_id ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
           AS reached
      FROM topic_runs
  ) AS run
 WHERE first > coalesce(reached, 0) + 1
"""

SIGHTS_TABLE = """
CREATE TEMPORARY TABLE topic_sights (
    order_id  text COLLATE "C",
    sequence  integer,
    place     bigint,
    digest    text COLLATE "C"
)
"""
# Sorted merges on both sides: sizes beyond memory spill to disk instead of growing.
SIGHTS_SETTINGS = (
    "SET enable_hashagg = off",
    "SET enable_hashjoin = off",
    "SET work_mem = '64MB'",
)
# events_pkey. A record may be of an event from before $1: it is searched without regard to time. Events that the
# snapshot $3 did not show may have come after the log was read; one of a transaction that this cluster has yet to begin
# was recorded by another one, from which it was dumped.
SIGHTS_COMPARED = """
WITH sights AS (
    SELECT order_id, sequence, min(place) AS place, min(digest) AS lowest, max(digest) AS highest,
           min(place) < lag(min(place)) OVER (PARTITION BY order_id ORDER BY sequence) AS too_early
      FROM topic_sights
     GROUP BY order_id, sequence
), compared AS (
    SELECT s.order_id, s.sequence, s.place, s.highest,
           CASE WHEN e.order_id IS NULL THEN 'unknown'
                WHEN md5(e.payload) NOT IN (s.lowest, s.highest) OR s.lowest <> s.highest THEN 'altered'
                WHEN s.too_early THEN 'too_early' END AS kind
      FROM sights s
      LEFT JOIN events e ON e.order_id = s.order_id AND e.sequence = s.sequence
     UNION ALL
    SELECT e.order_id, e.sequence, NULL, NULL, 'unpublished'
      FROM events e
     WHERE ($1::timestamptz IS NULL OR e.at >= $1)
       AND ($2::text[] IS NULL OR right(e.order_id, 2) = ANY ($2))
       AND (pg_visible_in_snapshot(e.txid, $3::text::pg_snapshot)
            OR e.txid >= pg_snapshot_xmax(pg_current_snapshot()))
       AND NOT EXISTS (SELECT FROM topic_sights s WHERE s.order_id = e.order_id AND s.sequence = e.sequence)
)
SELECT * FROM compared WHERE kind IS NOT NULL LIMIT 10000
"""
# disowned_events_pkey
WITHOUT_DISOWNED = """
DELETE FROM topic_sights s
 USING disowned_events d
 WHERE d.order_id = s.order_id AND d.sequence = s.sequence AND d.digest = s.digest
"""
COMMANDS_TABLE = """
CREATE TEMPORARY TABLE topic_commands (
    id          text COLLATE "C",
    nonce       text COLLATE "C",
    fingerprint text COLLATE "C",
    place       bigint
)
"""
COMMANDS_SETTINGS = "SET work_mem = '64MB'"
# commands_pkey, commands_accepted. Decided is a request that has a row of its own (id and nonce), or whose id was
# accepted with a nonce: without one the actor does not find the acceptance, and would act on the next repeat. A row
# from the future was dated by a clock that has been set back since.
COMMANDS_COMPARED = """
SELECT place, id, nonce, 'undecided' AS kind
  FROM topic_commands t
 WHERE NOT EXISTS (SELECT FROM commands c WHERE c.id = t.id
                      AND (c.nonce = t.nonce OR NOT c.rejected AND c.nonce <> ''))
 UNION ALL
SELECT place, t.id, t.nonce, CASE WHEN coalesce(md5(c.fingerprint), '') <> t.fingerprint THEN 'fingerprint'
                                  ELSE 'clock' END
  FROM topic_commands t
  JOIN commands c ON c.id = t.id AND c.nonce = t.nonce
 WHERE coalesce(md5(c.fingerprint), '') <> t.fingerprint
    OR c.decided_at > now() + interval '1 hour'
 ORDER BY place
 LIMIT 10000
"""
# events_pkey
DIGESTS_NOW = """
SELECT e.order_id, e.sequence, md5(e.payload) AS digest
  FROM events e JOIN unnest($1::text[], $2::integer[]) AS chosen (order_id, sequence) USING (order_id, sequence)
"""


@dataclass(frozen=True, slots=True)
class CommandDifference:
    """One record of the commands topic that differs from the inbox. `kind`: undecided, fingerprint, clock."""

    place: int
    id: str | None
    nonce: str | None
    kind: str


@dataclass(frozen=True, slots=True)
class SightDifference:
    """One event where topic and table disagree. `kind`: unknown, unpublished, altered, too_early."""

    order_id: str
    sequence: int
    place: int | None
    digest: str | None
    kind: str


class Runs:
    """Runs of records."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._made = False

    async def add(self, runs: list[tuple[str, int, int, int]]) -> None:
        """(order id, number of the run, first, last) of each."""
        assert not self._connection.is_in_transaction()
        if not self._made:
            await self._connection.execute(RUNS_TABLE)
            self._made = True
        await self._connection.copy_records_to_table("topic_runs", records=runs)

    async def broken(self) -> list[str]:
        """The last two characters of orders with a run that does not go on from those before it."""
        if not self._made:
            return []
        return [row[0] for row in await self._connection.fetch(RUNS_BROKEN, timeout=3_600)]


class Sights:
    """The topic's records in a temporary table."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @staticmethod
    async def open(connection: Connection) -> Sights:
        assert not connection.is_in_transaction()
        for statement in (*SIGHTS_SETTINGS, SIGHTS_TABLE):
            await connection.execute(statement)
        return Sights(connection)

    async def add(self, lines: bytes) -> None:
        """Lines of PostgreSQL's text format: order id, sequence, place, digest, tab-separated."""
        if lines:
            await self._connection.copy_to_table("topic_sights", source=BytesIO(lines))

    async def differences(
        self, snapshot: Snapshot, since: datetime | None, endings: list[str] | None
    ) -> list[SightDifference]:
        """`endings`: of the orders to look at, None for all."""
        await self._connection.execute(WITHOUT_DISOWNED)
        await self._connection.execute("ANALYZE topic_sights")
        rows = await self._connection.fetch(SIGHTS_COMPARED, since, endings, snapshot.shown, timeout=3_600)
        return [SightDifference(*row) for row in rows]


class CommandSights:
    """Records of the commands topic in a temporary table."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @staticmethod
    async def open(connection: Connection) -> CommandSights:
        assert not connection.is_in_transaction()
        for statement in (COMMANDS_SETTINGS, COMMANDS_TABLE):
            await connection.execute(statement)
        return CommandSights(connection)

    async def add(self, rows: list[tuple[str | None, str | None, str | None, int]]) -> None:
        """(id, nonce, fingerprint's md5, place) of each; all None except the place if it is not a command."""
        if rows:
            await self._connection.copy_records_to_table("topic_commands", records=rows)

    async def differences(self) -> list[CommandDifference]:
        """Records without a decision in the inbox as it is now, and decisions that differ from their record."""
        await self._connection.execute("ANALYZE topic_commands")
        rows = await self._connection.fetch(COMMANDS_COMPARED, timeout=3_600)
        return [CommandDifference(*row) for row in rows]


async def digests_now(connection: Connection, events: list[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Digest of each event that the table holds by now, outside any snapshot."""
    rows = await connection.fetch(DIGESTS_NOW, [order_id for order_id, _ in events], [number for _, number in events])
    return {(row["order_id"], row["sequence"]): row["digest"] for row in rows}
