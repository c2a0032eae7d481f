"""What repairs read and write: single rows, each change under a condition that makes it idempotent.

No state of an order is written here, and no event: those have `gateway rebuild` and the actor.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from store.analytics.rollups import forget
from store.driver import Pool
from store.log.feed import number_again

# commands_pkey
COMMAND = """
SELECT id, order_id, type, nonce, reply, first_sequence, event_count
  FROM commands
 WHERE id = $1
   AND NOT rejected
"""
# events_pkey
HISTORY = "SELECT payload FROM events WHERE order_id = $1 ORDER BY sequence"
EVENT = "SELECT payload FROM events WHERE order_id = $1 AND sequence = $2"
SET_REPLY = "UPDATE commands SET reply = $3 WHERE id = $1 AND NOT rejected AND reply = $2 RETURNING id"
SET_FINGERPRINT = """
UPDATE commands
   SET fingerprint = $3
 WHERE id = $1
   AND nonce = $2
   AND fingerprint IS DISTINCT FROM $3
RETURNING id
"""
# commands_pkey
SET_DECIDED_AT = """
UPDATE commands
   SET decided_at = $3
 WHERE id = $1
   AND nonce = $2
   AND decided_at <> $3
RETURNING id
"""
# commands_pkey. Without its nonce an acceptance is not found by repeats of its request.
SET_NONCE = "UPDATE commands SET nonce = $2 WHERE id = $1 AND NOT rejected AND nonce = '' RETURNING id"
# commands_pkey. Only where the request has no decision yet: its own row, or the id's acceptance.
INSERT_COMMAND = """
INSERT INTO commands (id, order_id, type, nonce, fingerprint, rejected, reply, first_sequence, event_count)
SELECT $1::text, $2::text, $3, $4::text, $5, $6, $7, $8::integer, $9::smallint
 WHERE NOT EXISTS (SELECT FROM commands c WHERE c.id = $1::text AND (c.nonce = $4::text OR NOT c.rejected))
    ON CONFLICT DO NOTHING
RETURNING id
"""
# events_pkey
MERCHANT = "SELECT merchant_id FROM events WHERE order_id = $1 LIMIT 1"
# webhook_logs_pkey
DELIVERY = "SELECT id, endpoint_id, event_id, order_id, sequence, status, body, nudges FROM webhook_logs WHERE id = $1"
TRY_NOW = """
UPDATE webhook_logs
   SET next_retry_at = now(), nudges = 0
 WHERE id = $1
   AND status = 'pending'
   AND (nudges > 0 OR next_retry_at > now())
RETURNING id
"""
DELIVER_AGAIN = """
UPDATE webhook_logs
   SET status = 'pending', next_retry_at = now(), schedule_from = attempts, nudges = 0
 WHERE id = $1
   AND status = 'success'
RETURNING id
"""
SET_BODY = "UPDATE webhook_logs SET body = $2 WHERE id = $1 AND body <> $2 RETURNING id"
# promises_pkey, promises_resource_id
PROMISED = "SELECT EXISTS (SELECT FROM promises WHERE command_id = $1 AND nonce = $2)"
PROMISE = """
SELECT command_id, nonce, resource_id, order_id, promised_at
  FROM promises
 WHERE resource_id = $1
 ORDER BY promised_at
"""
NOTE = "INSERT INTO repairs (kind, subject, did, actor) VALUES ($1, $2, $3, $4)"


@dataclass(frozen=True, slots=True)
class AcceptedCommand:
    """An accepted command's row."""

    id: str
    order_id: str
    type: str
    nonce: str
    reply: str
    first_sequence: int
    event_count: int


@dataclass(frozen=True, slots=True)
class NewCommand:
    """A row to add to the inbox."""

    id: str
    order_id: str
    type: str
    nonce: str
    fingerprint: str | None
    rejected: bool
    reply: str
    first_sequence: int
    event_count: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery row, as far as repairs need it."""

    id: uuid.UUID
    endpoint_id: str
    event_id: str
    order_id: str
    sequence: int
    status: str
    body: bytes
    nudges: int


@dataclass(frozen=True, slots=True)
class Promise:
    """What a 202 promised."""

    command_id: str
    nonce: str
    resource_id: str
    order_id: str
    promised_at: datetime


class Repairs:
    """The rows that repairs touch. Each method that writes returns whether anything was changed."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def note(self, *, kind: str, subject: str, did: str, actor: str) -> None:
        """Write down what was done."""
        await self.pool.execute(NOTE, kind, subject, did, actor)

    async def accepted(self, command_id: str) -> AcceptedCommand | None:
        row = await self.pool.fetchrow(COMMAND, command_id)
        return None if row is None else AcceptedCommand(**row)

    async def history(self, order_id: str) -> list[str]:
        """Payloads of the order's events, in sequence."""
        return [row["payload"] for row in await self.pool.fetch(HISTORY, order_id)]

    async def event(self, order_id: str, sequence: int) -> str | None:
        payload: str | None = await self.pool.fetchval(EVENT, order_id, sequence)
        return payload

    async def set_reply(self, command_id: str, *, before: str, after: str) -> bool:
        return await self.pool.fetchval(SET_REPLY, command_id, before, after) is not None

    async def set_fingerprint(self, command_id: str, nonce: str, fingerprint: str | None) -> bool:
        return await self.pool.fetchval(SET_FINGERPRINT, command_id, nonce, fingerprint) is not None

    async def set_decided_at(self, command_id: str, nonce: str, at: datetime) -> bool:
        return await self.pool.fetchval(SET_DECIDED_AT, command_id, nonce, at) is not None

    async def set_nonce(self, command_id: str, nonce: str) -> bool:
        return await self.pool.fetchval(SET_NONCE, command_id, nonce) is not None

    async def insert_command(self, row: NewCommand) -> bool:
        values = (getattr(row, name) for name in row.__slots__)
        return await self.pool.fetchval(INSERT_COMMAND, *values) is not None

    async def number_again(self, order_id: str, from_sequence: int) -> bool:
        """Move an order's events from this one on to the end of the feed, and have its merchant's analytics counted
        again: they may have counted these."""
        async with self.pool.acquire() as connection, connection.transaction():
            merchant_id = await connection.fetchval(MERCHANT, order_id)
            moved = await number_again(connection, order_id, from_sequence)
        await forget(self.pool, merchant_id)
        return moved > 0

    async def delivery(self, log_id: uuid.UUID) -> Delivery | None:
        row = await self.pool.fetchrow(DELIVERY, log_id)
        return None if row is None else Delivery(**row)

    async def try_now(self, log_id: uuid.UUID) -> bool:
        return await self.pool.fetchval(TRY_NOW, log_id) is not None

    async def deliver_again(self, log_id: uuid.UUID) -> bool:
        return await self.pool.fetchval(DELIVER_AGAIN, log_id) is not None

    async def set_body(self, log_id: uuid.UUID, body: bytes) -> bool:
        return await self.pool.fetchval(SET_BODY, log_id, body) is not None

    async def is_promised(self, command_id: str, nonce: str) -> bool:
        return bool(await self.pool.fetchval(PROMISED, command_id, nonce))

    async def promises_of(self, resource_id: str) -> list[Promise]:
        return [Promise(**row) for row in await self.pool.fetch(PROMISE, resource_id)]
