"""The dashboard's sessions over HTTP: the cookie, the CSRF token, and where a request may come from.

    login ─► cookie (HttpOnly, SameSite=Lax, Secure over https) + csrf_token in the body
    GET   ─► the cookie
    POST, PUT, PATCH, DELETE ─► the cookie and X-CSRF-Token; a browser's Origin must be one of our own pages'

Two fences on purpose: SameSite keeps the cookie at home, the token proves that the page could read our answer.
"""

from __future__ import annotations

import hmac

from starlette.requests import Request
from starlette.responses import Response

from api.access.caller import Caller
from api.http.errors import AUTHENTICATION, FORBIDDEN, ApiError
from api.process.services import services_of
from runtime.settings import Settings
from store.redis.sessions import ABSOLUTE_SECONDS, Session, use_session

COOKIE, SECURE_COOKIE = "gateway_session", "__Host-gateway_session"
CSRF_HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
TOKEN_LENGTH_MAX = 128


async def session_caller(request: Request) -> Caller | None:
    """The merchant of the request's session; None without a live one. Raises ApiError 403 where the request is forged.

    A page's script gets a plain 401 instead of None: the challenge of HTTP Basic would make the browser ask for a
    password on top of the dashboard.
    """
    session = await session_of(request)
    if session is not None:
        return Caller(session.merchant_id, "session")
    if token_of(request) is not None or "origin" in request.headers:
        raise signed_out()
    return None


async def session_of(request: Request) -> Session | None:
    """The request's live session. Raises ApiError 403 on an unsafe method without the session's CSRF token."""
    token = token_of(request)
    session = await use_session(services_of(request).redis, token) if token is not None else None
    if session is not None and request.method not in SAFE_METHODS:
        check_origin(request)
        if not hmac.compare_digest(request.headers.get(CSRF_HEADER, "").encode(), session.csrf_token.encode()):
            raise ApiError(FORBIDDEN, "X-CSRF-Token is missing or wrong")
    return session


async def signed_in(request: Request) -> Session:
    """FastAPI dependency of routes that only make sense with a session. Raises ApiError 401 without one."""
    session = await session_of(request)
    if session is None:
        raise signed_out()
    return session


def signed_out() -> ApiError:
    return ApiError(AUTHENTICATION, "Sign in first: there is no session, or it has ended")


def check_origin(request: Request) -> None:
    """Raises ApiError 403 where a browser says that another site's page sends this. Other clients send no Origin."""
    origin = request.headers.get("origin")
    if origin is not None and origin not in services_of(request).own_origins:
        raise ApiError(FORBIDDEN, "This origin may not use the dashboard's session")


def token_of(request: Request) -> str | None:
    """What the session's cookie holds, where it can be a token at all."""
    token = request.cookies.get(cookie_name(services_of(request).settings))
    return token if token and len(token) <= TOKEN_LENGTH_MAX else None


def cookie_name(settings: Settings) -> str:
    """`__Host-` makes the browser refuse the cookie from a subdomain or without TLS; over plain http it cannot be."""
    return SECURE_COOKIE if is_secure(settings) else COOKIE


def is_secure(settings: Settings) -> bool:
    return settings.dashboard_url.startswith("https://")


def set_cookie(response: Response, settings: Settings, token: str) -> None:
    response.set_cookie(
        cookie_name(settings),
        token,
        max_age=ABSOLUTE_SECONDS,
        path="/",
        secure=is_secure(settings),
        httponly=True,
        samesite="lax",
    )


def clear_cookie(response: Response, settings: Settings) -> None:
    response.delete_cookie(cookie_name(settings), path="/", secure=is_secure(settings), httponly=True, samesite="lax")
