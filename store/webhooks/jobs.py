"""Bulk work on deliveries that survives a crash: replays of a period, retries of everything that matches a filter.

A job is a filter, a cursor and a count. A chunk is read after the cursor, its deliveries are reopened, their records
published, and only then the cursor moves: a chunk that is done twice finds its rows marked with the job's id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from domain.delivery import is_ordered
from domain.event_kind import DEFAULT_EVENTS, TEST_EVENT
from store.driver import Pool, Row
from store.webhooks.plan import Draft, Target, drafts_of, target_of_row
from store.webhooks.razorpay_drafts import buildable_drafts
from topics.delivery import event_webhook_body
from topics.envelope import UndecodableError
from topics.events import read_any_event

REPLAY, RETRY = "replay", "retry"
JOB = "job_"


@dataclass(frozen=True, slots=True)
class Period:
    """Events of one endpoint from `begins_at` up to but not including `ends_at`."""

    endpoint_id: str
    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which delivery rows; None: any."""

    status: str | None = None
    event: str | None = None
    endpoint_id: str | None = None
    payment_id: str | None = None
    begins_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """`filter`: a Period for a replay, a LogFilter for a retry."""

    id: str
    merchant_id: str
    kind: str
    state: str
    filter: Period | LogFilter
    cursor: str
    total: int
    done: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Deliveries to open again. `cursor` None: that was the last. `left_out`: event id -> why it cannot be sent."""

    drafts: list[Draft]
    cursor: str | None
    left_out: Mapping[str, UndecodableError] = field(default_factory=dict)


COLUMNS = "id, merchant_id, kind, state, filter, cursor, total, done"
INSERT = (
    f"INSERT INTO webhook_jobs (id, merchant_id, kind, filter, total) VALUES ($1, $2, $3, $4, $5) RETURNING {COLUMNS}"
)
# webhook_jobs_in_turn: of each merchant the job that was served least recently, and of the merchants likewise
OPEN = f"""
SELECT {COLUMNS}
  FROM (SELECT DISTINCT ON (merchant_id) {COLUMNS}, COALESCE(updated_at, created_at) AS served_at
          FROM webhook_jobs
         WHERE state IN ('queued', 'running')
         ORDER BY merchant_id, COALESCE(updated_at, created_at)) AS first_of_each
 ORDER BY served_at
 LIMIT 20
"""
# merchants_pkey: openings of one merchant's jobs come after one another, so that none is counted too late
LOCK = "SELECT 1 FROM merchants WHERE id = $1 FOR NO KEY UPDATE"
# webhook_jobs_in_turn
COUNT_OPEN = "SELECT count(*) FROM webhook_jobs WHERE merchant_id = $1 AND state IN ('queued', 'running')"
FIND = f"SELECT {COLUMNS} FROM webhook_jobs WHERE id = $1 AND merchant_id = $2"
FIND_ANY = f"SELECT {COLUMNS} FROM webhook_jobs WHERE id = $1"
OWNER = "SELECT merchant_id FROM webhooks WHERE id = $1 AND deleted_at IS NULL"
ADVANCE = """
UPDATE webhook_jobs
   SET state = $3, cursor = $4, done = done + $5, updated_at = now()
 WHERE id = $1
   AND cursor = $2
   AND state IN ('queued', 'running')
"""
# webhooks_pkey
TARGET = """
SELECT id, merchant_id, events, ordering, active, razorpay_events, razorpay_shuffled
  FROM webhooks
 WHERE id = $1
   AND merchant_id = $2
   AND deleted_at IS NULL
"""
_EVENTS = """
  FROM events
 WHERE merchant_id = $1
   AND type = ANY($2::text[])
   AND at >= $3
   AND at < $4
"""
# events_at (BRIN)
COUNT_EVENTS = f"SELECT count(*) {_EVENTS}"
# feed_pkey, events_pkey
NEXT_EVENTS = """
SELECT f.place, e.payload
  FROM feed f
  JOIN events e USING (order_id, sequence)
 WHERE f.merchant_id = $1
   AND e.type = ANY($2::text[])
   AND e.at >= $3
   AND e.at < $4
   AND f.place > $5
 ORDER BY f.place
 LIMIT $6
"""
# events_at (BRIN), feed_event. Events of the period that are recorded, but have no place in the feed yet.
STILL_COMING = f"""
SELECT EXISTS (SELECT {_EVENTS}
   AND NOT EXISTS (SELECT FROM feed f WHERE f.order_id = events.order_id AND f.sequence = events.sequence))
"""
_LOGS = """
  FROM webhook_logs AS log
  JOIN webhooks AS hook
    ON hook.id = log.endpoint_id
   AND hook.deleted_at IS NULL
 WHERE log.merchant_id = $1
   AND ($2::text IS NULL OR log.status = $2)
   AND ($3::text IS NULL OR log.event = $3)
   AND ($4::text IS NULL OR log.endpoint_id = $4)
   AND ($5::text IS NULL OR log.payment_id = $5)
   AND ($6::timestamptz IS NULL OR log.created_at >= $6)
   AND ($7::timestamptz IS NULL OR log.created_at < $7)
   AND log.status IN ('success', 'failed')
"""
COUNT_LOGS = f"SELECT count(*) {_LOGS}"
# webhook_logs_merchant, read from its end
NEXT_LOGS = f"""
SELECT log.id, log.merchant_id, log.endpoint_id, log.event_id, log.event, log.order_id, log.payment_id, log.sequence,
       log.body, log.request_id, log.created_at, hook.ordering, hook.active
{_LOGS}
   AND (log.created_at, log.id) > ($8::timestamptz, $9::uuid)
 ORDER BY log.created_at, log.id
 LIMIT $10
