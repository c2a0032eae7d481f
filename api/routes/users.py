"""The users of a merchant: their roles and what they may do. For signed-in owners; not available to API keys."""

from __future__ import annotations

import secrets
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from redis.exceptions import RedisError

from api.access.audit import witness
from api.access.auth import Caller, authenticated
from api.http.bodies import read_json
from api.http.errors import ApiError, bad_request
from api.openapi.annotations import errors, json_body
from api.process.services import services_of
from api.schemas.merchants import MerchantShape, merchant_shape
from api.schemas.users import (
    AccessBody,
    InvitationBody,
    InvitationsShape,
    NewInvitationShape,
    RoleBody,
    UserShape,
    UsersShape,
    invitation_shape,
    user_shape,
)
from domain.audited import Action
from domain.ids import INVITATION
from domain.rejection import ErrorCode
from domain.role import RefundLimit
from runtime.clock import make_id
from runtime.logs import get_logger
from store.accounts.invitations import (
    LASTS,
    Invitation,
    TooManyInvitationsError,
    invite,
    list_invitations,
    revoke_invitation,
)
from store.accounts.merchants import AccessChange, EmailTakenError, SupportRefunds, change_access
from store.accounts.users import LastOwnerError, change_role, find_user, list_users, remove_user
from store.redis.sessions import revoke_sessions_of

log = get_logger("users")
router = APIRouter(prefix="/merchants/me", tags=["Users"])
ByOwner = Annotated[Caller, Depends(authenticated)]
"""The path needs the right `users` (api/access/rights.py)."""
TOKEN_BYTES = 32


@router.get("/users", summary="List users", responses=errors(401, 503))
async def users(request: Request, caller: ByOwner) -> UsersShape:
    """Everybody who can sign in. For owners who are signed in, as all routes about users."""
    listed = await list_users(services_of(request).pool, caller.merchant_id)
    return UsersShape(data=[user_shape(user) for user in listed])


@router.patch(
    "/users/{user_id}",
    summary="Change a user's role",
    responses=errors(400, 401, 404, 413, 503),
    openapi_extra=json_body(RoleBody, {"role": "support"}),
)
async def change(request: Request, user_id: str, caller: ByOwner) -> UserShape:
    """The new role applies from the user's next request."""
    body = await read_json(request, RoleBody)
    seen = witness(request, caller, Action.USER_ROLE_CHANGED)
    try:
        changed = await change_role(services_of(request).pool, caller.merchant_id, user_id, body.role, seen)
    except LastOwnerError as error:
        raise bad_request(str(error), "role") from None
    if changed is None:
        raise _no_such_user()
    return user_shape(changed)


@router.delete("/users/{user_id}", summary="Remove a user", status_code=204, responses=errors(400, 401, 404, 503))
async def remove(request: Request, user_id: str, caller: ByOwner) -> None:
    """The user can no longer sign in, and the user's sessions end immediately."""
    services = services_of(request)
    try:
        removed = await remove_user(
            services.pool, caller.merchant_id, user_id, witness(request, caller, Action.USER_REMOVED)
        )
    except LastOwnerError as error:
        raise bad_request(str(error)) from None
    if not removed:
        raise _no_such_user()
    try:
        await revoke_sessions_of(services.redis, caller.merchant_id, user_id)
    except (RedisError, OSError) as error:
        # They are useless without their user, whom each request reads.
        log.warning("sessions_not_ended", user_id=user_id, error=repr(error))


@router.get("/invitations", summary="List invitations", responses=errors(401, 503))
async def invitations(request: Request, caller: ByOwner) -> InvitationsShape:
    """Those that wait to be accepted, newest first."""
    services = services_of(request)
    waiting = await list_invitations(services.pool, caller.merchant_id, services.clock.now())
    return InvitationsShape(data=[invitation_shape(one) for one in waiting])


@router.post(
    "/invitations",
    summary="Invite a user",
    status_code=201,
    responses=errors(400, 401, 413, 503),
    openapi_extra=json_body(InvitationBody, {"email": "asha@example.com", "role": "support"}),
)
async def invite_user(request: Request, caller: ByOwner) -> NewInvitationShape:
    """A link that works once, within 72 hours. Only this response contains it: the gateway sends no e-mail."""
    body, services, at = (
        await read_json(request, InvitationBody),
        services_of(request),
        services_of(request).clock.now(),
    )
    assert caller.user_id is not None, "no API key has the right 'users'"
    new = Invitation(
        id=make_id(INVITATION),
        merchant_id=caller.merchant_id,
        email=body.email,
        role=body.role,
        invited_by=caller.user_id,
        created_at=at,
        expires_at=at + LASTS,
    )
    token = secrets.token_urlsafe(TOKEN_BYTES)
    try:
        made = await invite(services.pool, new, token, witness(request, caller, Action.USER_INVITED))
    except EmailTakenError:
        raise bad_request("You already have a user with this e-mail address", "email") from None
    except TooManyInvitationsError as error:
        raise bad_request(str(error)) from None
    facts = urlencode({"token": token, "email": made.email})
    url = f"{services.settings.dashboard_url.rstrip('/')}/join#{facts}"
    return NewInvitationShape(**invitation_shape(made).model_dump(), url=url)


@router.delete(
    "/invitations/{invitation_id}", summary="Revoke an invitation", status_code=204, responses=errors(401, 404, 503)
)
async def revoke(request: Request, invitation_id: str, caller: ByOwner) -> None:
    """Its link stops working immediately."""
    services = services_of(request)
    seen = witness(request, caller, Action.INVITATION_REVOKED)
    if not await revoke_invitation(
        services.pool, caller.merchant_id, invitation_id, at=services.clock.now(), witness=seen
    ):
        raise ApiError(ErrorCode.NOT_FOUND, "Invitation not found")


def _no_such_user() -> ApiError:
    return ApiError(ErrorCode.NOT_FOUND, "User not found")


@router.patch(
    "/access",
    summary="Change what users may do",
    responses=errors(400, 401, 413, 503),
    openapi_extra=json_body(AccessBody, {"support_refunds": {"maximum_minor": 100000, "currency": "INR"}}),
)
async def change_what_users_may_do(request: Request, caller: ByOwner) -> MerchantShape:
    """The limit of refunds by the role `support`, and whether users need a second factor. Omitted fields are unchanged.

    Only an owner who has a second factor can require it.
    """
    body = await read_json(request, AccessBody)
    await _check_own_factor(request, caller, body)
    merchant = await change_access(
        services_of(request).pool, caller.merchant_id, _change_of(body), witness(request, caller, Action.ACCESS_CHANGED)
    )
    if merchant is None:
        raise ApiError(ErrorCode.NOT_FOUND, "Merchant not found")
    return merchant_shape(merchant)


async def _check_own_factor(request: Request, caller: Caller, body: AccessBody) -> None:
    """Raises ApiError 400 for an owner who would be held back by the change itself."""
    if body.second_factor_required:
        assert caller.user_id is not None, "no API key has the right 'users'"
        owner = await find_user(services_of(request).pool, caller.user_id)
        if owner is None or not owner.second_factor:
            raise bad_request("Set up your own second factor first", "second_factor_required")


def _change_of(body: AccessBody) -> AccessChange:
    limit = body.support_refunds
    return AccessChange(
        support_refunds=SupportRefunds(None if limit is None else RefundLimit(limit.maximum_minor, limit.currency))
        if "support_refunds" in body.model_fields_set
        else None,
        second_factor_required=body.second_factor_required,
    )
