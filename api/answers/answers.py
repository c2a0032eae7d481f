"""From a checked request to its response: the command is decided, and the result becomes 200/201, 202, 409 or an error.

Decided           the resource, byte for byte as it was decided; Idempotent-Replayed where it was decided before
Undecided         202 with the resource as accepted and Location; the promise is recorded: no later read returns 404
                  409 where an earlier request with the same key is the one that was promised
                  503 where a promise cannot be recorded, or the actor's decision cannot be predicted

The API's prediction is a guess. It may become a 202, which promises only that the command will be decided; it never
becomes a refusal, because the command is on the log and the actor may decide otherwise.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from api.answers.idempotency import is_same_for_repeats
from api.answers.sealed import sealed
from api.http.errors import JSON, RETRY_AFTER_SECONDS, ApiError, unavailable
from api.process.bus import UNKNOWN, Decided, Key, Undecided
from api.process.services import Services, services_of
from domain.decision import Command, Decision, Subject
from domain.link import ResendLink
from domain.machine import decide, evolve
from domain.order import CancelOrder, Order
from domain.payment import CancelPayment, CapturePayment, VoidPayment
from domain.purchase import PayNewOrder
from domain.rejection import ErrorCode, Rejected
from domain.resource import resource_of
from runtime.logs import get_logger
from store.connections import through_restart
from store.errors import DatabaseError
from store.promises import Promise, make_promise
from topics.envelope import encode_json

log = get_logger("commands")

REPLAYED = {"Idempotent-Replayed": "true"}
PROMISE_SECONDS = 2.0
"""Together with the wait for the decision, below the five seconds after which a request without a response is
refused."""
Shape = Callable[[str], bytes | str]


def as_decided(body: str) -> str:
    """Shape of the merchant's own responses: the stored bytes."""
    return body


async def submit(
    request: Request, command: Command, *, key: Key | None, resource_id: str | None
) -> Decided | Undecided:
    """Have the actor decide. `resource_id`: of the resource that the command creates. Raises ApiError, also for a
    refusal."""
    return await _submit(request, await sealed(services_of(request), command, key), key=key, resource_id=resource_id)


async def _submit(
    request: Request, command: Command, *, key: Key | None, resource_id: str | None
) -> Decided | Undecided:
    services = services_of(request)
    if not services.database.up:
        raise unavailable("The database is unavailable. The request was not accepted; please retry")
    return await services.commands.submit(
        command, key=key, request_id=request.scope["request_id"], resource_id=resource_id
    )


async def respond(
    request: Request,
    command: Command,
    *,
    key: Key | None,
    merchant_id: str,
    resource_id: str,
    new: bool,
    location: str,
    load: Callable[[], Awaitable[Order | None]],
    shape: Shape = as_decided,
) -> Response:
    """Have the command decided, and respond.

    `new`: the command creates `resource_id`; `load`: the order as far as it is known, for a 202.
    """
    services = services_of(request)
    command = await sealed(services, command, key)
    outcome = await _submit(request, command, key=key, resource_id=resource_id if new else None)
    if isinstance(outcome, Decided):
        headers = REPLAYED if outcome.repeated else None
        return Response(shape(outcome.body), 201 if new else 200, headers=headers, media_type=JSON)
    promise = await _promise(
        services, command, outcome, key=key, merchant_id=merchant_id, resource_id=resource_id, load=load
    )
    # A repeat just after the hour of keyed ids has changed may use another id than the request that it repeats.
    same = key is None or not new or is_same_for_repeats(services.clock.epoch_ms())
    if not (outcome.first and same and await _recorded(services, promise)):
        raise still_running()
    return Response(shape(promise.resource), 202, headers={"Location": location}, media_type=JSON)


async def _promise(
    services: Services,
    command: Command,
    outcome: Undecided,
    *,
    key: Key | None,
    merchant_id: str,
    resource_id: str,
    load: Callable[[], Awaitable[Order | None]],
) -> Promise:
    """The resource as it will look once the actor accepts the command, as far as can be known now.

    Raises ApiError 503 if the command would be refused in the current state, or the state is unknown.
    """
    try:
        order = await load()
    except (DatabaseError, RedisError, OSError):
        raise unavailable(UNKNOWN) from None
    foreseen = decide(order, command, services.clock.now())
    if isinstance(foreseen, Rejected):
        raise unavailable(UNKNOWN)
    subject: Subject | None = foreseen.subject
    if isinstance(command, CancelPayment | CapturePayment | VoidPayment) and order is not None:
        # These make nothing new to promise: the payment as it is.
        subject = order.payment(command.payment_id)
    if isinstance(command, CancelOrder | ResendLink):
        subject = order
    assert subject is not None, "a change was foreseen of something that is not there"
    resource = encode_json(resource_of(subject)).decode()
    return Promise(
        command_id=outcome.command_id,
        nonce=outcome.nonce,
        resource_id=resource_id,
        order_id=command.order_id,
        merchant_id=merchant_id,
        resource=resource,
        fingerprint=None if key is None else key.fingerprint_json,
        order_resource=_new_order(foreseen) if isinstance(command, PayNewOrder) else None,
    )


def _new_order(foreseen: Decision) -> str:
    """The order that is created with a payment, in its public shape."""
    order: Order | None = None
    for event in foreseen.events:
        order = evolve(order, event)
    assert order is not None, "nobody knows of the order before"
    return encode_json(resource_of(order)).decode()


async def _recorded(services: Services, promise: Promise) -> bool:
    """Whether this request's promise is recorded. Raises ApiError 503 if that is unknown: then nothing is promised."""
    try:
        return await through_restart(lambda: make_promise(services.pool, promise, timeout=PROMISE_SECONDS))
    except DatabaseError as error:
        log.warning("promise_not_recorded", command_id=promise.command_id, error=repr(error))
        raise unavailable(UNKNOWN) from None


def still_running() -> ApiError:
    return ApiError(
        ErrorCode.BAD_REQUEST,
        "An earlier request with this Idempotency-Key is still being decided",
        status=409,
        headers={"Retry-After": RETRY_AFTER_SECONDS},
    )
