"""Passwords and the links that set one: a user's own password, an invitation, a reset by an operator's link.

A link's token follows the # of its address: browsers do not send that part, so no log has it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.access import passwords
from api.access.audit import USER, witness_of
from api.access.limits import limit_address
from api.access.logins import NETWORK_FACTOR, forgive, prove_password
from api.access.sessions import SignedIn, check_origin, signed_in
from api.http.bodies import read_json
from api.http.errors import AUTHENTICATION, ApiError, bad_request
from api.openapi.annotations import errors, json_body
from api.process.services import services_of
from api.routes.auth import start_session
from api.schemas.auth import JoinBody, PasswordBody, ResetBody, SessionShape
from domain.audited import Action
from domain.ids import USER as USER_PREFIX
from runtime.clock import make_id
from store.accounts import invitations, password_resets
from store.accounts.invitations import NewUser, accept, find_to_accept
from store.accounts.merchants import EmailTakenError
from store.accounts.password_resets import change_password, find_reset, reset_password

router = APIRouter(prefix="/auth", tags=["Sessions"])

DEAD_LINK = "The link is no longer valid: it was used, revoked, or has expired"


def dead_link() -> ApiError:
    return bad_request(DEAD_LINK, "token")


@router.post(
    "/join",
    summary="Accept an invitation",
    status_code=201,
    responses=errors(400, 403, 413, 429, 503),
    openapi_extra=json_body(JoinBody, {"token": "token-of-the-link", "password": "a long password"}),
)
async def join(request: Request, response: Response) -> SessionShape:
    """Choose a password and become a user of the merchant. Starts a session."""
    await _admit_link(request)
    body, services = await read_json(request, JoinBody), services_of(request)
    if not await invitations.is_open(services.pool, body.token, services.clock.now()):
        raise dead_link()
    new = NewUser(make_id(USER_PREFIX), await passwords.hashed(body.password))
    at = services.clock.now()
    async with services.pool.acquire() as connection, connection.transaction():
        invitation = await find_to_accept(connection, body.token, at)
        if invitation is None:
            raise dead_link()
        seen = witness_of(request, invitation.merchant_id, f"{USER} {new.id}", Action.USER_JOINED)
        try:
            user = await accept(connection, invitation, new, at=at, witness=seen)
        except EmailTakenError:
            raise bad_request("A user with this e-mail address already exists") from None
    return await start_session(request, response, user)


@router.post(
    "/reset",
    summary="Set a new password by a link",
    status_code=204,
    responses=errors(400, 403, 413, 429, 503),
    openapi_extra=json_body(ResetBody, {"token": "token-of-the-link", "password": "a long password"}),
)
async def reset(request: Request) -> None:
    """Set a new password with an operator's link. Ends all sessions of the user, and any lock on signing in.

    The operator can make a link that removes the second factor as well.
    """
    await _admit_link(request)
    body, services = await read_json(request, ResetBody), services_of(request)
    if not await password_resets.is_open(services.pool, body.token, services.clock.now()):
        raise dead_link()
    hashed = await passwords.hashed(body.password)
    at = services.clock.now()
    async with services.pool.acquire() as connection, connection.transaction():
        user = await find_reset(connection, body.token, at)
        if user is None:
            raise dead_link()
        seen = witness_of(request, user.merchant_id, f"{USER} {user.id}", Action.PASSWORD_RESET)
        if not await reset_password(connection, user, body.token, hashed, at=at, witness=seen):
            raise dead_link()
    await forgive(request, user.email)


async def _admit_link(request: Request) -> None:
    """Raises ApiError 403 for another site's page, 429 for an address that tries many links."""
    check_origin(request)
    await limit_address(request, "links", services_of(request).settings.rate_limit_login_per_minute * NETWORK_FACTOR)


@router.post(
    "/password",
    summary="Change your password",
    responses=errors(400, 401, 403, 413, 429, 503),
    openapi_extra=json_body(PasswordBody, {"current_password": "password123", "password": "a long password"}),
)
async def change_own_password(
    request: Request, response: Response, found: Annotated[SignedIn, Depends(signed_in)]
) -> SessionShape:
    """Ends all your sessions and starts a new one. Attempts count as attempts to sign in."""
    body, services, user = await read_json(request, PasswordBody), services_of(request), found.user
    old, new = await prove_password(request, user, body.current_password), await passwords.hashed(body.password)
    at = services.clock.now()
    changed = await change_password(
        services.pool,
        user.id,
        old=old,
        new=new,
        at=at,
        witness=witness_of(request, user.merchant_id, f"{USER} {user.id}", Action.PASSWORD_CHANGED),
    )
    if not changed:
        raise ApiError(AUTHENTICATION, "The password has been changed in the meantime: sign in again")
    return await start_session(request, response, replace(user, sessions_from=at))
