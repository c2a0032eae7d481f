"""A request's entries in the audit log: who makes it, from where, under which request id.

witness(request, caller, Action.KEY_CREATED)    for a change, recorded in its transaction
await noted(request, caller, Action.REFUND_REQUESTED, payment_id, after={…})    before its command is written
"""

from __future__ import annotations

from starlette.requests import Request

from api.access.caller import Caller
from api.access.client_address import address_of
from api.process.services import services_of
from domain.audited import Action
from store.accounts.audit_log import OPERATOR, Doing, Values, Witness
from store.connections import through_restart

KEY, USER = "key", "user"
BY_OPERATOR = f"{OPERATOR} over the API"


def witness(request: Request, caller: Caller, action: Action) -> Witness:
    """The caller's action, for its merchant's chain."""
    actor = f"{KEY} {caller.key_id}" if caller.via == KEY else f"{USER} {caller.user_id}"
    return witness_of(request, caller.merchant_id, actor, action)


def witness_of(request: Request, merchant_id: str, actor: str, action: Action) -> Witness:
    """The action of somebody who is not a caller yet: a sign-up or a sign-in."""
    services = services_of(request)
    doing = Doing(
        chain=merchant_id,
        actor=actor,
        action=action,
        address=address_of(request),
        request_id=request.scope["request_id"],
        at=services.clock.now(),
    )
    return Witness(doing, services.settings.keys)


async def noted(request: Request, caller: Caller, action: Action, subject: str, *, after: Values | None = None) -> None:
    """Record a command that is about to be written. Raises the database's errors: then no command is written.

    If the connection breaks before the response, the entry may exist twice: two intentions, one effect.
    """
    seen, pool = witness(request, caller, action), services_of(request).pool
    await through_restart(lambda: seen.attest_alone(pool, subject, after=after))
