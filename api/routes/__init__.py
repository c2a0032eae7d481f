"""One module a resource; ROUTERS names them all, in the order of the documentation. Each is mounted under /api/v1.

HOT: (method, path below /api/v1) -> handler that is called without the router and FastAPI's dependencies, which would
cost more than the rest of the request. The same function is in its router too, for the documentation.
"""

from __future__ import annotations

from fastapi import APIRouter

from api.edge import Handler
from api.routes import (
    analytics,
    audit_log,
    auth,
    bank,
    events,
    export,
    links,
    merchants,
    operations,
    orders,
    passwords,
    payment_stream,
    payments,
    public,
    refunds,
    second_factor,
    stream,
    test_mode,
    users,
    webhook_endpoints,
    webhooks,
)

ROUTERS: tuple[APIRouter, ...] = (
    public.router,
    export.router,
    orders.router,
    links.router,
    payments.router,
    refunds.router,
    payment_stream.router,
    events.router,
    test_mode.router,
    auth.router,
    passwords.router,
    second_factor.router,
    merchants.router,
    users.router,
    audit_log.router,
    stream.router,
    analytics.router,
    webhook_endpoints.router,
    webhooks.router,
    operations.router,
    bank.router,
)
HOT: dict[tuple[str, str], Handler] = {
    ("POST", "/orders"): orders.create_order,
    ("POST", "/payments"): payments.create_payment,
    ("POST", "/refunds"): refunds.create_refund,
    ("POST", "/payments/public"): public.create_payment,
}