"""
_FIRST_LOG = ("0001-01-01T00:00:00+00:00", "00000000-0000-0000-0000-000000000000")


async def target_of(pool: Pool, merchant_id: str, endpoint_id: str) -> Target | None:
    """The endpoint as the planner sees it; None if the merchant has no such endpoint."""
    row = await pool.fetchrow(TARGET, endpoint_id, merchant_id)
    if row is None:
        return None
    return target_of_row(row)


async def count_replay(pool: Pool, target: Target, period: Period) -> int:
    """How many events a replay would send."""
    count = await pool.fetchval(COUNT_EVENTS, *_period_arguments(target, period))
    return int(count)


async def count_retry(pool: Pool, merchant_id: str, filters: LogFilter) -> int:
    """How many ended deliveries match."""
    return int(await pool.fetchval(COUNT_LOGS, *_log_arguments(merchant_id, filters)))


async def open_job(
    pool: Pool,
    *,
    job_id: str,
    merchant_id: str,
    kind: str,
    filters: Period | LogFilter,
    total: int,
    open_max: int | None = None,
) -> Job | None:
    """Store a job; a forwarder starts it within a second. None if the merchant has `open_max` open."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(LOCK, merchant_id)
        if open_max is not None and await connection.fetchval(COUNT_OPEN, merchant_id) >= open_max:
            return None
        row = await connection.fetchrow(INSERT, job_id, merchant_id, kind, orjson.dumps(filters).decode(), total)
    assert row is not None
    return _job_of(row)


async def find_job(pool: Pool, merchant_id: str, job_id: str) -> Job | None:
    row = await pool.fetchrow(FIND, job_id, merchant_id)
    return None if row is None else _job_of(row)


async def find_any_job(pool: Pool, job_id: str) -> Job | None:
    """For operators: of any merchant."""
    row = await pool.fetchrow(FIND_ANY, job_id)
    return None if row is None else _job_of(row)


async def merchant_of(pool: Pool, endpoint_id: str) -> str | None:
    """For operators: the endpoint's merchant; None if there is no such endpoint."""
    owner: str | None = await pool.fetchval(OWNER, endpoint_id)
    return owner


async def open_jobs(pool: Pool) -> list[Job]:
    """One job of each merchant that has any, round robin: least recently served first, 20 at most."""
    return [_job_of(row) for row in await pool.fetch(OPEN)]


async def next_chunk(pool: Pool, job: Job, *, limit: int) -> Chunk | None:
    """What follows the job's cursor; None if its endpoint was deleted."""
    match job.filter:
        case Period() as period:
            target = await target_of(pool, job.merchant_id, period.endpoint_id)
            return None if target is None else await _next_events(pool, job, target, period, limit)
        case LogFilter() as filters:
            return await _next_logs(pool, job, filters, limit)


async def advance(pool: Pool, job: Job, *, state: str, cursor: str, done: int) -> None:
    """Advance the job, unless another worker did."""
    await pool.execute(ADVANCE, job.id, job.cursor, state, cursor, done)


async def _next_events(pool: Pool, job: Job, target: Target, period: Period, limit: int) -> Chunk:
    """A replay is done only when every event of its period is in the feed and was read."""
    arguments = _period_arguments(target, period)
    still_coming = await pool.fetchval(STILL_COMING, *arguments)  # before the rows, which so include later events
    rows = await pool.fetch(NEXT_EVENTS, *arguments, int(job.cursor or 0), limit)
    events = [read_any_event(row["payload"].encode()) for row in rows]
    drafts, left_out = await buildable_drafts(pool, events, target)
    for event in events:
        drafts += drafts_of(event, [target], body=event_webhook_body(event))
    if len(rows) < limit and not still_coming:
        return Chunk(drafts, None, left_out)
    return Chunk(drafts, str(rows[-1]["place"]) if rows else job.cursor or "0", left_out)


async def _next_logs(pool: Pool, job: Job, filters: LogFilter, limit: int) -> Chunk:
    created_at, log_id = job.cursor.split(",") if job.cursor else _FIRST_LOG
    arguments = _log_arguments(job.merchant_id, filters)
    rows = await pool.fetch(NEXT_LOGS, *arguments, datetime.fromisoformat(created_at), log_id, limit)
    drafts = [_draft_of(row) for row in rows]
    if len(rows) < limit:
        return Chunk(drafts, None)
    return Chunk(drafts, f"{rows[-1]['created_at'].isoformat()},{rows[-1]['id']}")


def _draft_of(row: Row) -> Draft:
    names = ("id", "merchant_id", "endpoint_id", "event_id", "event", "order_id", "payment_id", "sequence", "body")
    return Draft(
        **{name: row[name] for name in names},
        request_id=row["request_id"],
        ordered=is_ordered(ordering=row["ordering"], payment_id=row["payment_id"]),
        active=row["active"],
    )


def _period_arguments(target: Target, period: Period) -> Sequence[Any]:
    types = [event for event in target.events or DEFAULT_EVENTS if event != TEST_EVENT]
    return target.merchant_id, types, period.begins_at, period.ends_at


def _log_arguments(merchant_id: str, filters: LogFilter) -> Sequence[Any]:
    return (
        merchant_id, filters.status, filters.event, filters.endpoint_id, filters.payment_id, filters.begins_at,
        filters.ends_at,
    )  # fmt: skip


def _job_of(row: Row) -> Job:
    stored = orjson.loads(row["filter"])
    for name in ("begins_at", "ends_at"):
        if stored[name] is not None:
            stored[name] = datetime.fromisoformat(stored[name])
    filters = Period(**stored) if row["kind"] == REPLAY else LogFilter(**stored)
    plain = {name: row[name] for name in ("id", "merchant_id", "kind", "state", "cursor", "total", "done")}
    return Job(**plain, filter=filters)
