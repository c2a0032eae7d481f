"""The order that an id belongs to: order, payment, refund, event, command, webhook log or request id -> its order."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from domain.ids import ORDER, PAYMENT, REFUND, is_id, parse_event_id
from ops.console.exit_codes import UsageError
from store.attempts import order_of_attempt
from store.driver import Pool
from store.operations.inspection import order_is_known, order_of_command, order_of_delivery, orders_of_request

REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}\Z")
_SETTLE = re.compile(r"stl_((?:pay|rfnd)_[0-9A-Za-z]{16})_(?:success|failed)(?:_[0-9a-z_]+)?\Z")


@dataclass(frozen=True, slots=True)
class Subject:
    """The requested subject: `marks` are the ids whose steps are shown in bold. `kind` is for display."""

    kind: str
    order_id: str
    marks: frozenset[str]


async def subject_of(pool: Pool, text: str) -> Subject:
    """Raises UsageError if the id is unknown."""
    kind, order_id = await _found(pool, text.strip())
    if order_id is None:
        raise UsageError(f"No {kind} {text!r} is known here; check the id and DATABASE_URL.")
    return Subject(kind, order_id, frozenset({text.strip()}))


async def _found(pool: Pool, text: str) -> tuple[str, str | None]:
    if is_id(ORDER, text):
        return "order", text if await order_is_known(pool, text) else None
    if is_id(PAYMENT, text):
        return "payment", await order_of_attempt(pool, text)
    if is_id(REFUND, text):
        return "refund", await order_of_attempt(pool, text)
    event = parse_event_id(text)
    if event is not None:
        return "event", event[0] if await order_is_known(pool, event[0]) else None
    settle = _SETTLE.match(text)
    if settle is not None:
        return "command", await order_of_attempt(pool, settle[1])
    log_id = _uuid(text)
    if log_id is not None:
        return "webhook log", await order_of_delivery(pool, log_id)
    if not REQUEST_ID.match(text):
        raise UsageError(f"{text!r} is not a valid id; pass the id of an order, payment, event or request.")
    command_order = await order_of_command(pool, text)
    if command_order is not None:
        return "command", command_order
    return "request or command", await _order_of_request(pool, text)


async def _order_of_request(pool: Pool, request_id: str) -> str | None:
    orders = await orders_of_request(pool, request_id)
    if len(orders) > 1:
        raise UsageError(f"Request {request_id!r} is about {len(orders)} orders: {', '.join(sorted(orders))}.")
    return orders[0] if orders else None


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if len(text) == 36 else None
    except ValueError:
        return None
