"""Both sites in one application: the port of a request determines which one it is for."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from pages.checkout import create_checkout
from pages.dashboard import create_dashboard
from pages.settings import PagesSettings
from runtime.settings import Settings


def create_app(settings: Settings, own: PagesSettings, *, dashboard_port: int) -> ASGIApp:
    """The ASGI application of the `pages` role. Every port but the dashboard's is the checkout's."""
    return _ByPort(create_checkout(settings, own), create_dashboard(settings), dashboard_port)


class _ByPort:
    def __init__(self, checkout: Starlette, dashboard: Starlette, dashboard_port: int) -> None:
        self._checkout = checkout
        self._dashboard = dashboard
        self._dashboard_port = dashboard_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["server"][1] == self._dashboard_port:
            await self._dashboard(scope, receive, send)
        else:
            # The lifespan too: only the checkout has something to close.
            await self._checkout(scope, receive, send)
