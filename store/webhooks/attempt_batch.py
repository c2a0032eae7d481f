"""What the dispatcher reads before an attempt and writes after it: many attempts in one transaction.

An attempt is recorded once: its number must be the row's count plus one, under the row's lock. The end of a delivery
releases the next one of its payment in the same transaction, but in a statement of its own, begun when the locks are
held: it sees rows that the planner committed in between.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import orjson

from domain.delivery import BREAK_AFTER, BREAK_AFTER_FAILURES, DeliveryStatus, Due, HttpResponse, Sent
from store.driver import Connection, Pool, Row
from store.webhooks.endpoint_events import Switch, record_switches

# webhook_logs_pkey, webhooks_pkey
LOAD = """
SELECT log.id, log.endpoint_id, log.order_id, log.payment_id, log.event_id, log.body, log.status, log.attempts,
       log.schedule_from, log.replay, log.next_retry_at, log.merchant_id, hook.url, hook.active, hook.secret_sealed,
       hook.previous_secrets_sealed, hook.previous_secrets_expire_at, hook.headers_sealed,
       (hook.id IS NULL OR hook.deleted_at IS NOT NULL) AS deleted, hook.razorpay_events IS NOT NULL AS razorpay
  FROM webhook_logs AS log
  LEFT JOIN webhooks AS hook
    ON hook.id = log.endpoint_id
 WHERE log.id = ANY($1::uuid[])
"""
LOCK = """
SELECT id, attempts, status
  FROM webhook_logs
 WHERE id = ANY($1::uuid[])
 ORDER BY id
   FOR UPDATE
"""
RECORD = """
WITH made AS (
    SELECT *
      FROM unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::int[], $5::text[], $6::text[], $7::int[], $8::text[],
                  $9::text[], $10::text[], $11::timestamptz[], $12::text[])
           AS made (id, attempt, at, duration_ms, url, request_headers, response_code, response_headers,
                    response_body, error, next_retry_at, status)
), changed AS (
    UPDATE webhook_logs AS log
       SET status = made.status, attempts = made.attempt, last_attempt_at = made.at,
           next_retry_at = made.next_retry_at, response_code = made.response_code, nudges = 0
      FROM made
     WHERE log.id = ANY($1::uuid[])
       AND log.id = made.id
)
INSERT INTO webhook_attempts (log_id, attempt, at, duration_ms, url, request_headers, response_code, response_headers,
                              response_body, error, next_retry_at)
SELECT id, attempt, at, duration_ms, url, request_headers, response_code, response_headers, response_body, error,
       next_retry_at
  FROM made
    ON CONFLICT (log_id, attempt) DO NOTHING
"""
# Deliveries that end or wait without an attempt: the endpoint is disabled, slow, or deleted.
RECORD_SKIPPED = """
UPDATE webhook_logs AS log
   SET status = new.status, next_retry_at = new.next_retry_at, nudges = 0
  FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS new (id, status, next_retry_at)
 WHERE log.id = ANY($1::uuid[])
   AND log.id = new.id
   AND log.status = 'pending'
"""
# webhook_logs_payment, once for each ended delivery: the first undecided one of its payment.
_FOLLOWING = """
SELECT following.*
  FROM unnest($1::text[], $2::text[]) AS ended (payment_id, endpoint_id)
 CROSS JOIN LATERAL (
           SELECT id, endpoint_id, order_id, attempts, status, next_retry_at
             FROM webhook_logs
            WHERE payment_id = ended.payment_id
              AND endpoint_id = ended.endpoint_id
              AND status IN ('pending', 'held')
            ORDER BY sequence
            LIMIT 1
       ) AS following
"""
RELEASE_NEXT = f"""
UPDATE webhook_logs
   SET status = 'pending', next_retry_at = $3
 WHERE id = ANY(ARRAY(SELECT id FROM ({_FOLLOWING}) AS first))
   AND status = 'held'
RETURNING id, endpoint_id, order_id, attempts
"""
RELEASED_BEFORE = f"""
SELECT id, endpoint_id, order_id, attempts
  FROM ({_FOLLOWING}) AS first
 WHERE status = 'pending'
   AND attempts = 0
   AND next_retry_at <= $3
