"""Signing in to the dashboard: login, the current session, all sessions of the merchant, logout.

Nothing tells a wrong password from an unknown e-mail: one text, one duration. Attempts are counted before the
password is looked at.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.access import passwords
from api.access.auth import Caller, authenticated
from api.access.logins import admit, succeeded
from api.access.sessions import check_origin, clear_cookie, session_of, set_cookie, signed_in, signed_out, token_of
from api.http.bodies import read_json
from api.http.errors import AUTHENTICATION, ApiError
from api.openapi.annotations import errors, json_body
from api.process.services import services_of
from api.schemas.auth import ListedSessionShape, LoginBody, SessionShape, SessionsShape, listed_session_shape
from api.schemas.merchants import merchant_shape
from domain.rejection import ErrorCode
from runtime.secrets import password_is_outdated
from store.merchants import Merchant, find, find_login, replace_password_hash
from store.redis.sessions import Session, list_sessions, open_session, peek_session, revoke_session

router = APIRouter(prefix="/auth", tags=["Sessions"])

WRONG_LOGIN = "Wrong e-mail or password"


@router.post(
    "/login",
    summary="Sign in to the dashboard",
    responses=errors(400, 401, 403, 413, 429, 503),
    openapi_extra=json_body(LoginBody, {"email": "test@example.com", "password": "password123"}),
)
async def login(request: Request, response: Response) -> SessionShape:
    """Start a session: its cookie, and the CSRF token that unsafe requests have to carry."""
    check_origin(request)
    body = await read_json(request, LoginBody)
    attempt = await admit(request, body.email.strip())
    found = await find_login(services_of(request).pool, attempt.email)
    if not await passwords.matches(body.password, found[1] if found else None) or found is None:
        raise ApiError(AUTHENTICATION, WRONG_LOGIN)
    merchant, stored = found
    await succeeded(request, attempt)
    if password_is_outdated(stored):
        # Only a login has the password at hand, so a hash with old parameters is renewed here.
        renewed = await passwords.hashed(body.password)
        await replace_password_hash(services_of(request).pool, merchant.id, old=stored, new=renewed)
    return await start_session(request, response, merchant)


async def start_session(request: Request, response: Response, merchant: Merchant) -> SessionShape:
    """A new session; the one that the request came with ends, so that a planted cookie is worth nothing."""
    services = services_of(request)
    old = await _session_before(request)
    if old is not None:
        await revoke_session(services.redis, old.merchant_id, old.id)
    token, session = await open_session(
        services.redis,
        merchant_id=merchant.id,
        address=address_of(request),
        user_agent=request.headers.get("user-agent", ""),
    )
    set_cookie(response, services.settings, token)
    return SessionShape(merchant=merchant_shape(merchant), csrf_token=session.csrf_token)


async def _session_before(request: Request) -> Session | None:
    token = token_of(request)
    return await peek_session(services_of(request).redis, token) if token is not None else None


@router.get("/session", summary="Who is signed in", responses=errors(401, 503))
async def current_session(request: Request, session: Annotated[Session, Depends(signed_in)]) -> SessionShape:
    """Who is signed in, and the CSRF token again: a reloaded page has lost it."""
    merchant = await find(services_of(request).pool, session.merchant_id)
    if merchant is None:
        raise signed_out()
    return SessionShape(merchant=merchant_shape(merchant), csrf_token=session.csrf_token)


@router.post("/logout", summary="End the session", status_code=204, responses=errors(403, 503))
async def logout(request: Request, response: Response) -> None:
    """End the session. Without one there is nothing to end, which is no error."""
    services = services_of(request)
    session = await session_of(request)
    if session is not None:
        await revoke_session(services.redis, session.merchant_id, session.id)
    clear_cookie(response, services.settings)


@router.get("/sessions", summary="List the live sessions", responses=errors(401, 503))
async def sessions(request: Request, caller: Annotated[Caller, Depends(authenticated)]) -> SessionsShape:
    """All live sessions of the merchant, the one used last first."""
    current = await session_of(request) if caller.via == "session" else None
    listed = await list_sessions(services_of(request).redis, caller.merchant_id)
    shapes: list[ListedSessionShape] = [
        listed_session_shape(session, current_id=current.id if current else None) for session in listed
    ]
    return SessionsShape(data=shapes)


@router.delete("/sessions/{session_id}", summary="End a session", status_code=204, responses=errors(401, 403, 404, 503))
async def revoke(request: Request, session_id: str, caller: Annotated[Caller, Depends(authenticated)]) -> None:
    """End one session, at once."""
    if not await revoke_session(services_of(request).redis, caller.merchant_id, session_id):
        raise ApiError(ErrorCode.NOT_FOUND, "Session not found")


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""
