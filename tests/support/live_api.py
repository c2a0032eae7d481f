"""The API with TEST_MODE off, within the test's own process and on a running stack's parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from pydantic import SecretStr

from api.app import create_app
from tests.support.stack import Stack


@asynccontextmanager
async def live_api(
    stack: Stack, operator_token: str = "the-operator", *, search_path: str = "public"
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it; the base URL ends in /api/v1. `search_path`: the schemas in which it looks for its tables."""
    settings = stack.settings
    database = f"{settings.database_url.get_secret_value()}?search_path={search_path}"
    live = {
        "database_url": SecretStr(database),
        "test_mode": False,
        # The stack's own key, under a name: outside test mode the default opens nothing, and what another key has
        # sealed in the shared database is damage to whoever verifies it later.
        "secret_keys": SecretStr(f"stack:{settings.secret_key.get_secret_value()}"),
        "operator_token": SecretStr(operator_token),
        "metrics_port": 0,
    }
    app = create_app(settings.model_copy(update=live))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api/api/v1") as client:
            yield client
