"""The dashboard's sessions over HTTP: the cookie, the CSRF token, and where a request may come from.

    login ─► cookie (HttpOnly, SameSite=Lax, Secure over https) + csrf_token in the body
    GET   ─► the cookie
    POST, PUT, PATCH, DELETE ─► the cookie and X-CSRF-Token; a browser's Origin must be one of our own pages'

Two independent defences: SameSite keeps the cookie on our site, the token proves that the page could read our response.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from api.access.caller import Caller
from api.access.rights import right_of
from api.access.scopes import scopes_within
from api.http.bodies import SAFE_METHODS, has_taken_long
from api.http.errors import AUTHENTICATION, FORBIDDEN, ApiError
from api.process.services import services_of
from domain.role import denial, may
from runtime.settings import Settings
from store.accounts.users import User, find_user
from store.redis.sessions import Lifetime, Session, peek_session, use_session

COOKIE, SECURE_COOKIE = "gateway_session", "__Host-gateway_session"
CSRF_HEADER = "x-csrf-token"
TOKEN_LENGTH_MAX = 128
HELD_BACK = "Set up a second factor first: the merchant requires one (POST /api/v1/auth/second-factor)"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A live session and its user, with the current role."""

    session: Session
    user: User


async def session_caller(request: Request) -> Caller | None:
    """The signed-in user; None without a live session. Raises ApiError 403 for a forged request and a missing right.

    A page's script gets a plain 401 instead of None: the challenge of HTTP Basic would make the browser show a password
    prompt over the dashboard.
    """
    found = await session_of(request)
    if found is not None:
        return _caller_of(request, found)
    if token_of(request) is not None or "origin" in request.headers:
        raise signed_out()
    return None


def _caller_of(request: Request, found: SignedIn) -> Caller:
    """Raises ApiError 403 if the user's role lacks the right that the request needs, or a second factor is missing.

    The routes that set one up require a session (`signed_in`), not a caller.
    """
    user, needed = found.user, right_of(request.method, request.scope["path"])
    if user.is_held_back:
        raise ApiError(FORBIDDEN, HELD_BACK)
    if not may(user.role, needed):
        raise ApiError(FORBIDDEN, denial(user.role, needed))
    return Caller(
        user.merchant_id,
        "session",
        scopes=scopes_within(user.role),
        session_id=found.session.id,
        user_id=user.id,
        role=user.role,
    )


async def session_of(request: Request) -> SignedIn | None:
    """The request's live session. Raises ApiError 403 on an unsafe method without the session's CSRF token."""
    token, services = token_of(request), services_of(request)
    session = None
    if token is not None:
        lifetime = Lifetime.of(services.settings)
        session = await use_session(services.redis, token, keys=services.session_keys, lifetime=lifetime)
    if session is not None and request.method not in SAFE_METHODS:
        check_origin(request)
        if not hmac.compare_digest(request.headers.get(CSRF_HEADER, "").encode(), session.csrf_token.encode()):
            raise ApiError(FORBIDDEN, "X-CSRF-Token is missing or wrong")
    return await _user_of(request, session)


async def still_signed_in(request: Request) -> bool:
    """As session_of, but without counting as use: for automatic requests, such as a live feed's."""
    found = await _user_of(request, await peek(request))
    return found is not None and not found.user.is_held_back


async def peek(request: Request) -> Session | None:
    """The live session of the request's cookie, which is not used by it."""
    token, services = token_of(request), services_of(request)
    if token is None:
        return None
    lifetime = Lifetime.of(services.settings)
    return await peek_session(services.redis, token, keys=services.session_keys, lifetime=lifetime)


async def _user_of(request: Request, session: Session | None) -> SignedIn | None:
    """Read at each request, so that a changed role or a removed user takes effect at once."""
    user = None if session is None else await find_user(services_of(request).pool, session.user_id)
    if session is None or user is None:
        return None
    return SignedIn(session, user) if session.sessions_from == user.sessions_from else None


async def signed_in(request: Request) -> SignedIn:
    """FastAPI dependency of routes that only make sense with a session. Raises ApiError 401 without one."""
    found = await session_of(request)
    if found is not None and await has_taken_long(request):
        found = await session_of(request)
    if found is None:
        raise signed_out()
    return found


def signed_out() -> ApiError:
    return ApiError(AUTHENTICATION, "Sign in first: there is no active session")


def check_origin(request: Request) -> None:
    """Raises ApiError 403 if a browser reports that another site's page sends this. Other clients send no Origin."""
    origin = request.headers.get("origin")
    if origin is not None and origin not in services_of(request).own_origins:
        raise ApiError(FORBIDDEN, "This origin may not use the dashboard's session")


def token_of(request: Request) -> str | None:
    """The content of the session's cookie, if it can be a token at all."""
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
        max_age=Lifetime.of(settings).whole_seconds,
        path="/",
        secure=is_secure(settings),
        httponly=True,
        samesite="lax",
    )


def clear_cookie(response: Response, settings: Settings) -> None:
    response.delete_cookie(cookie_name(settings), path="/", secure=is_secure(settings), httponly=True, samesite="lax")
