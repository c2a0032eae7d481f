"""A user's own second factor: an authenticator app, and recovery codes in case it is lost.

    begin ─► seed, once ─► confirm with a first code ─► recovery codes, once; other sessions end
                                                    └─► new recovery codes, remove: with password and code

Each requires the password again, so that a stolen session can neither set up a second factor nor remove one.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.access.logins import prove_password
from api.access.second_factor import Verdict, prove_again, step_of_app, witness_of_own
from api.access.sessions import SignedIn, signed_in
from api.http.bodies import read_json
from api.http.errors import bad_request
from api.openapi.annotations import errors, json_body
from api.process.services import services_of
from api.routes.auth import start_session
from api.schemas.second_factor import (
    BeginBody,
    ConfirmBody,
    ConfirmedShape,
    ProofBody,
    RecoveryCodesShape,
    SecondFactorShape,
    SeedShape,
)
from domain.audited import Action
from runtime.one_time_codes import (
    hash_of_recovery_code,
    is_app_code,
    make_recovery_codes,
    make_seed,
    plain_code,
    setup_uri,
)
from runtime.secrets import Sealed, seal
from store.accounts.second_factors import (
    begin_factor,
    confirm_factor,
    end_factor,
    find_factor,
    lock_factor,
    lock_to_confirm,
    renew_recovery_codes,
)
from store.accounts.users import User

router = APIRouter(prefix="/auth/second-factor", tags=["Sessions"])
Own = Annotated[SignedIn, Depends(signed_in)]

ISSUER = "Payment gateway"
PROOF = {"current_password": "password123", "otp": "123456"}
ENABLED = "A second factor is enabled: remove it first"
NOT_BEGUN = "There is no second factor to confirm: begin with POST /api/v1/auth/second-factor"


@router.get("", summary="Read your second factor", responses=errors(401, 503))
async def read(request: Request, found: Own) -> SecondFactorShape:
    """Since when it is enabled, and how many recovery codes are left."""
    state = await find_factor(services_of(request).pool, found.user.id)
    return SecondFactorShape.model_validate(state, from_attributes=True)


@router.post(
    "",
    summary="Set up a second factor",
    status_code=201,
    responses=errors(400, 401, 403, 413, 429, 503),
    openapi_extra=json_body(BeginBody, {"current_password": "password123"}),
)
async def begin(request: Request, found: Own) -> SeedShape:
    """A seed for an authenticator app. It counts once a code of the app has confirmed it; a new one replaces it."""
    body, services, user = await read_json(request, BeginBody), services_of(request), found.user
    await prove_password(request, user, body.current_password)
    seed = make_seed()
    sealed = seal(seed, services.settings.keys, Sealed.SECOND_FACTOR, user.id)
    if not await begin_factor(services.pool, user.id, sealed):
        raise bad_request(ENABLED)
    return SeedShape(secret=seed, uri=setup_uri(seed, account=user.email, issuer=ISSUER))


@router.post(
    "/confirm",
    summary="Enable your second factor",
    responses=errors(400, 401, 403, 413, 429, 503),
    openapi_extra=json_body(ConfirmBody, PROOF),
)
async def confirm(request: Request, response: Response, found: Own) -> ConfirmedShape:
    """From now on signing in needs a code. Ends all your sessions and starts a new one."""
    body, services, user = await read_json(request, ConfirmBody), services_of(request), found.user
    await prove_password(request, user, body.current_password)
    at, codes = services.clock.now(), make_recovery_codes()
    async with services.pool.acquire() as connection, connection.transaction():
        factor = await lock_to_confirm(connection, user.id)
        if factor is None or factor.is_enabled:
            raise bad_request(NOT_BEGUN if factor is None else ENABLED)
        code = plain_code(body.otp.get_secret_value())
        step = step_of_app(request, user, factor, code) if is_app_code(code) else None
        if step is None:
            raise bad_request(Verdict.WRONG, "otp")
        seen = witness_of_own(request, user, Action.SECOND_FACTOR_ENABLED)
        user = await confirm_factor(connection, user.id, step=step, hashes=_hashes(user, codes), at=at, witness=seen)
    session = await start_session(request, response, user)
    return ConfirmedShape(**session.model_dump(), recovery_codes=codes)


@router.post(
    "/recovery-codes",
    summary="Make new recovery codes",
    status_code=201,
    responses=errors(400, 401, 403, 413, 429, 503),
    openapi_extra=json_body(ProofBody, PROOF),
)
async def renew(request: Request, found: Own) -> RecoveryCodesShape:
    """The codes before stop working."""
    user, codes = await _proved(request, found), make_recovery_codes()
    async with services_of(request).pool.acquire() as connection, connection.transaction():
        factor = await lock_factor(connection, user.id)
        if factor is None or not factor.is_enabled:
            raise bad_request("There is no second factor")
        seen = witness_of_own(request, user, Action.RECOVERY_CODES_RENEWED)
        await renew_recovery_codes(connection, user.id, _hashes(user, codes), seen)
    return RecoveryCodesShape(recovery_codes=codes)


@router.post(
    "/remove",
    summary="Remove your second factor",
    status_code=204,
    responses=errors(400, 401, 403, 413, 429, 503),
    openapi_extra=json_body(ProofBody, PROOF),
)
async def remove(request: Request, found: Own) -> None:
    """The password alone signs in again. Not possible while the merchant requires a second factor."""
    if found.user.second_factor_required:
        raise bad_request("The merchant requires a second factor")
    user = await _proved(request, found)
    async with services_of(request).pool.acquire() as connection, connection.transaction():
        await end_factor(connection, user.id)
        await witness_of_own(request, user, Action.SECOND_FACTOR_REMOVED).attest(connection, user.id)


async def _proved(request: Request, found: SignedIn) -> User:
    """The user, whose password and code the request repeats. Raises ApiError 400."""
    body = await read_json(request, ProofBody)
    await prove_password(request, found.user, body.current_password)
    await prove_again(request, found.user, body.otp)
    return found.user


def _hashes(user: User, codes: list[str]) -> list[bytes]:
    return [hash_of_recovery_code(user.id, code) for code in codes]