"""
COUNT_FAILURES = """
UPDATE webhooks AS hook
   SET failures_in_a_row = hook.failures_in_a_row + new.failures, failing_since = coalesce(hook.failing_since, $3)
  FROM unnest($1::text[], $2::int[]) AS new (id, failures)
 WHERE hook.id = ANY($1::text[])
   AND hook.id = new.id
"""
BREAK = """
UPDATE webhooks
   SET active = false, disabled_reason = 'failing', updated_at = $2
 WHERE id = ANY($1::text[])
   AND active
   AND failures_in_a_row >= $3
   AND failing_since <= $4
RETURNING id
"""
FORGET_FAILURES = """
UPDATE webhooks
   SET failures_in_a_row = 0, failing_since = NULL
 WHERE id = ANY($1::text[])
   AND failures_in_a_row > 0
"""
SWITCH_OFF = """
UPDATE webhooks
   SET active = false, disabled_reason = 'gone', updated_at = $2
 WHERE id = ANY($1::text[])
   AND active
RETURNING id
"""


class Loaded(NamedTuple):
    """A current delivery row with its endpoint: LOAD's columns in LOAD's order.

    `deleted`: the merchant deleted the endpoint. `razorpay`: it is in the format of the Razorpay double.
    """

    id: uuid.UUID
    endpoint_id: str
    order_id: str
    payment_id: str | None
    event_id: str
    body: bytes
    status: str
    attempts: int
    schedule_from: int
    replay: bool
    next_retry_at: datetime | None
    merchant_id: str
    url: str | None
    active: bool | None
    secret_sealed: bytes | None
    previous_secrets_sealed: list[bytes] | None
    previous_secrets_expire_at: list[datetime] | None
    headers_sealed: bytes | None
    deleted: bool
    razorpay: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """An attempt to record, and what the row becomes by it."""

    sent: Sent
    status: DeliveryStatus
    next_retry_at: datetime | None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """A delivery that waits or ends without an attempt."""

    log_id: uuid.UUID
    payment_id: str | None
    endpoint_id: str
    status: DeliveryStatus
    next_retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """`counted`: how many attempts were new (a repeat is not). `released`: what may be sent now. `switches`: endpoints
    that these attempts disabled; their `dues` are among `released`. `repeated`: deliveries whose attempt was recorded
    before, with another outcome perhaps; that one holds."""

    counted: int
    released: tuple[Due, ...]
    switches: tuple[Switch, ...] = ()
    repeated: frozenset[uuid.UUID] = frozenset()


async def load_deliveries(pool: Pool, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Loaded]:
    """The rows that exist, by id."""
    return {row["id"]: Loaded._make(row) for row in await pool.fetch(LOAD, ids)}


async def record(pool: Pool, made: Sequence[Made], skipped: Sequence[Skipped], at: datetime) -> Recorded:
    """Write attempts and set-asides; release what waited for them. One transaction, repeatable."""
    ids = sorted([one.sent.prepared.due.log_id for one in made] + [one.log_id for one in skipped])
    async with pool.acquire() as connection, connection.transaction():
        rows = {row["id"]: row for row in await connection.fetch(LOCK, ids)}
        counted = [one for one in made if _counts(one, rows)]
        switches: tuple[Switch, ...] = ()
        if counted:
            await connection.execute(RECORD, *_columns(counted))
            switches = await record_switches(connection, await _judge_endpoints(connection, counted, at), at)
        if skipped:
            await connection.execute(
                RECORD_SKIPPED,
                [one.log_id for one in skipped],
                [one.status for one in skipped],
                [one.next_retry_at for one in skipped],
            )
        released = await _release(connection, _ended(made, skipped), at, again=len(counted) < len(made))
    announced = tuple(due for switch in switches for due in switch.dues)
    known = {one.sent.prepared.due.log_id for one in counted}
    repeated = frozenset(one.sent.prepared.due.log_id for one in made) - known
    return Recorded(len(counted), released + announced, switches, repeated)


async def release_after(pool: Pool, ended: Sequence[Loaded], at: datetime) -> tuple[Due, ...]:
    """What waited for deliveries that had ended before: their end's own release may not have reached the topic."""
    async with pool.acquire() as connection:
        return await _release(connection, [(one.payment_id, one.endpoint_id) for one in ended], at, again=True)


