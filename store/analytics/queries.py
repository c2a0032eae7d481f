"""Reading the rollups: sums over a period, and the same sums in buckets.

    period = quarters up to the first UTC midnight · whole UTC days · quarters after the last one

so that a year is a few hundred rows a measure, wherever its ends lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from store.analytics.measures import DAY, QUARTER, Measure, floor
from store.driver import Pool


@dataclass(frozen=True, slots=True)
class Period:
    """From (included) to (not included), both on quarters of an hour."""

    from_at: datetime
    to_at: datetime

    @property
    def before(self) -> Period:
        """The period of the same length that ends where this one begins."""
        return Period(self.from_at - (self.to_at - self.from_at), self.from_at)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a period that is read in one grain."""

    grain_minutes: int
    from_at: datetime
    to_at: datetime


@dataclass(frozen=True, slots=True)
class Total:
    """`label` as store/analytics/measures.py lists it."""

    measure: str
    label: str
    count: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Point:
    """What one bucket adds up to for one measure and label."""

    at: datetime
    total: Total


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Webhook deliveries. `delivered` and `failed` of the period; `waiting` counts all that wait now."""

    delivered: int
    failed: int
    waiting: int
    oldest_waiting_seconds: int | None


def widened(from_at: datetime, to_at: datetime) -> Period:
    """The smallest period on quarters that holds both ends."""
    quarter = timedelta(minutes=QUARTER)
    to_quarter = floor(to_at, QUARTER)
    return Period(floor(from_at, QUARTER), to_quarter if to_quarter == to_at else to_quarter + quarter)


def pieces_of(period: Period) -> list[Piece]:
    """The period in at most three parts, whole UTC days in the coarse grain."""
    day = timedelta(minutes=DAY)
    first_midnight = floor(period.from_at - timedelta(microseconds=1), DAY) + day
    last_midnight = floor(period.to_at, DAY)
    if first_midnight >= last_midnight:
        return [Piece(QUARTER, period.from_at, period.to_at)]
    pieces = [
        Piece(QUARTER, period.from_at, first_midnight),
        Piece(DAY, first_midnight, last_midnight),
        Piece(QUARTER, last_midnight, period.to_at),
    ]
    return [piece for piece in pieces if piece.from_at < piece.to_at]


# rollups_pkey, once for each piece `p` and measure. PostgreSQL cannot estimate how short the pieces are: the OFFSET
# keeps it from joining in another way, which would read every stretch of the merchant's.
_STRETCHES = """
 CROSS JOIN unnest($2::text[]) AS m (measure)
 CROSS JOIN LATERAL (
       SELECT starts_at, label, count, amount_minor
         FROM rollups
        WHERE merchant_id = $1
          AND grain_minutes = p.grain_minutes
          AND measure = m.measure
          AND starts_at >= p.from_at
          AND starts_at < p.to_at
       OFFSET 0) AS r
"""
TOTALS = f"""
SELECT p.span_number, m.measure, r.label, sum(r.count)::bigint AS count, sum(r.amount_minor)::bigint AS amount_minor
  FROM unnest($3::int[], $4::smallint[], $5::timestamptz[], $6::timestamptz[])
       AS p (span_number, grain_minutes, from_at, to_at)
{_STRETCHES}
 GROUP BY p.span_number, m.measure, r.label
"""
POINTS = f"""
SELECT width_bucket(r.starts_at, $6::timestamptz[]) AS place, m.measure, r.label, sum(r.count)::bigint AS count,
       sum(r.amount_minor)::bigint AS amount_minor
  FROM unnest($3::smallint[], $4::timestamptz[], $5::timestamptz[]) AS p (grain_minutes, from_at, to_at)
{_STRETCHES}
 GROUP BY 1, m.measure, r.label
"""
# webhook_logs_delivered, webhook_logs_failed, webhook_logs_waiting
DELIVERIES = """
SELECT (SELECT count(*) FROM webhook_logs
         WHERE merchant_id = $1 AND status = 'success' AND created_at >= $2 AND created_at < $3) AS delivered,
       (SELECT count(*) FROM webhook_logs
         WHERE merchant_id = $1 AND status = 'failed' AND created_at >= $2 AND created_at < $3) AS failed,
       waiting.count AS waiting, extract(epoch FROM now() - waiting.oldest)::int AS oldest_waiting_seconds
  FROM (SELECT count(*) AS count, min(created_at) AS oldest
          FROM webhook_logs
         WHERE merchant_id = $1 AND status IN ('pending', 'held')) AS waiting
"""


async def totals(pool: Pool, merchant_id: str, periods: Sequence[Period]) -> list[list[Total]]:
    """For each period, in order, every measure's sums by label."""
    pieces = [(number, piece) for number, period in enumerate(periods) for piece in pieces_of(period)]
    rows = await pool.fetch(
        TOTALS,
        merchant_id,
        list(Measure),
        [number for number, _ in pieces],
        [piece.grain_minutes for _, piece in pieces],
        [piece.from_at for _, piece in pieces],
        [piece.to_at for _, piece in pieces],
    )
    found: list[list[Total]] = [[] for _ in periods]
    for row in rows:
        found[row["span_number"]].append(Total(row["measure"], row["label"], row["count"], row["amount_minor"]))
    return found


SERIES = (Measure.CREATED, Measure.SUCCESS, Measure.FAILED, Measure.REFUND_PROCESSED)


async def points(pool: Pool, merchant_id: str, period: Period, starts: Sequence[datetime]) -> list[Point]:
    """The measures of SERIES in the period's buckets, which begin at `starts`, in order; empty ones are omitted."""
    in_utc_days = all(floor(start, DAY) == start for start in starts)
    pieces = pieces_of(period) if in_utc_days else [Piece(QUARTER, period.from_at, period.to_at)]
    rows = await pool.fetch(
        POINTS,
        merchant_id,
        list(SERIES),
        [piece.grain_minutes for piece in pieces],
        [piece.from_at for piece in pieces],
        [piece.to_at for piece in pieces],
        list(starts),
    )
    return [
        Point(starts[row["place"] - 1], Total(row["measure"], row["label"], row["count"], row["amount_minor"]))
        for row in rows
    ]


async def deliveries(pool: Pool, merchant_id: str, period: Period) -> Deliveries:
    row = await pool.fetchrow(DELIVERIES, merchant_id, period.from_at, period.to_at)
    assert row is not None
    return Deliveries(**dict(row))
