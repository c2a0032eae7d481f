"""The sweeper's schedule: which attempts to query at the bank now, in an order that is fair to every merchant.

    due ─► claim (counts the question, sets the next) ─► query ─► record (response or silence: when to query again)

Attempts past their deadline are found in payments and refunds, which the actor alone writes; `bank_questions` holds
only the sweeper's own data about them. Several sweepers may run: one of them claims a question.

No wait is as long as an hour. A next time further ahead was set while the clock was wrong; it counts as due.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from domain.payment import Payment
from domain.question import Kind, Question, wait_seconds
from domain.refund import LATE_REFUNDS_MAX, Refund
from store.attempts import AttemptState, state_of_attempt
from store.driver import Pool, Row
from store.retention import prune_attempts, prune_commands, prune_order_keys, prune_promises
from store.rows import payment_of, refund_of

RETURN_REST_SECONDS_MAX = 86_400.0
# payments_undecided, bank_questions_pkey
PAYMENTS = """
SELECT p.*,
       p.method AS route,
       coalesce(q.asked, 0) AS asked,
       coalesce(q.answered, 0) AS answered,
       coalesce(q.next_at, p.deadline_at) AS due_at
  FROM payments p
  LEFT JOIN bank_questions q
    ON q.attempt_id = p.id AND q.kind = 'payment'
 WHERE p.status IN ('CREATED', 'PROCESSING')
   AND p.deadline_at < now()
   AND (coalesce(q.next_at, p.deadline_at) <= now() OR q.next_at > now() + interval '1 hour')
"""
# refunds_pending, payments_pkey, bank_questions_pkey
REFUNDS = """
SELECT r.*,
       p.method AS route,
       coalesce(q.asked, 0) AS asked,
       coalesce(q.answered, 0) AS answered,
       coalesce(q.next_at, r.deadline_at) AS due_at
  FROM refunds r
  JOIN payments p
    ON p.id = r.payment_id
  LEFT JOIN bank_questions q
    ON q.attempt_id = r.id AND q.kind = 'refund'
 WHERE r.status = 'PENDING'
   AND r.deadline_at < now()
   AND (coalesce(q.next_at, r.deadline_at) <= now() OR q.next_at > now() + interval '1 hour')
"""
# refunds_automatic_failed, refunds_payment_id, payments_pkey, bank_questions_pkey.
# The bank rests after each refusal, twice as long as before, at most $4 seconds. What it has reversed itself need not
# be returned, nor what other refunds have returned.
RETURNS = """
SELECT p.*,
       p.method AS route,
       coalesce(q.asked, 0) AS asked,
       coalesce(q.answered, 0) AS answered,
       coalesce(q.next_at, refused.last_at) AS due_at
  FROM (SELECT failed.payment_id,
               count(*) AS times,
               max(coalesce(failed.updated_at, failed.created_at)) AS last_at
          FROM refunds failed
         WHERE failed.automatic
           AND failed.status = 'FAILED'
           AND NOT EXISTS (SELECT 1 FROM refunds other
                            WHERE other.payment_id = failed.payment_id
                              AND other.automatic
                              AND other.status <> 'FAILED')
         GROUP BY failed.payment_id) AS refused
  JOIN payments p
    ON p.id = refused.payment_id
  LEFT JOIN bank_questions q
    ON q.attempt_id = p.id AND q.kind = 'return'
 WHERE refused.times < $3
   AND refused.last_at < now() - least($2::float8 * power(2, refused.times - 1), $4) * interval '1 second'
   AND (coalesce(q.next_at, refused.last_at) <= now() OR q.next_at > now() + interval '1 hour')
   AND NOT p.reversed
   AND (SELECT coalesce(sum(r.amount), 0) FROM refunds r WHERE r.payment_id = p.id AND r.status <> 'FAILED') < p.amount
"""
# Round robin: the first of every merchant, then the second of every merchant, and so on. Of one merchant's attempts,
# and of those with the same turn, those with the fewest questions come first: a new one never waits behind one that has
# been silent before.
IN_TURN = """
SELECT *
  FROM (SELECT *, row_number() OVER (PARTITION BY route ORDER BY turn, asked, due_at) AS place
          FROM (SELECT *, row_number() OVER (PARTITION BY route, merchant_id ORDER BY asked, due_at) AS turn
                  FROM ({due}) AS due) AS in_turn) AS placed
 WHERE place <= $1
"""
# bank_questions_pkey. One that another sweeper has claimed in between is no longer due and is omitted.
CLAIM = """
INSERT INTO bank_questions AS known (attempt_id, kind, asked, next_at)
SELECT attempt_id, kind, 1, now() + wait * interval '1 second'
  FROM unnest($1::text[], $2::text[], $3::float8[]) AS claimed (attempt_id, kind, wait)
 ORDER BY attempt_id, kind
    ON CONFLICT (attempt_id, kind)
    DO UPDATE SET asked = known.asked + 1, next_at = excluded.next_at
 WHERE known.next_at <= now()
    OR known.next_at > now() + interval '1 hour'
