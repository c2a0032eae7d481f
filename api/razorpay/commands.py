"""A command of the double: sent to the same actors over the same bus; the response is always the decision.

The original has no 202, so a decision that takes too long is a 503 with an explanation; the command remains valid.
"""

from __future__ import annotations

import re

from starlette.requests import Request

from api.answers.answers import submit
from api.answers.idempotency import key_named
from api.process.bus import Decided, Key
from api.razorpay.errors import KEY_BUSY, UNDECIDED, DoubleError
from domain.decision import Command
from topics.razorpay.failures import SERVER

KEY_HEADER = "x-refund-idempotency"
KEY_CHARACTERS_MIN, KEY_CHARACTERS_MAX = 10, 255
_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")


async def decided(request: Request, command: Command, *, key: Key | None = None, new_id: str | None = None) -> Decided:
    """Raises ApiError, the actor's refusal among them, or DoubleError 409 and 503. `new_id`: of what is made."""
    outcome = await submit(request, command, key=key, resource_id=new_id)
    if isinstance(outcome, Decided):
        return outcome
    if not outcome.first:
        raise DoubleError(KEY_BUSY, status=409, source="NA", step="NA", reason="NA")
    raise DoubleError(UNDECIDED, code=SERVER, status=503, source="NA", step="NA", reason="NA")


def refund_key(request: Request, merchant_id: str, fields: dict[str, object]) -> Key | None:
    """The X-Refund-Idempotency header as the command's identity; None without one. Raises DoubleError."""
    sent = request.headers.get(KEY_HEADER, "").strip()
    if not sent:
        return None
    if len(sent) < KEY_CHARACTERS_MIN:
        raise DoubleError(f"The idempotency key must be at least {KEY_CHARACTERS_MIN} characters long.")
    if len(sent) > KEY_CHARACTERS_MAX or not _KEY.match(sent):
        raise DoubleError("The idempotency key must only contain alphanumeric characters, underscores, and hyphens")
    return key_named(request, sent, scope=merchant_id, route="razorpay-refunds", fields=fields)
