"""Reads deliveries and their attempts, and reopens a single one."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.delivery import Due
from store.driver import Pool, Row
from store.keyset import planned
from store.webhooks.attempt_batch import due_of
from store.webhooks.jobs import LogFilter

SUMMARY = (
    "id, event, event_id, endpoint_id, payment_id, status, attempts, created_at, last_attempt_at, next_retry_at, "
    "response_code"
)
_MATCHING = """
  FROM webhook_logs
 WHERE merchant_id = $1
   AND ($2::text IS NULL OR status = $2)
   AND ($3::text IS NULL OR event = $3)
   AND ($4::text IS NULL OR endpoint_id = $4)
   AND ($5::text IS NULL OR payment_id = $5)
   AND ($6::timestamptz IS NULL OR created_at >= $6)
   AND ($7::timestamptz IS NULL OR created_at < $7)
"""
# webhook_logs_merchant, or webhook_logs_payment where a payment is given
LIST = f"SELECT {SUMMARY} {_MATCHING} ORDER BY created_at DESC, id DESC LIMIT $8 OFFSET $9"
COUNT = f"SELECT count(*) {_MATCHING}"
DETAIL = f"SELECT {SUMMARY}, body, request_id, replay FROM webhook_logs WHERE id = $2 AND merchant_id = $1"
# webhook_attempts_pkey
ATTEMPTS = """
SELECT attempt, at, duration_ms, url, request_headers, response_code, response_headers, response_body, error,
       next_retry_at
  FROM webhook_attempts
 WHERE log_id = $1
 ORDER BY attempt
 LIMIT 500
"""
# The row's lock keeps two requests from starting two schedules.
PLACE = """
SELECT log.status, hook.active, (hook.id IS NULL OR hook.deleted_at IS NOT NULL) AS deleted
  FROM webhook_logs AS log
  LEFT JOIN webhooks AS hook
    ON hook.id = log.endpoint_id
 WHERE log.id = $2
   AND log.merchant_id = $1
   FOR UPDATE OF log
"""
REOPEN = """
UPDATE webhook_logs
   SET status = 'pending', next_retry_at = $2, schedule_from = attempts
 WHERE id = $1
RETURNING id, endpoint_id, order_id, attempts
"""


class NotRetryableError(ValueError):
    """The delivery cannot be sent now; the text is for the merchant."""


@dataclass(frozen=True, slots=True)
class Attempt:
    attempt: int
    at: datetime
    duration_ms: int
    url: str
    request_headers: str
    response_code: int | None
    response_headers: str | None
    response_body: str | None
    error: str | None
    next_retry_at: datetime | None


async def list_logs(
    pool: Pool, merchant_id: str, filters: LogFilter, *, limit: int, offset: int
) -> tuple[list[Row], int]:
    """One page, newest first, and how many match in all."""
    arguments = (
        merchant_id, filters.status, filters.event, filters.endpoint_id, filters.payment_id, filters.begins_at,
        filters.ends_at,
    )  # fmt: skip
    async with planned(pool) as connection:
        rows = await connection.fetch(LIST, *arguments, limit, offset)
        return rows, int(await connection.fetchval(COUNT, *arguments))


async def find_log(pool: Pool, merchant_id: str, log_id: uuid.UUID) -> tuple[Row, list[Attempt]] | None:
    """The delivery with its body, and its attempts in order."""
    row = await pool.fetchrow(DETAIL, merchant_id, log_id)
    return None if row is None else (row, await attempts_of(pool, log_id))


async def attempts_of(pool: Pool, log_id: uuid.UUID) -> list[Attempt]:
    return [Attempt(**row) for row in await pool.fetch(ATTEMPTS, log_id)]


async def reopen_log(pool: Pool, merchant_id: str, log_id: uuid.UUID, at: datetime) -> Due | None:
    """Restart the schedule of one delivery now, whatever its result. None if the merchant has no such delivery.

    Raises NotRetryableError if the endpoint is disabled or deleted, or an earlier event of the payment is undecided.
    """
    async with pool.acquire() as connection, connection.transaction():
        place = await connection.fetchrow(PLACE, merchant_id, log_id)
        if place is None:
            return None
        _check_retryable(place)
        row: Any = await connection.fetchrow(REOPEN, log_id, at)
    return due_of(row)


def _check_retryable(place: Row) -> None:
    if place["deleted"]:
        raise NotRetryableError("The webhook endpoint was deleted")
    if not place["active"]:
        raise NotRetryableError("The webhook endpoint is disabled")
    if place["status"] == "held":
        raise NotRetryableError("The webhook waits for an earlier event of its payment")