RETURNING attempt_id, kind, asked, answered
"""
# bank_questions_pkey
RECORD = """
UPDATE bank_questions AS known
   SET answered = known.answered + given.answered,
       next_at = now() + given.wait * interval '1 second'
  FROM unnest($1::text[], $2::text[], $3::int[], $4::float8[]) AS given (attempt_id, kind, answered, wait)
 WHERE known.attempt_id = given.attempt_id
   AND known.kind = given.kind
"""
# The whole of bank_questions, which is small; payments_pkey, refunds_pkey, refunds_payment_id
FORGET_CLOSED = """
DELETE FROM bank_questions q
 WHERE CASE q.kind
         WHEN 'payment' THEN NOT EXISTS (SELECT 1 FROM payments p
                                          WHERE p.id = q.attempt_id
                                            AND p.status IN ('CREATED', 'PROCESSING'))
         WHEN 'refund' THEN NOT EXISTS (SELECT 1 FROM refunds r WHERE r.id = q.attempt_id AND r.status = 'PENDING')
         ELSE EXISTS (SELECT 1 FROM refunds r
                       WHERE r.payment_id = q.attempt_id
                         AND r.automatic
                         AND r.status <> 'FAILED')
           OR EXISTS (SELECT 1 FROM payments p WHERE p.id = q.attempt_id AND p.reversed)
       END
"""
# payments_undecided, refunds_pending
COUNT_OVERDUE = """
SELECT (SELECT count(*) FROM payments WHERE status IN ('CREATED', 'PROCESSING') AND deadline_at < now()) AS payments,
       (SELECT count(*) FROM refunds WHERE status = 'PENDING' AND deadline_at < now()) AS refunds
"""


class QuestionStore:
    """What the sweeper reads and writes, over its pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def state_of_attempt(self, attempt_id: str) -> AttemptState | None:
        """As `store.attempts.state_of_attempt`."""
        return await state_of_attempt(self._pool, attempt_id)

    async def due(self, *, rest_seconds: float, limit: int) -> list[Question]:
        """At most `limit` questions of each kind and route, round robin over the merchants.

        `rest_seconds`: how long the bank rests after its first refusal to take money back.
        """
        payments = await self._pool.fetch(IN_TURN.format(due=PAYMENTS), limit)
        refunds = await self._pool.fetch(IN_TURN.format(due=REFUNDS), limit)
        returns = await self._pool.fetch(
            IN_TURN.format(due=RETURNS), limit, rest_seconds, LATE_REFUNDS_MAX, RETURN_REST_SECONDS_MAX
        )
        found = [(row["place"], _question(Kind.PAYMENT, payment_of(row), row)) for row in payments]
        found += [(row["place"], _question(Kind.REFUND, refund_of(row), row)) for row in refunds]
        found += [(row["place"], _question(Kind.RETURN, payment_of(row), row)) for row in returns]
        return [question for _, question in sorted(found, key=lambda one: one[0])]

    async def claim(self, questions: Sequence[Question]) -> list[Question]:
        """Count these questions as sent; returns the claimed ones, as they are now."""
        if not questions:
            return []
        waits = [wait_seconds(one.asked + 1, answered=False) for one in questions]
        rows = await self._pool.fetch(CLAIM, *_keys(questions), waits)
        claimed = {(row["attempt_id"], row["kind"]): row for row in rows}
        return [
            replace(one, asked=row["asked"], answered=row["answered"])
            for one in questions
            if (row := claimed.get(one.key)) is not None
        ]

    async def record(self, results: Sequence[tuple[Question, bool]]) -> None:
        """Set when each is sent again, if it is still open by then. True: the bank responded and the actor was
        notified."""
        waits = [wait_seconds(question.asked, answered=answered) for question, answered in results]
        questions = [question for question, _ in results]
        await self._pool.execute(RECORD, *_keys(questions), [int(answered) for _, answered in results], waits)

    async def forget_closed(self) -> int:
        """Remove the rows of attempts that no longer need a question; returns how many."""
        status: str = await self._pool.execute(FORGET_CLOSED)
        return int(status.rpartition(" ")[2])

    async def count_overdue(self) -> dict[str, int]:
        """Kind -> attempts past their deadline, all of them."""
        (row,) = await self._pool.fetch(COUNT_OVERDUE)
        return {"payment": row["payments"], "refund": row["refunds"]}

    async def prune_commands(self, *, days: int, oldest: datetime | None) -> int:
        return await prune_commands(self._pool, days=days, oldest=oldest)

    async def prune_promises(self, *, days: int, oldest: datetime | None) -> int:
        return await prune_promises(self._pool, days=days, oldest=oldest)

    async def prune_attempts(self, *, days: int) -> int:
        return await prune_attempts(self._pool, days=days)

    async def prune_order_keys(self, *, days: int, today: date) -> int:
        return await prune_order_keys(self._pool, days=days, today=today)


def _question(kind: Kind, subject: Payment | Refund, row: Row) -> Question:
    return Question(kind, subject, row["route"], row["asked"], row["answered"])


def _keys(questions: Sequence[Question]) -> tuple[list[str], list[str]]:
    return [one.subject.id for one in questions], [one.kind.value for one in questions]
