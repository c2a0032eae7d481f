"""Browsers: which pages may call us (CORS), and which pages may use a merchant's public routes.

    our own pages (checkout, dashboard)      every route, with credentials
    any other page                           public routes, without credentials; the route then checks the merchant's
                                             allowed origins and returns 403 if the page is not among them

A merchant that names no origin: any page in test mode, only ours otherwise.
"""

from __future__ import annotations

from starlette.requests import Request

from api.http.errors import FORBIDDEN, ApiError
from api.process.services import services_of
from store.accounts.merchants import find as find_merchant

METHODS = "GET, POST, PUT, PATCH, DELETE"
HEADERS = (
    "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, X-Api-Key, X-Api-Secret, X-CSRF-Token, "
    "X-Request-Id"
)
EXPOSED = (
    "Idempotent-Replayed, Location, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, "
    "Retry-After, X-Ignored, X-Request-Id"
)
PREFLIGHT_SECONDS = "600"

Header = tuple[bytes, bytes]


def cors_headers(origin: str, *, own: bool, preflight: bool) -> list[Header]:
    """Headers of a response to a page of this origin."""
    headers = [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", EXPOSED.encode()),
    ]
    if own:
        headers.append((b"access-control-allow-credentials", b"true"))
    if preflight:
        headers += [
            (b"access-control-allow-methods", METHODS.encode()),
            (b"access-control-allow-headers", HEADERS.encode()),
            (b"access-control-max-age", PREFLIGHT_SECONDS.encode()),
        ]
    return headers


async def check_origin(request: Request, merchant_id: str) -> None:
    """Raises ApiError 403 if the request comes from a page that this merchant does not allow."""
    origin = request.headers.get("origin")
    services = services_of(request)
    if origin is None or origin in services.own_origins:
        return
    merchant = await find_merchant(services.pool, merchant_id)
    allowed = merchant.allowed_origins if merchant is not None else ()
    if origin not in allowed and (allowed or not services.settings.test_mode):
        raise ApiError(FORBIDDEN, "This page's origin is not among the merchant's allowed origins")
