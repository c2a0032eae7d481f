"""A merchant's events as one feed that can be resumed anywhere and misses nothing.

    number()       the feeder gives each event of the log its position, under one lock
    next_events()  a merchant's events in the order of their positions
    cursor         <epoch>.<place>

A position becomes visible with the transaction that assigns it, and the next one is assigned only afterwards. So
everything that becomes visible later comes after what was visible before, and a reader continues from the last position
it saw. An idle transaction delays nothing, and a dump keeps every position.

A database that fell behind the log (a restored backup) assigns positions again. It begins another epoch; a cursor of an
earlier one is valid as far as both histories agree, and is refused beyond.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.ids import parse_event_id
from store.driver import Connection, Pool

_CURSOR = re.compile(r"([1-9][0-9]{0,8})\.([0-9]{1,18})\Z")
_FORMER_CURSOR = re.compile(r"[0-9]{1,19}\.([0-9A-Za-z]{16})?\.([0-9]{1,9})\Z")
"""<transaction>.<the order's 16 characters>.<sequence>, from before the feed had its own numbers."""
FEEDER_LOCK = 7_240_003
"""Session lock of the only active feeder."""


class CursorError(ValueError):
    """A cursor without a position in this feed. Its text is for the caller."""


@dataclass(frozen=True, slots=True)
class FeedPlace:
    """Between an event and the next one."""

    epoch: int
    place: int

    @property
    def cursor(self) -> str:
        return f"{self.epoch}.{self.place}"


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """`payload`: the event's record as it is on the log."""

    place: FeedPlace
    payload: str


