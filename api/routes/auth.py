"""Signing in to the dashboard: login, the current session, a user's sessions (for an owner: all users'), logout.

    password ─┬─ no second factor ───────────────────────────────────────────────► a session
              └─ second factor: 401 SECOND_FACTOR_REQUIRED ─► the same with `otp` ─► a session

A wrong password and an unknown e-mail get the same text after the same time. Attempts are counted before the password
is checked.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.access import passwords
from api.access.audit import USER, noted, witness_of
from api.access.auth import Caller, authenticated
from api.access.client_address import address_of
from api.access.logins import admit, succeeded
from api.access.second_factor import prove_second_factor
from api.access.sessions import (
    SignedIn,
    check_origin,
    clear_cookie,
    peek,
    session_of,
    set_cookie,
    signed_in,
    signed_out,
)
from api.http.bodies import read_json
from api.http.errors import AUTHENTICATION, ApiError
from api.openapi.annotations import errors, json_body
from api.process.services import services_of
from api.schemas.auth import ListedSessionShape, LoginBody, SessionShape, SessionsShape, listed_session_shape
from api.schemas.merchants import merchant_shape
from api.schemas.users import own_user_shape
from domain.audited import Action
from domain.rejection import ErrorCode
from domain.role import Right, may
from runtime.secrets import password_is_outdated
from store.accounts.merchants import find as find_merchant
from store.accounts.users import User, find_login, list_users, logged_in, replace_password_hash
from store.redis.sessions import Lifetime, Session, list_sessions, open_session, revoke_session

router = APIRouter(prefix="/auth", tags=["Sessions"])

WRONG_LOGIN = "Wrong e-mail or password"


@router.post(
    "/login",
    summary="Sign in to the dashboard",
    responses=errors(400, 401, 403, 413, 429, 503),
    openapi_extra=json_body(LoginBody, {"email": "test@example.com", "password": "password123"}),
)
async def login(request: Request, response: Response) -> SessionShape:
    """Start a session. Sets its cookie and returns the CSRF token that unsafe requests must send.

    Where the user has a second factor, the right password alone is 401 `SECOND_FACTOR_REQUIRED`: send the same request
    again with `otp`, a code of the authenticator app or a recovery code.
    """
    check_origin(request)
    body = await read_json(request, LoginBody)
    attempt = await admit(request, body.email.strip())
    found = await find_login(services_of(request).pool, attempt.email)
    if not await passwords.matches(body.password, found[1] if found else None) or found is None:
        raise ApiError(AUTHENTICATION, WRONG_LOGIN)
    user, stored = found
    if user.second_factor:
        await prove_second_factor(request, user, body.otp)
    await succeeded(request, attempt)
    if password_is_outdated(stored):
        # Only a login has the password, so a hash with old parameters is renewed here.
        renewed = await passwords.hashed(body.password)
        await replace_password_hash(services_of(request).pool, user.id, old=stored, new=renewed)
    return await start_session(request, response, user)


async def start_session(request: Request, response: Response, user: User) -> SessionShape:
    """A new session; the one that the request came with ends, so that a planted cookie is worth nothing.

    `user`: as read with the password, or as changed by this request. If the password was changed since, the session
    ends before it is used.
    """
    services = services_of(request)
    merchant = await find_merchant(services.pool, user.merchant_id)
    assert merchant is not None, "a user row refers to its merchant"
    old = await peek(request)
    if old is not None:
        await revoke_session(services.redis, old.merchant_id, old.id)
    token, session = await open_session(
        services.redis,
        keys=services.session_keys,
        lifetime=Lifetime.of(services.settings),
        merchant_id=user.merchant_id,
        user_id=user.id,
        address=address_of(request),
        user_agent=request.headers.get("user-agent", ""),
        sessions_from=user.sessions_from,
    )
    seen = witness_of(request, user.merchant_id, f"{USER} {user.id}", Action.SESSION_STARTED)
    await seen.attest_alone(services.pool, session.id, after={"email": user.email, "user_agent": session.user_agent})
    user = await logged_in(services.pool, user.id)
    set_cookie(response, services.settings, token)
    return SessionShape(merchant=merchant_shape(merchant), user=own_user_shape(user), csrf_token=session.csrf_token)


@router.get("/session", summary="Read the current session", responses=errors(401, 503))
async def current_session(request: Request, found: Annotated[SignedIn, Depends(signed_in)]) -> SessionShape:
    """Who is signed in, and the CSRF token, which a page loses when it reloads."""
    merchant = await find_merchant(services_of(request).pool, found.user.merchant_id)
    if merchant is None:
        raise signed_out()
    return SessionShape(
        merchant=merchant_shape(merchant), user=own_user_shape(found.user), csrf_token=found.session.csrf_token
    )


@router.post("/logout", summary="End the session", status_code=204, responses=errors(403, 503))
async def logout(request: Request, response: Response) -> None:
    """End the session. Succeeds without one, too."""
    services = services_of(request)
    found = await session_of(request)
    if found is not None:
        session, user = found.session, found.user
        await revoke_session(services.redis, session.merchant_id, session.id)
        seen = witness_of(request, session.merchant_id, f"{USER} {user.id}", Action.SESSION_ENDED)
        await seen.attest_alone(services.pool, session.id)
    clear_cookie(response, services.settings)


@router.get("/sessions", summary="List active sessions", responses=errors(401, 503))
async def sessions(request: Request, caller: Annotated[Caller, Depends(authenticated)]) -> SessionsShape:
    """Your active sessions, most recently used first. An owner and an API key see those of all users."""
    services = services_of(request)
    emails = {user.id: user.email for user in await list_users(services.pool, caller.merchant_id)}
    listed = [
        session
        for session in await list_sessions(services.redis, caller.merchant_id)
        if session.user_id in emails and _may_see(caller, session)
    ]
    shapes: list[ListedSessionShape] = [
        listed_session_shape(session, email=emails[session.user_id], current_id=caller.session_id) for session in listed
    ]
    return SessionsShape(data=shapes)


def _may_see(caller: Caller, session: Session) -> bool:
    return caller.role is None or may(caller.role, Right.USERS) or session.user_id == caller.user_id


@router.delete("/sessions/{session_id}", summary="End a session", status_code=204, responses=errors(401, 403, 404, 503))
async def revoke(request: Request, session_id: str, caller: Annotated[Caller, Depends(authenticated)]) -> None:
    """End one of your sessions immediately. An owner and an API key can end any."""
    client = services_of(request).redis
    listed = await list_sessions(client, caller.merchant_id)
    visible = any(one.id == session_id and _may_see(caller, one) for one in listed)
    if not visible or not await revoke_session(client, caller.merchant_id, session_id):
        raise ApiError(ErrorCode.NOT_FOUND, "Session not found")
    await noted(request, caller, Action.SESSION_ENDED, session_id)
