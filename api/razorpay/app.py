"""The double's routes, and the layer that handles its paths ahead of our own application.

    Edge ─► Double ── /v1/…, /v2/… ─► its routes ─► response with X-Test-Double
              └────── any other path ─► the application

Leading and trailing slashes are ignored: the PHP client appends them, a base URL may add one in front.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access.caller import Caller
from api.http import errors as own_errors
from api.http.errors import JSON
from api.razorpay import checkout, customers, links, orders, payments, preferences, refunds, webhooks
from api.razorpay.access import SealedKeys, caller_of
from api.razorpay.errors import HEADERS, not_part, response_of
from api.razorpay.ignored import header_of

PREFIXES = ("/v1/", "/v2/")
ORIGINAL = b"api.razorpay.com"
"""The host name under which only the double is served, not the main API."""
Body = dict[str, Any] | list[Any]
ByMerchant = Callable[[Request, Caller], Awaitable[Body]]
ByPage = Callable[[Request], Awaitable[Body]]

MERCHANTS: Mapping[tuple[str, str], ByMerchant] = {
    ("POST", "/v1/orders"): orders.create,
    ("GET", "/v1/orders"): orders.list_,
    ("GET", "/v1/orders/{id}"): orders.read,
    ("PATCH", "/v1/orders/{id}"): orders.change,
    ("GET", "/v1/orders/{id}/payments"): orders.payments,
    ("POST", "/v1/payment_links"): links.create,
    ("GET", "/v1/payment_links"): links.list_,
    ("GET", "/v1/payment_links/{id}"): links.read,
    ("POST", "/v1/payment_links/{id}/cancel"): links.cancel,
    ("POST", "/v1/payment_links/{id}/notify_by/{medium}"): links.notify,
    ("POST", "/v1/payments/create/json"): payments.create,
    ("POST", "/v1/payments/create/upi"): payments.create,
    ("POST", "/v1/payments/validate/vpa"): payments.validate_vpa,
    ("GET", "/v1/payments"): payments.list_,
    ("GET", "/v1/payments/downtimes"): payments.not_payments,
    ("GET", "/v1/payments/qr_codes"): payments.not_payments,
    ("GET", "/v1/payments/{id}"): payments.read,
    ("PATCH", "/v1/payments/{id}"): payments.change,
    ("POST", "/v1/payments/{id}/capture"): payments.capture,
    ("GET", "/v1/payments/{id}/card"): payments.card,
    ("POST", "/v1/payments/{id}/refund"): refunds.create_of_payment,
    ("POST", "/v1/payments/{id}/refunds"): refunds.create_of_payment,
    ("GET", "/v1/payments/{id}/refunds"): refunds.list_of_payment,
    ("GET", "/v1/payments/{id}/refunds/{refund_id}"): refunds.read_of_payment,
    ("POST", "/v1/refunds"): refunds.create,
    ("GET", "/v1/refunds"): refunds.list_,
    ("GET", "/v1/refunds/{id}"): refunds.read,
    ("PATCH", "/v1/refunds/{id}"): refunds.change,
    ("POST", "/v1/customers"): customers.create,
    ("GET", "/v1/customers"): customers.list_,
    ("GET", "/v1/customers/{id}"): customers.read,
    ("PUT", "/v1/customers/{id}"): customers.change,
    ("POST", "/v1/webhooks"): webhooks.create,
    ("GET", "/v1/webhooks"): webhooks.list_,
    ("GET", "/v1/webhooks/{id}"): webhooks.read,
    ("PUT", "/v1/webhooks/{id}"): webhooks.change,
    ("PATCH", "/v1/webhooks/{id}"): webhooks.change,
    ("DELETE", "/v1/webhooks/{id}"): webhooks.delete,
    ("GET", "/v1/preferences"): preferences.preferences,
    ("GET", "/v1/methods"): preferences.methods,
}
"""Routes for a merchant's server: the order of the table is the order of matching."""
PAGES: Mapping[tuple[str, str], ByPage] = {
    ("POST", "/v1/checkout/public/open"): checkout.open_,
    ("POST", "/v1/checkout/public/complete"): checkout.complete,
}
"""Routes for checkout.js in a merchant's page."""


class Double:
    """ASGI layer: handles the double's paths, and passes all others to `app`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._sealed = SealedKeys()
        routes = [self._route(method, path, self._by_merchant(act)) for (method, path), act in MERCHANTS.items()]
        routes += [self._route(method, path, act) for (method, path), act in PAGES.items()]
        routes.append(Route("/v1/checkout.js", checkout.script, methods=["GET"]))
        routes.append(Route(links.CALLBACK, links.callback, methods=["GET"]))
        self._router = Router(routes, redirect_slashes=False, default=_unknown)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_doubled(scope):
            await self._app(scope, receive, send)
            return
        scope["path"] = f"/{scope['path'].strip('/')}"
        scope["route_name"] = "/v1/unknown"
        await self._router(scope, receive, send)

    @staticmethod
    def _route(method: str, path: str, act: Callable[[Request], Awaitable[Body]]) -> Route:
        async def respond(request: Request) -> Response:
            request.scope["route_name"] = path
            content = await act(request)
            headers = {**HEADERS, **header_of(request)}
            return Response(orjson.dumps(content), headers=headers, media_type=JSON)

        return Route(path, respond, methods=[method])

    def _by_merchant(self, act: ByMerchant) -> Callable[[Request], Awaitable[Body]]:
        async def checked(request: Request) -> Body:
            return await act(request, await caller_of(request, self._sealed))

        return checked


async def _unknown(scope: Scope, _receive: Receive, _send: Send) -> None:
    raise not_part(f"{scope['method']} {scope['path']}")


def is_doubled(scope: Scope) -> bool:
    """Whether the request is for the double: by its path, or by the original's host name."""
    path = scope["path"]
    if f"{path}/".startswith(PREFIXES) or (path.startswith("//") and f"/{path.strip('/')}/".startswith(PREFIXES)):
        return True
    return any(name == b"host" and value.partition(b":")[0].lower() == ORIGINAL for name, value in scope["headers"])


def error_response(request: Request, error: Exception) -> Response:
    """The response that an exception becomes, in the shape of the API whose path was called."""
    if is_doubled(request.scope):
        return response_of(request, error)
    return own_errors.response_of(request, error)
