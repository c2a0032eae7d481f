"""Reading one resource: its row, or, if it was accepted and is not decided yet, what was promised with the 202.

row ─► as it is
no row, a promise ─► undecided: as accepted · accepted under an earlier request's id: that one · refused: FAILED,
                     also if the Idempotency-Key was accepted for a different request
no row, no promise ─► None
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from starlette.responses import Response

from api.http.errors import JSON
from api.process.services import Services
from domain.decision import Decision
from domain.idempotency import compare
from domain.link import PaymentLink
from domain.machine import decide
from domain.order import CaptureMode, CreateOrder, Order
from domain.payment import Payment
from domain.refund import Refund
from domain.rejection import Rejected
from domain.resource import resource_of
from store.commands import DecidedCommand, find_decided
from store.connections import through_restart
from store.driver import Pool
from store.orders import find_order, find_whole_order
from store.promises import Promise, find_promise
from topics.envelope import encode_json

Subject = Order | Payment | Refund
Load = Callable[[Pool, str], Awaitable[Subject | None]]
READ_SECONDS = 3.0
PROMISED_BEFORE = {
    "expires_at": None,
    "capture": CaptureMode.MANUAL,
    "capture_within_minutes": None,
    "return_url": None,
}
"""Defaults for an order that an earlier version promised."""


@dataclass(frozen=True, slots=True)
class Found:
    """A resource in its public shape, and its merchant. `row` None: accepted, not decided."""

    merchant_id: str
    order_id: str
    resource: dict[str, Any]
    row: Subject | None


async def find(services: Services, resource_id: str, load: Load) -> Found | None:
    """Raises the database's errors: without it, absence cannot be proved."""
    row = await through_restart(lambda: load(services.pool, resource_id))
    if row is not None:
        return _found(row)
    promise = await through_restart(lambda: find_promise(services.pool, resource_id, timeout=READ_SECONDS))
    if promise is None:
        return None
    request = (promise.command_id, promise.nonce)
    decided = (await find_decided(services.pool, [request], timeout=READ_SECONDS)).get(request)
    # An order's promise may be that of the payment that was to create it.
    of_payment = resource_id != promise.resource_id
    resource = orjson.loads(promise.order_resource or "" if of_payment else promise.resource)
    if decided is None:
        return Found(promise.merchant_id, promise.order_id, resource, None)
    refusal = _refusal(promise, decided)
    if refusal is None:
        row = await load(services.pool, orjson.loads(decided.reply)["order_id" if of_payment else "id"])
        return None if row is None else _found(row)
    resource |= {"status": "FAILED", "error_code": refusal.code, "error_description": refusal.description}
    return Found(promise.merchant_id, promise.order_id, resource, None)


def _refusal(promise: Promise, decided: DecidedCommand) -> Rejected | None:
    """Why the promised request was refused: for its own content, or because its key was accepted for another
    request."""
    if decided.rejected:
        error = orjson.loads(decided.reply)
        return Rejected(error["code"], error["description"], error["field"])
    if decided.nonce == promise.nonce or promise.fingerprint is None or decided.fingerprint is None:
        return None
    return compare(orjson.loads(decided.fingerprint), orjson.loads(promise.fingerprint))


async def known_order(services: Services, order_id: str) -> Order | None:
    """The order with everything below it; if it is only promised, as it will be once decided."""
    order = await through_restart(lambda: find_whole_order(services.pool, order_id))
    if order is not None:
        return order
    found = await find(services, order_id, find_order)
    return None if found is None else order_as_found(found)


def order_as_found(found: Found) -> Order:
    """The order alone: its row, or as it will be once the accepted request for it is decided."""
    if isinstance(found.row, Order):
        return found.row
    promised = PROMISED_BEFORE | found.resource
    command = CreateOrder(
        order_id=promised["id"],
        merchant_id=found.merchant_id,
        amount=promised["amount"],
        currency=promised["currency"],
        receipt=promised["receipt"],
        notes=promised["notes"],
        expires_at=None if promised["expires_at"] is None else datetime.fromisoformat(promised["expires_at"]),
        capture=CaptureMode(promised["capture"]),
        capture_within_minutes=promised["capture_within_minutes"],
        link=_link_of(promised),
        return_url=promised["return_url"],
    )
    foreseen = decide(None, command, datetime.fromisoformat(promised["created_at"]))
    assert isinstance(foreseen, Decision) and isinstance(foreseen.subject, Order), "only what can be made is promised"
    return foreseen.subject


def _link_of(promised: dict[str, Any]) -> PaymentLink | None:
    link = promised.get("payment_link")
    if link is None:
        return None
    return PaymentLink(url=link["url"], description=link["description"], **link["customer"])


def _found(row: Subject) -> Found:
    order_id = row.id if isinstance(row, Order) else row.order_id
    return Found(row.merchant_id, order_id, dict(resource_of(row)), row)


def json_response(content: object, status: int = 200) -> Response:
    return Response(encode_json(content), status, media_type=JSON)
