"""The application: routes, error responses, and the services of the process around them.

create_app(settings)         what `python -m api` serves and the OpenAPI document is made from
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.telemetry import TelemetryConfig
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware

from api.access.client_address import TrustedProxies, parse_networks
from api.access.own_pages import own_origins
from api.edge import Edge
from api.http.errors import BROKEN_SURROUNDINGS, ApiError, on_error, response_of
from api.http.ignored import check_query
from api.openapi import reference
from api.process import health
from api.process.services import Services
from api.razorpay import app as razorpay
from api.routes import HOT, ROUTERS, bank_page
from api.startup import open_services
from runtime.release import VERSION
from runtime.settings import Settings
from runtime.worker import Worker, this_worker

PREFIX = "/api/v1"
NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI's own. Spans are made from the log (docs/decisions/0010), and api/process/metrics.py measures; left on, it
reads the environment for providers at every request, a tenth of a hot route's time."""
RESPONSE_SECONDS_BEYOND_DECISION = 1.5
"""Together with the default decision timeout: 503 within five seconds, whatever hangs."""


class Application(FastAPI):
    """FastAPI with our layer in place of Starlette's outermost, which would return plain text for a defect."""

    services: Services
    """From start to stop."""

    def build_middleware_stack(self) -> Edge:
        hot = {(method, PREFIX + path): handler for (method, path), handler in HOT.items()}
        settings: Settings = self.state.settings
        inner = ExceptionMiddleware(AsyncExitStackMiddleware(self.router), handlers=self.exception_handlers)
        doubled = settings.test_mode
        return Edge(
            razorpay.Double(inner) if doubled else inner,
            hot,
            own_origins(settings),
            response_seconds=settings.decision_timeout_ms / 1000 + RESPONSE_SECONDS_BEYOND_DECISION,
            proxies=TrustedProxies(parse_networks(settings.trusted_proxies)),
            error_response=razorpay.error_response if doubled else response_of,
        )


def create_app(settings: Settings, worker: Worker | None = None) -> FastAPI:
    """The whole API. Nothing is opened before the application starts."""
    served_by = worker or this_worker("api", settings)

    @asynccontextmanager
    async def lifespan(app: Application) -> AsyncIterator[None]:
        async with open_services(settings, served_by) as services:
            app.services = app.state.services = services
            yield

    app = Application(
        title="Payment gateway",
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
        dependencies=[Depends(check_query)],
    )
    app.state.settings = settings
    app.include_router(health.router)
    app.include_router(reference.router)
    app.include_router(bank_page.router)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    for kind in (ApiError, RequestValidationError, ValidationError, HTTPException, *BROKEN_SURROUNDINGS):
        app.add_exception_handler(kind, on_error)
    return app
