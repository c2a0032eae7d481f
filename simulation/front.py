"""The API of a world as its clients reach it: over a network that loses things, to the routes' own functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api.access.auth import authenticated
from api.http.errors import response_of
from api.routes import links, orders, payments, public, refunds
from simulation.workload import Call

if TYPE_CHECKING:
    from simulation.roles import App
    from simulation.world import World


class SimulatedFront:
    """What a world's clients talk to."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> float:
        return self._world.scheduler.now

    def note(self, kind: str, text: str, about: str) -> None:
        self._world.trace.note(kind, text, about)

    async def call(self, call: Call, worker: int) -> tuple[int, Any]:
        """Raises ConnectionRefusedError (not taken) or another OSError (unknown)."""
        return await self._world.request(f"api-{worker}", lambda app: _served(app, call))


async def _served(app: App, call: Call) -> tuple[int, Any]:
    """One request through the route's own function, as the application calls it."""
    headers = [
        (b"content-type", b"application/json"),
        (b"x-api-key", call.merchant.key.encode()),
        (b"x-api-secret", call.merchant.secret.encode()),
    ]
    if call.key is not None:
        headers.append((b"idempotency-key", call.key.encode()))
    scope = {
        "type": "http",
        "method": call.method,
        "path": call.path,
        "query_string": b"",
        "headers": headers,
        "app": app,
        "request_id": call.request_id,
    }
    content = b"" if call.body is None else orjson.dumps(call.body)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    request = Request(scope, receive)
    assert app.services is not None, "an API that serves has its services"
    try:
        response = await _routed(request, call)
        # As the application's edge does, which stands before the routes.
        body = await app.services.order_keys.opened(bytes(response.body))
    except Exception as error:
        response = response_of(request, error)
        body = bytes(response.body)
    return response.status_code, orjson.loads(body)


async def _routed(request: Request, call: Call) -> Response:
    match call.method, call.path.strip("/").split("/"):
        case "POST", ["orders"]:
            return await orders.create_order(request)
        case "POST", ["payment-links"]:
            return await links.create(request)
        case "POST", ["payment-links", link_id, "resend"]:
            return await links.resend(request, link_id)
        case "POST", ["orders", order_id, "cancel"]:
            return await orders.cancel(request, order_id)
        case "POST", ["payments"]:
            return await payments.create_payment(request)
        case "POST", ["refunds"]:
            return await refunds.create_refund(request)
        case "POST", ["payments", payment_id, "capture"]:
            return await payments.capture(request, payment_id)
        case "POST", ["payments", payment_id, "cancel"]:
            return await public.cancel(request, payment_id)
        case "POST", ["payments", payment_id, "void"]:
            return await payments.void(request, payment_id)
        case "GET", ["orders", order_id]:
            return await orders.read(request, order_id, await authenticated(request))
        case "GET", ["payments", payment_id]:
            return await payments.read(request, payment_id, await authenticated(request))
        case "GET", ["refunds", refund_id]:
            return await refunds.read(request, refund_id, await authenticated(request))
    raise AssertionError(f"no route for {call.method} {call.path}")
