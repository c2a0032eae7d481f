"""The actions on dead letters: replays that survive a kill, and the audit of who did what and why.

    begin_replay ─► mark_sending(letter) ─► [the log] ─► mark_sent(letter, place) + audit row ─► finish_replay

A letter found `sending` at a resumption was interrupted between the two marks; the log shows whether it was written.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from store.driver import Connection, Pool

# dlq_actions_letter: the last action on each letter
LAST_ACTIONS = """
SELECT DISTINCT ON (letter_id) letter_id, action, reason, actor, replay_id, at
  FROM dlq_actions
 ORDER BY letter_id, id DESC
"""
# dlq_actions is small and read whole, as the letters are.
REPLAYS = (
    "SELECT subject, count(*) AS times FROM dlq_actions WHERE action = 'replayed' AND subject IS NOT NULL GROUP BY 1"
)
HISTORY = "SELECT action, reason, actor, replay_id, at FROM dlq_actions WHERE letter_id = $1 ORDER BY id"
AUDIT = """
INSERT INTO dlq_actions (letter_id, topic, action, reason, actor, replay_id, subject)
VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT DO NOTHING
"""
BEGIN = "INSERT INTO dlq_replays (id, topic, selection, actor) VALUES ($1, $2, $3, $4)"
REPLAY = "SELECT id, topic, selection, actor, created_at, finished_at FROM dlq_replays WHERE id = $1"
RECORDS = "SELECT letter_id, state, to_topic, partition, sending_at FROM dlq_replay_records WHERE replay_id = $1"
SENDING = """
INSERT INTO dlq_replay_records (replay_id, letter_id, state, to_topic, partition)
VALUES ($1, $2, 'sending', $3, $4)
"""
SENT = """
UPDATE dlq_replay_records
   SET state = 'sent', "offset" = $3, sent_at = clock_timestamp()
 WHERE replay_id = $1
   AND letter_id = $2
   AND state = 'sending'
"""
FINISH = "UPDATE dlq_replays SET finished_at = now() WHERE id = $1"
# Held by the session: two processes never work on one replay. The key is the replay's id.
LOCK = "SELECT pg_try_advisory_lock(hashtextextended($1, 7240004))"
# webhook_logs_pkey, commands_pkey
DELIVERY = "SELECT merchant_id, status, attempts FROM webhook_logs WHERE id = $1"
DECIDED = "SELECT rejected, decided_at FROM commands WHERE id = $1 ORDER BY rejected, decided_at DESC LIMIT 1"


DISCARDED, REOPENED = "discarded", "reopened"


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay that was begun. `letters`: the letters to send, in order."""

    id: str
    topic: str
    letters: tuple[str, ...]
    actor: str
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class ReplayRecord:
    """The state of one letter of a replay."""

    letter_id: str
    state: str
    to_topic: str
    partition: int
    sending_at: datetime


async def last_actions(pool: Pool) -> dict[str, dict[str, Any]]:
    """Letter id -> the last action on it."""
    return {row["letter_id"]: dict(row) for row in await pool.fetch(LAST_ACTIONS)}


async def history_of(pool: Pool, letter_id: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await pool.fetch(HISTORY, letter_id)]


async def discard(pool: Pool, letter_id: str, topic: str, *, reason: str, actor: str) -> None:
    """Record that this letter needs no further action. It stays on the log."""
    await pool.execute(AUDIT, letter_id, topic, DISCARDED, reason, actor, None, None)


async def reopen(pool: Pool, letter_id: str, topic: str, *, reason: str, actor: str) -> None:
    """Take a discard back: the letter is open again, and both actions stay in its history."""
    await pool.execute(AUDIT, letter_id, topic, REOPENED, reason, actor, None, None)


async def replays_by_subject(pool: Pool) -> dict[str, int]:
    """Id of a command or delivery -> how many of its letters were replayed."""
    return {row["subject"]: row["times"] for row in await pool.fetch(REPLAYS)}


async def begin_replay(pool: Pool, replay_id: str, topic: str, letters: Sequence[str], actor: str) -> None:
    await pool.execute(BEGIN, replay_id, topic, orjson.dumps(list(letters)).decode(), actor)


async def find_replay(pool: Pool, replay_id: str) -> Replay | None:
    row = await pool.fetchrow(REPLAY, replay_id)
    if row is None:
        return None
    letters = tuple(orjson.loads(row["selection"]))
    return Replay(row["id"], row["topic"], letters, row["actor"], row["finished_at"])


async def replay_records(pool: Pool, replay_id: str) -> dict[str, ReplayRecord]:
    """Letter id -> its record, for those the replay has come to."""
    return {row["letter_id"]: ReplayRecord(**row) for row in await pool.fetch(RECORDS, replay_id)}


async def lock_replay(connection: Connection, replay_id: str) -> bool:
    """False if another process works on it. Released when the connection closes, however it closes."""
    return bool(await connection.fetchval(LOCK, replay_id))


async def mark_sending(pool: Pool, replay_id: str, letter_id: str, *, to_topic: str, partition: int) -> None:
    await pool.execute(SENDING, replay_id, letter_id, to_topic, partition)


async def mark_sent(
    pool: Pool,
    replay_id: str,
    letter_id: str,
    *,
    topic: str,
    offset: int,
    reason: str,
    actor: str,
    subject: str | None,
) -> None:
    """Mark and audit row in one transaction."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(SENT, replay_id, letter_id, offset)
        await connection.execute(AUDIT, letter_id, topic, "replayed", reason, actor, replay_id, subject)


async def finish_replay(pool: Pool, replay_id: str) -> None:
    await pool.execute(FINISH, replay_id)


async def delivery_state(pool: Pool, log_id: uuid.UUID) -> tuple[str, str, int] | None:
    """(merchant id, status, attempts made) of a webhook delivery."""
    row = await pool.fetchrow(DELIVERY, log_id)
    return None if row is None else (row["merchant_id"], row["status"], row["attempts"])


async def decided_since(pool: Pool, command_id: str) -> tuple[bool, datetime] | None:
    """(rejected, when) where a command of this id has been decided: its acceptance, else its last refusal."""
    row = await pool.fetchrow(DECIDED, command_id)
    return None if row is None else (row["rejected"], row["decided_at"])
