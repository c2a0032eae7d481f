"""Sessions of the dashboard, in Redis: they expire when idle or old (SESSION_IDLE_MINUTES, SESSION_HOURS).

    user-session:<keyed hash of the token>   facts of one session, expiring
    user-sessions:<merchant id>              session id -> that hash, to list and to revoke

A session belongs to a user. Those of the previous release (`session:…`) belonged to a merchant and had all its rights,
so neither release accepts the other's.

Only the browser has the token: read access to Redis is not enough to sign in. The hash is an HMAC under a key of the
API, so write access to Redis is not enough to make a session. `keys`: one for each of the ring, newest first.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

import orjson
import redis.asyncio as redis

from runtime.clock import now
from runtime.settings import Settings

SEEN_AGAIN_AFTER_SECONDS = 60
"""A session's last use is written at most this often: reading is what every request does."""
SESSIONS_MAX = 50
"""A merchant's sessions at a time; a further login ends the one used least recently."""
USER_AGENT_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a session lasts: unused, and at the longest."""

    idle_seconds: int
    whole_seconds: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.session_idle_minutes * 60, settings.session_hours * 3_600)


@dataclass(frozen=True, slots=True)
class Session:
    """`csrf_token`: what unsafe requests have to repeat. `address`: where the login came from.

    `sessions_from`: the user's, read with the password that opened it; where the user's is another one, it is over.
    """

    id: str
    merchant_id: str
    user_id: str
    csrf_token: str
    address: str
    user_agent: str
    created_at: datetime
    last_seen_at: datetime
    sessions_from: datetime | None = None

    def seconds_left(self, at: datetime, lifetime: Lifetime) -> int:
        """Until it ends unused: the idle time, or what is left of its whole life where that is less."""
        whole_life_left = (self.created_at - at).total_seconds() + lifetime.whole_seconds
        return int(min(lifetime.idle_seconds, whole_life_left))


async def open_session(
    client: redis.Redis,
    *,
    keys: Sequence[bytes],
    lifetime: Lifetime,
    merchant_id: str,
    user_id: str,
    address: str,
    user_agent: str,
    sessions_from: datetime | None,
) -> tuple[str, Session]:
    """A new session and the token that only its browser will have. Raises RedisError.

    `sessions_from`: the user's, of the row from which the credentials were read, so that a password change in between
    ends the session whatever the clocks show.
    """
    token, instant = secrets.token_urlsafe(32), now()
    session = Session(
        id="ses_" + secrets.token_hex(8),
        merchant_id=merchant_id,
        user_id=user_id,
        csrf_token=secrets.token_urlsafe(32),
        address=address,
        user_agent=user_agent[:USER_AGENT_LENGTH_MAX],
        created_at=instant,
        last_seen_at=instant,
        sessions_from=sessions_from,
    )
    await _make_room(client, merchant_id)
    pipeline = client.pipeline(transaction=True)
    digest = _digest(token, keys[0])
    pipeline.set(_key(digest), _encode(session), ex=session.seconds_left(instant, lifetime))
    pipeline.hset(_index(merchant_id), session.id, digest)
    pipeline.expire(_index(merchant_id), lifetime.whole_seconds)
    await pipeline.execute()
    return token, session


async def use_session(client: redis.Redis, token: str, *, keys: Sequence[bytes], lifetime: Lifetime) -> Session | None:
    """The live session of a token; using it puts off its idle end. Raises RedisError."""
    found = await _find(client, token, keys, lifetime)
    if found is None:
        return None
    (digest, session), instant = found, now()
    if (instant - session.last_seen_at).total_seconds() < SEEN_AGAIN_AFTER_SECONDS:
        return session
    seen = replace(session, last_seen_at=instant)
    # `xx`: one that was revoked since it was read does not come back.
    kept = await client.set(_key(digest), _encode(seen), ex=max(1, seen.seconds_left(instant, lifetime)), xx=True)
    return seen if kept else None


async def peek_session(client: redis.Redis, token: str, *, keys: Sequence[bytes], lifetime: Lifetime) -> Session | None:
    """As use_session, but without counting as use: for automatic requests, such as a live feed's."""
    found = await _find(client, token, keys, lifetime)
    return None if found is None else found[1]


async def _find(
    client: redis.Redis, token: str, keys: Sequence[bytes], lifetime: Lifetime
) -> tuple[str, Session] | None:
    """The hash under which a token's live session is kept, and the session."""
    digests = [_digest(token, key) for key in keys]
    for digest, stored in zip(digests, await client.mget([_key(digest) for digest in digests]), strict=True):
        session = _decode(stored) if stored is not None else None
        if session is not None and session.seconds_left(now(), lifetime) > 0:
            return digest, session
    return None


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
    """End one of a merchant's sessions; False if it has no such session. Raises RedisError."""
    digest = await client.hget(_index(merchant_id), session_id)
    if digest is None:
        return False
    pipeline = client.pipeline(transaction=True)
    pipeline.delete(_key(_text(digest)))
    pipeline.hdel(_index(merchant_id), session_id)
    return bool((await pipeline.execute())[0])


async def revoke_sessions_of(
    client: redis.Redis, merchant_id: str, user_id: str, *, but: str | None = None
) -> list[str]:
    """End all sessions of one user, except the session `but`; the ids of those that ended. Raises RedisError."""
    theirs = [session.id for session in await list_sessions(client, merchant_id) if session.user_id == user_id]
    return [one for one in theirs if one != but and await revoke_session(client, merchant_id, one)]


async def _make_room(client: redis.Redis, merchant_id: str) -> None:
    live = await list_sessions(client, merchant_id)
    for session in live[SESSIONS_MAX - 1 :]:
        await revoke_session(client, merchant_id, session.id)


def _digest(token: str, key: bytes) -> str:
    return hmac.new(key, token.encode(), hashlib.sha256).hexdigest()


def _key(digest: str) -> str:
    return f"user-session:{digest}"


def _index(merchant_id: str) -> str:
    return f"user-sessions:{merchant_id}"


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _encode(session: Session) -> bytes:
    return orjson.dumps(session)


def _decode(stored: bytes | str) -> Session:
    facts = orjson.loads(stored)
    for name in ("created_at", "last_seen_at", "sessions_from"):
        if facts.get(name) is not None:
            facts[name] = datetime.fromisoformat(facts[name])
    return Session(**facts)
