"""From a checked request to its answer: the command is asked, and what comes back becomes 200/201, 202, 409, an error.

Answer            the resource, byte for byte as it was decided; Idempotent-Replayed where it was decided before
Undecided         202 with the resource as accepted and Location; a note makes sure that no later read says 404
                  409 where an earlier request with the same key is the one that was promised
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from api.commands import UNKNOWN, Answer, Key
from api.errors import JSON, RETRY_AFTER_SECONDS, ApiError, refused, unavailable
from api.idempotency import is_same_for_repeats
from api.parts import Parts, parts_of
from domain.order import Command, Decision, Order, decide
from domain.payment import CapturePayment
from domain.rejection import PAYMENT_NOT_FOUND, ErrorCode, Rejected
from domain.resource import payment_resource, resource_of
from runtime.clock import Clock
from store.accepted import Accepted, claim, note_accepted
from topics.envelope import encode_json

REPLAYED = {"Idempotent-Replayed": "true"}
Shape = Callable[[str], bytes | str]


def as_decided(body: str) -> str:
    """Shape of the merchant's own answers: the stored bytes."""
    return body


async def answer_to(
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
    """Ask and answer. `new`: the command makes `resource_id`; `load`: the order as far as it is known, for a 202."""
    parts = parts_of(request)
    if not parts.database.up:
        raise unavailable("The database does not answer; nothing was taken, try again")
    outcome = await parts.commands.ask(
        command, key=key, request_id=request.scope["request_id"], resource_id=resource_id if new else None
    )
    if isinstance(outcome, Answer):
        headers = REPLAYED if outcome.repeated else None
        return Response(shape(outcome.body), 201 if new else 200, headers=headers, media_type=JSON)
    resource = await _accepted(command, load, parts.clock)
    note = Accepted(outcome.command_id, command.order_id, merchant_id, resource)
    try:
        promised = outcome.first and (key is None or await _claimed(parts, outcome.command_id, resource_id, new=new))
        if not promised:
            raise still_running()
        if new:
            await note_accepted(parts.redis, resource_id, note)
    except (RedisError, OSError):
        # Without the note a later read could say 404, so nothing is promised.
        raise unavailable(UNKNOWN) from None
    return Response(shape(resource), 202, headers={"Location": location}, media_type=JSON)


async def _claimed(parts: Parts, command_id: str, resource_id: str, *, new: bool) -> bool:
    """Whether this request's resource is the one that the key stands for. Raises RedisError or OSError."""
    if new and not is_same_for_repeats(parts.clock.epoch_ms()):
        return False
    return await claim(parts.redis, command_id, resource_id)


def still_running() -> ApiError:
    return ApiError(
        ErrorCode.BAD_REQUEST,
        "An earlier request with this Idempotency-Key is still being decided",
        status=409,
        headers={"Retry-After": RETRY_AFTER_SECONDS},
    )


async def _accepted(command: Command, load: Callable[[], Awaitable[Order | None]], clock: Clock) -> str:
    """The resource as it will look once the actor accepts the command, as far as anybody can know now."""
    order = await load()
    if isinstance(command, CapturePayment):
        # Nothing new to foresee: the payment as it is.
        payment = order.payment(command.payment_id) if order is not None else None
        if payment is None:
            raise refused(PAYMENT_NOT_FOUND)
        return encode_json(payment_resource(payment)).decode()
    foreseen = decide(order, command, clock.now())
    if isinstance(foreseen, Rejected):
        if foreseen.code is ErrorCode.NOT_FOUND:
            raise refused(foreseen)
        # What stands in the way now may be gone when the actor gets to it.
        raise unavailable(UNKNOWN)
    assert isinstance(foreseen, Decision)
    return encode_json(resource_of(foreseen.subject)).decode()
