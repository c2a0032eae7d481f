"""Event → delivery rows: one for each event and endpoint, however often the event is read.

Whether a delivery waits for an earlier one of its payment is decided under row locks: the rows of the same payment are
locked first, so their end (store/webhooks/attempt_batch.py) comes either before, and is seen, or after, and sees the
new row.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.delivery import UNDECIDED, DeliveryStatus, Due, is_ordered, is_subscribed, log_id
from store.driver import Connection, Pool, Row
from topics.events import EventRecord, PaymentRecord

# webhooks_merchant
ENDPOINTS = """
SELECT id, merchant_id, events, ordering, active, razorpay_events, razorpay_shuffled
  FROM webhooks
 WHERE merchant_id = ANY($1::text[])
   AND deleted_at IS NULL
 ORDER BY merchant_id, created_at, id
"""
# webhook_logs_payment, and webhook_logs_pkey for deliveries without a payment. One statement, because several rows are
# locked in order of id everywhere.
LOCK_KNOWN = """
SELECT id, endpoint_id, payment_id, sequence, status, attempts, next_retry_at, job_id
  FROM webhook_logs
 WHERE (payment_id = ANY($1::text[]) AND endpoint_id = ANY($2::text[]))
    OR id = ANY($3::uuid[])
 ORDER BY id
   FOR UPDATE
"""
INSERT = """
INSERT INTO webhook_logs (id, merchant_id, endpoint_id, event_id, event, order_id, payment_id, sequence, body,
                          request_id, status, next_retry_at, replay, job_id, created_at)
SELECT *
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[],
              $9::bytea[], $10::text[], $11::text[], $12::timestamptz[], $13::boolean[], $14::text[],
              $15::timestamptz[])
    ON CONFLICT (event_id, endpoint_id) DO NOTHING
RETURNING id
"""
REOPEN = """
UPDATE webhook_logs AS log
   SET status = new.status, next_retry_at = new.next_retry_at, replay = new.replay, job_id = new.job_id,
       schedule_from = log.attempts, nudges = 0
  FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::boolean[], $5::text[])
       AS new (id, status, next_retry_at, replay, job_id)
 WHERE log.id = ANY($1::uuid[])
   AND log.id = new.id
"""


@dataclass(frozen=True, slots=True)
class Target:
    """What the planner needs of an endpoint. `razorpay_events`: of one in the format of the Razorpay double;
    `shuffled`: which is to get the later of two events first.
    """

    id: str
    merchant_id: str
    events: tuple[str, ...]
    ordering: str
    active: bool
    razorpay_events: tuple[str, ...] | None = None
    shuffled: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A delivery to plan. `ordered`: waits for earlier ones of its payment; `shuffled`: for later ones that are planned
    before it. `active`: its endpoint is enabled.
    """

    id: uuid.UUID
    merchant_id: str
    endpoint_id: str
    event_id: str
    event: str
    order_id: str
    payment_id: str | None
    sequence: int
    body: bytes
    request_id: str | None
    ordered: bool
    active: bool
    shuffled: bool = False


@dataclass(frozen=True, slots=True)
class Reopened:
    """`dues`: what has to be on the deliveries topic now. `count`: the deliveries that this job opened again or made,
    including those that are held and those of an earlier run of the same chunk."""

    dues: list[Due]
    count: int


@dataclass(slots=True)
class _Known:
    """A row as it is, or as it will be when this batch is written."""

    id: uuid.UUID
    sequence: int
    status: str
    attempts: int
    next_retry_at: datetime | None
    job_id: str | None


def drafts_of(event: EventRecord, targets: Sequence[Target], *, body: bytes) -> list[Draft]:
    """One draft for each endpoint of our own format that subscribes to this event. `body`: the body for all of them."""
    return [
        draft_of(event, target, event_id=event.id, body=body)
        for target in targets
        if target.razorpay_events is None and is_subscribed(target.events, event.type)
    ]


def draft_of(event: EventRecord, target: Target, *, event_id: str, body: bytes) -> Draft:
    """The delivery of `body` because of this event. `event_id`: its identity for the receiver."""
    payment_id = event.payment.id if isinstance(event, PaymentRecord) else None
    return Draft(
        id=log_id(event_id, target.id, event.at),
        merchant_id=target.merchant_id,
        endpoint_id=target.id,
        event_id=event_id,
        event=event.type,
        order_id=event.order_id,
        payment_id=payment_id,
        sequence=event.sequence,
        body=body,
        request_id=event.request_id,
        ordered=not target.shuffled and is_ordered(ordering=target.ordering, payment_id=payment_id),
        active=target.active,
        shuffled=target.shuffled and payment_id is not None,
    )


async def targets_of(pool: Pool, merchant_ids: Iterable[str]) -> dict[str, list[Target]]:
    """Merchant id -> its endpoints, including disabled ones (their deliveries are held)."""
    found: dict[str, list[Target]] = {}
    for row in await pool.fetch(ENDPOINTS, sorted(set(merchant_ids))):
        target = target_of_row(row)
        found.setdefault(target.merchant_id, []).append(target)
    return found


def target_of_row(row: Row) -> Target:
    """A row with the columns of ENDPOINTS."""
    theirs = row["razorpay_events"]
    return Target(
        id=row["id"],
        merchant_id=row["merchant_id"],
        events=tuple(row["events"]),
        ordering=row["ordering"],
        active=row["active"],
        razorpay_events=None if theirs is None else tuple(theirs),
        shuffled=row["razorpay_shuffled"],
    )


async def plan_deliveries(pool: Pool, drafts: Sequence[Draft], at: datetime) -> list[Due]:
    """Write the rows that are missing; returns what has to be on the deliveries topic now.

    That includes first attempts planned before whose record may not have been written (the planner died in between).
    """
    return (await _write(pool, drafts, at, job_id=None)).dues


