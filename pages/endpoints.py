"""Endpoints that both sites have: built files, the public configuration, and a short response for unknown paths."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from pages.headers import EVERY_RESPONSE, IMMUTABLE, NO_STORE, file_headers
from runtime.built_files import File
from runtime.settings import Settings

Endpoint = Callable[[Request], Awaitable[Response]]

NOT_BUILT = "The pages are not built yet: `make up` builds them."


def configuration(settings: Settings) -> Endpoint:
    """What a page needs about this installation. Public, so that the SDK can read it from a merchant's page."""
    shown = {
        "api_url": settings.api_url.rstrip("/"),
        "checkout_url": settings.checkout_url.rstrip("/"),
        "dashboard_url": settings.dashboard_url.rstrip("/"),
        "test_mode": settings.test_mode,
        "test_key": settings.test_api_key if settings.test_mode else None,
    }

    async def respond(_: Request) -> Response:
        return JSONResponse(shown, headers=file_headers(NO_STORE, public=True))

    return respond


def file(found: File, headers: Mapping[str, str]) -> Endpoint:
    """Always this file."""

    async def endpoint(request: Request) -> Response:
        return found.respond(request, headers)

    return endpoint


def file_routes(files: Mapping[str, File]) -> list[Route]:
    """A route for each built file that is not a document. Hashed names are cached permanently."""
    return [
        Route(path, file(found, file_headers(IMMUTABLE if path.startswith("/assets/") else NO_STORE)))
        for path, found in files.items()
        if not path.endswith(".html")
    ]


def not_built() -> Response:
    return PlainTextResponse(NOT_BUILT, 503, headers={**EVERY_RESPONSE, "Cache-Control": NO_STORE, "Retry-After": "5"})


async def nothing_here(_: Request, error: Exception) -> Response:
    """404 and 405 in plain text."""
    status = getattr(error, "status_code", 404)
    text = "Not found" if status == 404 else "Method not allowed"
    return PlainTextResponse(text, status, headers={**EVERY_RESPONSE, "Cache-Control": NO_STORE})
