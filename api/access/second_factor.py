"""Checking a code of the second factor: each works once, and after too many wrong ones only a recovery code does.

    code ─► lock the user's row ─► accepted: its step, or the recovery code, is used up
                               ├─► wrong:    counted, and in the audit log
                               └─► locked:   WRONG_MAX wrong codes, less WRONG_FORGIVEN for each right one

Only someone with the password gets here, so strangers cannot use the count to lock a user out. It is in the database:
it holds from every address, and while Redis, which has the limits of api/access/logins.py, is unavailable.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import SecretStr
from starlette.requests import Request

from api.access.audit import USER, witness_of
from api.http.errors import SECOND_FACTOR, ApiError, bad_request
from api.process.services import services_of
from domain.audited import Action
from runtime.one_time_codes import hash_of_recovery_code, is_app_code, plain_code, step_of
from runtime.secrets import Sealed, unseal
from store.accounts.audit_log import Witness
from store.accounts.second_factors import Factor, accept_step, count_wrong, lock_factor, use_recovery_code
from store.accounts.users import User
from store.driver import Connection

WRONG_MAX = 10
"""A guess is right once in 333,333 (three of a million codes count), so ten are once in 33,000."""
WRONG_FORGIVEN = 3
"""By a right code of the app. Not all of them: somebody who has the password could guess again after each of the user's
own logins. A recovery code, or a new password by a link, clears all of them."""


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    WRONG = "The code is wrong, too old, or was used before"
    LOCKED = "Too many wrong codes: use a recovery code, or let the operator make a new link"


async def prove_second_factor(request: Request, user: User, otp: SecretStr | None) -> None:
    """At sign-in. Raises ApiError 401 SECOND_FACTOR_REQUIRED without a right code."""
    if otp is None:
        raise ApiError(SECOND_FACTOR, "Enter the code of your authenticator app, or a recovery code", field="otp")
    verdict = await use_code(request, user, otp)
    if verdict is not Verdict.ACCEPTED:
        raise ApiError(SECOND_FACTOR, verdict, field="otp")


async def prove_again(request: Request, user: User, otp: SecretStr) -> None:
    """For a signed-in user. Raises ApiError 400 without a right code."""
    verdict = await use_code(request, user, otp)
    if verdict is not Verdict.ACCEPTED:
        raise bad_request(verdict, "otp")


async def use_code(request: Request, user: User, otp: SecretStr) -> Verdict:
    """Use up an app's code or a recovery code. The verdict is kept, whatever the result of the request."""
    code = plain_code(otp.get_secret_value())
    async with services_of(request).pool.acquire() as connection, connection.transaction():
        factor = await lock_factor(connection, user.id)
        if factor is None or not factor.is_enabled:
            return Verdict.WRONG
        if is_app_code(code) and factor.wrong >= WRONG_MAX:
            return Verdict.LOCKED
        if await _is_used_up(request, connection, user, factor, code):
            return Verdict.ACCEPTED
        await _count(request, connection, user, factor)
        return Verdict.WRONG


async def _is_used_up(request: Request, connection: Connection, user: User, factor: Factor, code: str) -> bool:
    """Whether the code was right; it no longer works then."""
    if not is_app_code(code):
        return await _use_recovery_code(request, connection, user, code)
    step = step_of_app(request, user, factor, code)
    if step is None or step <= factor.last_step:
        return False
    await accept_step(connection, user.id, step, forgiven=WRONG_FORGIVEN)
    return True


def step_of_app(request: Request, user: User, factor: Factor, code: str) -> int | None:
    """The step of an app's code; None if it is wrong."""
    services = services_of(request)
    seed = unseal(factor.sealed, services.settings.keys, Sealed.SECOND_FACTOR, user.id)
    return step_of(seed, code, services.clock.now())


async def _use_recovery_code(request: Request, connection: Connection, user: User, code: str) -> bool:
    digest, at = hash_of_recovery_code(user.id, code), services_of(request).clock.now()
    left = await use_recovery_code(connection, user.id, digest, at)
    if left is None:
        return False
    await witness_of_own(request, user, Action.RECOVERY_CODE_USED).attest(connection, user.id, after={"left": left})
    return True


async def _count(request: Request, connection: Connection, user: User, factor: Factor) -> None:
    """Once it is locked nothing is added: somebody who has the password could fill the audit log."""
    if factor.wrong >= WRONG_MAX:
        return
    await count_wrong(connection, user.id)
    seen = witness_of_own(request, user, Action.SECOND_FACTOR_REFUSED)
    await seen.attest(connection, user.id, after={"wrong_codes": factor.wrong + 1})


def witness_of_own(request: Request, user: User, action: Action) -> Witness:
    """What a user does with their own second factor."""
    return witness_of(request, user.merchant_id, f"{USER} {user.id}", action)