def due_of(row: Row) -> Due:
    """The next attempt of a delivery row."""
    return Due(row["id"], row["endpoint_id"], row["order_id"], row["attempts"] + 1)


def _counts(one: Made, rows: dict[uuid.UUID, Row]) -> bool:
    row = rows.get(one.sent.prepared.due.log_id)
    return (
        row is not None
        and row["status"] == DeliveryStatus.PENDING
        and row["attempts"] == one.sent.prepared.due.attempt - 1
    )


def _columns(made: Sequence[Made]) -> list[list[object]]:
    rows = []
    for one in made:
        sent, response = one.sent, one.sent.response
        headers = orjson.dumps(sent.request_headers).decode()
        code, given, text = (
            (None, None, None) if response is None else (response.code, _header_text(response), response.text)
        )
        rows.append(
            (
                sent.prepared.due.log_id, sent.prepared.due.attempt, sent.at, sent.duration_ms, sent.prepared.url,
                headers, code, given, text, sent.error, one.next_retry_at, one.status,
            )
        )  # fmt: skip
    return [list(column) for column in zip(*rows, strict=True)]


def _header_text(response: HttpResponse) -> str:
    """JSON object; a header that came several times holds its values joined by ", "."""
    joined: dict[str, str] = {}
    for name, value in response.headers:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return orjson.dumps(joined).decode()


async def _judge_endpoints(connection: Connection, made: Sequence[Made], at: datetime) -> list[str]:
    """Count successes and failures; returns the endpoints that this disabled."""
    failures: dict[str, int] = {}
    recovered: set[str] = set()
    gone: set[str] = set()
    for one in made:
        endpoint_id = one.sent.prepared.due.endpoint_id
        if one.status == DeliveryStatus.SUCCESS:
            recovered.add(endpoint_id)
        else:
            failures[endpoint_id] = failures.get(endpoint_id, 0) + 1
        if one.gone:
            gone.add(endpoint_id)
    failing = sorted(set(failures) - recovered)
    off: list[Row] = []
    if recovered:
        await connection.execute(FORGET_FAILURES, sorted(recovered))
    if failing:
        counts = [failures[endpoint_id] for endpoint_id in failing]
        await connection.execute(COUNT_FAILURES, failing, counts, at)
        off += await connection.fetch(BREAK, failing, at, BREAK_AFTER_FAILURES, at - BREAK_AFTER)
    if gone:
        off += await connection.fetch(SWITCH_OFF, sorted(gone), at)
    return [row["id"] for row in off]


def _ended(made: Sequence[Made], skipped: Sequence[Skipped]) -> list[tuple[str | None, str]]:
    over = (DeliveryStatus.SUCCESS, DeliveryStatus.FAILED)
    places = [(one.sent.prepared.payment_id, one.sent.prepared.due.endpoint_id) for one in made if one.status in over]
    return places + [(one.payment_id, one.endpoint_id) for one in skipped if one.status in over]


async def _release(
    connection: Connection, ended: Sequence[tuple[str | None, str]], at: datetime, *, again: bool
) -> tuple[Due, ...]:
    """`again`: this may be the repeat of a release whose outcome never reached the topic; find that release too."""
    places = [(payment_id, endpoint_id) for payment_id, endpoint_id in ended if payment_id is not None]
    if not places:
        return ()
    arrays = [payment_id for payment_id, _ in places], [endpoint_id for _, endpoint_id in places]
    rows = await connection.fetch(RELEASE_NEXT, *arrays, at)
    if again:
        rows += await connection.fetch(RELEASED_BEFORE, *arrays, at)
    return tuple({row["id"]: due_of(row) for row in rows}.values())