@dataclass(frozen=True, slots=True)
class Numbered:
    """The result of numbering: how many events got a position, and which (order id, sequence) are not in the table."""

    fresh: int
    unknown: frozenset[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Offsets of one partition that were read, the last excluded. `known`: the table has every event among them."""

    partition: int
    first: int
    end: int
    known: bool


EPOCH = "(SELECT max(epoch) FROM feed_epochs)"
# feed_pkey, events_pkey
NEXT = f"""
SELECT {EPOCH} AS epoch, f.place, e.payload
  FROM feed f
  JOIN events e USING (order_id, sequence)
 WHERE f.merchant_id = $1
   AND f.place > $2
 ORDER BY f.place
 LIMIT $3
"""
NOW = f"SELECT {EPOCH} AS epoch, last_place AS place FROM feed_state"
EPOCHS = "SELECT epoch, after_place FROM feed_epochs ORDER BY epoch"
# feed_event
PLACE = f"""
SELECT {EPOCH} AS epoch, place FROM feed WHERE order_id = $1 AND sequence = $2 AND merchant_id = $3
"""
LAST_PLACE = "SELECT last_place FROM feed_state FOR UPDATE"
# events_pkey, feed_event
NUMBER = """
WITH seen AS (
    SELECT * FROM unnest($1::text[], $2::integer[]) WITH ORDINALITY AS s (order_id, sequence, number)
), known AS (
    SELECT e.merchant_id, e.order_id, e.sequence, s.number FROM seen s JOIN events e USING (order_id, sequence)
), given AS (
    INSERT INTO feed (merchant_id, place, order_id, sequence)
    SELECT merchant_id, $3::bigint + row_number() OVER (ORDER BY number), order_id, sequence
      FROM known k
     WHERE NOT EXISTS (SELECT FROM feed f WHERE f.order_id = k.order_id AND f.sequence = k.sequence)
    RETURNING 1
)
SELECT (SELECT count(*) FROM given) AS fresh, (SELECT count(*) FROM known) AS known
"""
# events_pkey, disowned_events_pkey
UNKNOWN = """
SELECT order_id, sequence
  FROM unnest($1::text[], $2::integer[]) AS s (order_id, sequence)
 WHERE NOT EXISTS (SELECT FROM events e WHERE e.order_id = s.order_id AND e.sequence = s.sequence)
   AND NOT EXISTS (SELECT FROM disowned_events d WHERE d.order_id = s.order_id AND d.sequence = s.sequence)
"""
ADVANCE = "UPDATE feed_state SET last_place = last_place + $1"
TAKE_TURN = "SELECT pg_try_advisory_lock($1)"
READS_SINCE = "SELECT reads_since FROM feed_state"
POSITIONS = "SELECT partition, next_offset FROM feed_positions"
KNOWN_POSITIONS = "SELECT partition, known_offset FROM feed_positions"
# What is known must reach to where this stretch begins, else an unknown event before it would be passed over.
MOVE = """
INSERT INTO feed_positions AS p (partition, next_offset, known_offset)
SELECT partition, "end", CASE WHEN known THEN "end" ELSE first END
  FROM unnest($1::integer[], $2::bigint[], $3::bigint[], $4::boolean[]) AS s (partition, first, "end", known)
    ON CONFLICT (partition) DO UPDATE
   SET next_offset = excluded.next_offset,
       known_offset = CASE WHEN excluded.known_offset = excluded.next_offset AND p.known_offset >= p.next_offset
                           THEN excluded.next_offset ELSE p.known_offset END
"""
# Only where places were given since the last epoch began: none of them can be given again otherwise.
BEGIN_EPOCH = """
INSERT INTO feed_epochs (epoch, after_place)
SELECT e.epoch + 1, s.last_place
  FROM feed_state s,
       (SELECT epoch, after_place FROM feed_epochs ORDER BY epoch DESC LIMIT 1) AS e
 WHERE s.last_place > e.after_place
RETURNING epoch
"""
# feed_event, events_pkey
FORGET = "DELETE FROM feed WHERE order_id = $1 AND sequence >= $2"
FROM_SEQUENCE = "SELECT order_id, sequence FROM events WHERE order_id = $1 AND sequence >= $2 ORDER BY sequence"


async def place_of_cursor(pool: Pool, merchant_id: str, cursor: str) -> FeedPlace:
    """The position of a cursor or of an event's id. Raises CursorError."""
    found = _CURSOR.match(cursor)
    if found is not None:
        return await _checked(pool, FeedPlace(int(found[1]), int(found[2])))
    former = _FORMER_CURSOR.match(cursor)
    named = f"evt_{former[1]}_{former[2]}" if former is not None else cursor
    place = await place_of_event(pool, merchant_id, named)
    if place is not None:
        return place
    if former is not None:
        raise CursorError("is a cursor of an earlier version; continue after the id of the last event that you have")
    raise CursorError("must be a cursor of this feed or the id of an event")


async def place_of_event(pool: Pool, merchant_id: str, event_id: str) -> FeedPlace | None:
    """The event's position in the feed; None if it is not in it (yet)."""
    identity = parse_event_id(event_id)
    row = None if identity is None else await pool.fetchrow(PLACE, *identity, merchant_id)
    return None if row is None else FeedPlace(**row)


async def _checked(pool: Pool, place: FeedPlace) -> FeedPlace:
    epochs = {row["epoch"]: row["after_place"] for row in await pool.fetch(EPOCHS)}
    last = await feed_end(pool)
    if not holds(place, epochs, last_place=last.place):
        raise CursorError(
            "is a cursor of a history that a recovery has replaced; continue after the id of an event that you have"
        )
    return FeedPlace(last.epoch, place.place)


def holds(place: FeedPlace, epochs: Mapping[int, int], *, last_place: int) -> bool:
    """Whether everything up to a position is unchanged. `epochs`: epoch -> the place after which it began."""
    later = [after_place for epoch, after_place in epochs.items() if epoch > place.epoch]
    return place.epoch in epochs and place.place <= min([last_place, *later])


async def feed_end(pool: Pool) -> FeedPlace:
    """The position after everything that any feed shows now."""
    row = await pool.fetchrow(NOW)
    assert row is not None, "the migration wrote it"
    return FeedPlace(**row)


async def next_events(pool: Pool, merchant_id: str, after: FeedPlace, *, limit: int) -> list[FeedEvent]:
    """The merchant's next events in the feed's order."""
    rows = await pool.fetch(NEXT, merchant_id, after.place, limit)
    return [FeedEvent(FeedPlace(row["epoch"], row["place"]), row["payload"]) for row in rows]


async def number(connection: Connection, identities: Sequence[tuple[str, int]]) -> Numbered:
    """Give events (order id, sequence) their places in this order, each once. In a transaction of the caller's."""
    distinct = list(dict.fromkeys(identities))
    last = await connection.fetchval(LAST_PLACE)
    order_ids, sequences = [one for one, _ in distinct], [two for _, two in distinct]
    row = await connection.fetchrow(NUMBER, order_ids, sequences, last)
    assert row is not None
    await connection.execute(ADVANCE, row["fresh"])
    if row["known"] == len(distinct):
        return Numbered(row["fresh"], frozenset())
    unknown = await connection.fetch(UNKNOWN, order_ids, sequences)
    return Numbered(row["fresh"], frozenset((one["order_id"], one["sequence"]) for one in unknown))


async def lock_feed(connection: Connection) -> None:
    """No other session assigns or moves positions until the transaction ends."""
    await connection.fetchval(LAST_PLACE)


async def move(connection: Connection, stretches: Sequence[Stretch]) -> None:
    """Store how far the log was read, in the transaction that numbered what was read."""
    await connection.execute(MOVE, *([getattr(one, name) for one in stretches] for name in Stretch.__slots__))


async def number_again(connection: Connection, order_id: str, from_sequence: int) -> int:
    """Move an order's events from this one on to the end of the feed; how many they are. In a caller's transaction."""
    await connection.execute(FORGET, order_id, from_sequence)
    rows = await connection.fetch(FROM_SEQUENCE, order_id, from_sequence)
    return (await number(connection, [tuple(row) for row in rows])).fresh


async def read_positions(connection: Connection) -> dict[int, int]:
    """Partition -> the first offset whose event has no place yet."""
    return {row["partition"]: row["next_offset"] for row in await connection.fetch(POSITIONS)}


async def known_positions(connection: Connection) -> dict[int, int]:
    """Partition -> the offset before which the table had every event of the log."""
    return {row["partition"]: row["known_offset"] for row in await connection.fetch(KNOWN_POSITIONS)}


async def reads_since(connection: Connection) -> datetime | None:
    """The start on a partition without a position; None: its first record."""
    since: datetime | None = await connection.fetchval(READS_SINCE)
    return since


async def take_turn(connection: Connection, lock: int) -> bool:
    """False if another session holds this lock; it is held until the connection ends."""
    return bool(await connection.fetchval(TAKE_TURN, lock))


async def begin_epoch(connection: Connection) -> int | None:
    """Its number; None if no place was given in the epoch that lasts."""
    epoch: int | None = await connection.fetchval(BEGIN_EPOCH)
    return epoch
