"""Sessions of the dashboard, in Redis: they end by themselves, idle after 30 minutes and at the latest after 12 hours.

    session:<sha256 of the token>   facts of one session, expiring
    sessions:<merchant id>          session id -> sha256 of its token, to list and to revoke

The token is known to the browser alone: whoever reads Redis cannot sign in with what is there.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime

import orjson
import redis.asyncio as redis

from runtime.clock import now

IDLE_SECONDS = 30 * 60
ABSOLUTE_SECONDS = 12 * 60 * 60
SEEN_AGAIN_AFTER_SECONDS = 60
"""A session's last use is written at most this often: reading is what every request does."""
SESSIONS_MAX = 50
"""A merchant's sessions at a time; a further login ends the one used least recently."""
USER_AGENT_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Session:
    """`csrf_token`: what unsafe requests have to repeat. `address`: where the login came from."""

    id: str
    merchant_id: str
    csrf_token: str
    address: str
    user_agent: str
    created_at: datetime
    last_seen_at: datetime

    def seconds_left(self, at: datetime) -> int:
        """Until it ends unused: the idle time, or what is left of its whole life where that is less."""
        whole_life_left = (self.created_at - at).total_seconds() + ABSOLUTE_SECONDS
        return int(min(IDLE_SECONDS, whole_life_left))


async def open_session(client: redis.Redis, *, merchant_id: str, address: str, user_agent: str) -> tuple[str, Session]:
    """A new session and the token that only its browser will know. Raises RedisError."""
    token, instant = secrets.token_urlsafe(32), now()
    session = Session(
        id="ses_" + secrets.token_hex(8),
        merchant_id=merchant_id,
        csrf_token=secrets.token_urlsafe(32),
        address=address,
        user_agent=user_agent[:USER_AGENT_LENGTH_MAX],
        created_at=instant,
        last_seen_at=instant,
    )
    await _make_room(client, merchant_id)
    pipeline = client.pipeline(transaction=True)
    pipeline.set(_key(_digest(token)), _encode(session), ex=session.seconds_left(instant))
    pipeline.hset(_index(merchant_id), session.id, _digest(token))
    pipeline.expire(_index(merchant_id), ABSOLUTE_SECONDS)
    await pipeline.execute()
    return token, session


async def use_session(client: redis.Redis, token: str) -> Session | None:
    """The live session of a token; using it puts off its idle end. Raises RedisError."""
    session = await peek_session(client, token)
    if session is None:
        return None
    instant = now()
    if (instant - session.last_seen_at).total_seconds() < SEEN_AGAIN_AFTER_SECONDS:
        return session
    seen = replace(session, last_seen_at=instant)
    # `xx`: one that was revoked since it was read does not come back.
    kept = await client.set(_key(_digest(token)), _encode(seen), ex=max(1, seen.seconds_left(instant)), xx=True)
    return seen if kept else None


async def peek_session(client: redis.Redis, token: str) -> Session | None:
    """As use_session, but looking is no use: for what goes on by itself, such as a live feed."""
    stored = await client.get(_key(_digest(token)))
    session = _decode(stored) if stored is not None else None
    return session if session is not None and session.seconds_left(now()) > 0 else None


async def list_sessions(client: redis.Redis, merchant_id: str) -> list[Session]:
    """A merchant's live sessions, the one used last first. Raises RedisError."""
    digests = {_text(name): _text(digest) for name, digest in (await client.hgetall(_index(merchant_id))).items()}
    if not digests:
        return []
    stored = await client.mget([_key(digest) for digest in digests.values()])
    ended = [session_id for session_id, value in zip(digests, stored, strict=True) if value is None]
    if ended:
        await client.hdel(_index(merchant_id), *ended)
    live = [_decode(value) for value in stored if value is not None]
    return sorted(live, key=lambda session: session.last_seen_at, reverse=True)


async def revoke_session(client: redis.Redis, merchant_id: str, session_id: str) -> bool:
    """End one of a merchant's sessions; False where it has no such session. Raises RedisError."""
    digest = await client.hget(_index(merchant_id), session_id)
    if digest is None:
        return False
    pipeline = client.pipeline(transaction=True)
    pipeline.delete(_key(_text(digest)))
    pipeline.hdel(_index(merchant_id), session_id)
    return bool((await pipeline.execute())[0])


async def _make_room(client: redis.Redis, merchant_id: str) -> None:
    live = await list_sessions(client, merchant_id)
    for session in live[SESSIONS_MAX - 1 :]:
        await revoke_session(client, merchant_id, session.id)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _key(digest: str) -> str:
    return f"session:{digest}"


def _index(merchant_id: str) -> str:
    return f"sessions:{merchant_id}"


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _encode(session: Session) -> bytes:
    return orjson.dumps(session)


def _decode(stored: bytes | str) -> Session:
    facts = orjson.loads(stored)
    for name in ("created_at", "last_seen_at"):
        facts[name] = datetime.fromisoformat(facts[name])
    return Session(**facts)