async def replay_deliveries(pool: Pool, drafts: Sequence[Draft], at: datetime, *, job_id: str) -> Reopened:
    """As plan_deliveries, but rows that ended are opened again with a new schedule, once for each job."""
    return await _write(pool, drafts, at, job_id=job_id)


async def insert_unordered(connection: Connection, drafts: Sequence[Draft], at: datetime) -> list[Due]:
    """New rows of events that belong to no payment, in the caller's transaction; returns what to publish after it."""
    if not drafts:
        return []
    fresh = [(draft, _status(draft, [])) for draft in drafts]
    await connection.fetch(INSERT, *_columns(fresh, at, None))
    return [_due(draft, 1) for draft, status in fresh if status == DeliveryStatus.PENDING]


async def _write(pool: Pool, drafts: Sequence[Draft], at: datetime, *, job_id: str | None) -> Reopened:
    if not drafts:
        return Reopened([], 0)
    async with pool.acquire() as connection, connection.transaction():
        known = await _known(connection, drafts)
        repeated = _count_of_job(drafts, known, job_id)
        fresh, reopened, ready = _decide(drafts, known, at, job_id)
        written: set[uuid.UUID] = set()
        if fresh:
            written = {row["id"] for row in await connection.fetch(INSERT, *_columns(fresh, at, job_id))}
        if reopened:
            await connection.execute(
                REOPEN,
                [draft.id for draft, _ in reopened],
                [status for _, status in reopened],
                [at if status == DeliveryStatus.PENDING else None for _, status in reopened],
                [job_id is not None] * len(reopened),
                [job_id] * len(reopened),
            )
    new_ids = {draft.id for draft, _ in fresh}
    dues = [due for due in ready if due.log_id not in new_ids or due.log_id in written]
    return Reopened(dues, repeated + len(reopened) + len(written))


def _count_of_job(
    drafts: Sequence[Draft], known: dict[tuple[str, str | None], list[_Known]], job_id: str | None
) -> int:
    """How many of these rows the job opened or made before: the forwarder died before it moved the job's cursor."""
    if job_id is None:
        return 0
    marked = {row.id for group in known.values() for row in group if row.job_id == job_id}
    return len(marked & {draft.id for draft in drafts})


async def _known(connection: Connection, drafts: Sequence[Draft]) -> dict[tuple[str, str | None], list[_Known]]:
    payment_ids = sorted({draft.payment_id for draft in drafts if draft.payment_id is not None})
    endpoint_ids = sorted({draft.endpoint_id for draft in drafts})
    alone = sorted({draft.id for draft in drafts if draft.payment_id is None})
    known: dict[tuple[str, str | None], list[_Known]] = {}
    for row in await connection.fetch(LOCK_KNOWN, payment_ids, endpoint_ids, alone):
        state = _Known(row["id"], row["sequence"], row["status"], row["attempts"], row["next_retry_at"], row["job_id"])
        known.setdefault((row["endpoint_id"], row["payment_id"]), []).append(state)
    return known


Decided = list[tuple[Draft, DeliveryStatus]]


def _decide(
    drafts: Sequence[Draft], known: dict[tuple[str, str | None], list[_Known]], at: datetime, job_id: str | None
) -> tuple[Decided, Decided, list[Due]]:
    fresh: Decided = []
    reopened: Decided = []
    ready: list[Due] = []
    for draft in drafts:
        group = known.setdefault((draft.endpoint_id, draft.payment_id), [])
        row = next((one for one in group if one.id == draft.id), None)
        if row is not None and (row.status in UNDECIDED or job_id is None or row.job_id == job_id):
            # Planned before. Its attempt may never have reached the topic: the planner died in between.
            if row.status == DeliveryStatus.PENDING and _is_lost(row, at, job_id):
                ready.append(_due(draft, row.attempts + 1))
            continue
        status = _status(draft, group)
        attempts = 0 if row is None else row.attempts
        (fresh if row is None else reopened).append((draft, status))
        if row is None:
            group.append(_Known(draft.id, draft.sequence, status, 0, at, job_id))
        else:
            row.status = status
        if status == DeliveryStatus.PENDING:
            ready.append(_due(draft, attempts + 1))
    return fresh, reopened, ready


def _status(draft: Draft, group: list[_Known]) -> DeliveryStatus:
    undecided = [one.sequence for one in group if one.status in UNDECIDED]
    waits = (draft.ordered and any(sequence < draft.sequence for sequence in undecided)) or (
        draft.shuffled and any(sequence > draft.sequence for sequence in undecided)
    )
    return DeliveryStatus.HELD if waits or not draft.active else DeliveryStatus.PENDING


def _is_lost(row: _Known, at: datetime, job_id: str | None) -> bool:
    """True if only this planning could have requested the row's next attempt."""
    planned_here = row.attempts == 0 if job_id is None else row.job_id == job_id
    return planned_here and row.next_retry_at is not None and row.next_retry_at <= at


def _due(draft: Draft, attempt: int) -> Due:
    return Due(log_id=draft.id, endpoint_id=draft.endpoint_id, order_id=draft.order_id, attempt=attempt)


def _columns(fresh: Decided, at: datetime, job_id: str | None) -> list[list[object]]:
    rows = [
        (
            draft.id, draft.merchant_id, draft.endpoint_id, draft.event_id, draft.event, draft.order_id,
            draft.payment_id, draft.sequence, draft.body, draft.request_id, status,
            at if status == DeliveryStatus.PENDING else None, job_id is not None, job_id, at,
        )
        for draft, status in fresh
    ]  # fmt: skip
    return [list(column) for column in zip(*rows, strict=True)]
