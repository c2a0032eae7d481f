"""Sessions of the dashboard: an unguessable token in an HttpOnly cookie, its facts in Redis under the token's hash.

    session:<sha256 of the token, hex>  ->  {"merchant_id", "csrf_token", …}     expires by itself

Redis never holds the token, so whoever reads Redis cannot sign in with what is there.
"""

from __future__ import annotations

import hashlib
import hmac

import orjson
from starlette.requests import Request

from api.caller import Caller
from api.errors import FORBIDDEN, ApiError
from api.parts import parts_of

COOKIE = "gateway_session"
CSRF_HEADER = "x-csrf-token"
KEY_PREFIX = "session:"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def session_key(token: str) -> str:
    """Redis key of a session."""
    return KEY_PREFIX + hashlib.sha256(token.encode()).hexdigest()


async def session_caller(request: Request) -> Caller | None:
    """The merchant of the request's session; None without a live one. ApiError 403 for a wrong CSRF token."""
    token = request.cookies.get(COOKIE)
    if not token:
        return None
    stored = await parts_of(request).redis.get(session_key(token))
    if stored is None:
        return None
    facts = orjson.loads(stored)
    if request.method not in SAFE_METHODS:
        sent = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(sent.encode(), facts["csrf_token"].encode()):
            raise ApiError(FORBIDDEN, "X-CSRF-Token is missing or wrong")
    return Caller(facts["merchant_id"], "session")
