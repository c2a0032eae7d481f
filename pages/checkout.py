"""The site on the checkout's port: hosted checkout, SDK, demo shop.

/checkout?order_id=…   /?order_id=…      the page; its policy names who may frame this order
/l/0Xk3bQ9sLmT2vRcY                      a payment link: leads to the page of its order
/gateway.js /checkout.js /v1/gateway.js  the SDK, evergreen; /gateway.mjs as a module, /gateway.d.mts its types
/v1/checkout.js                          for pages written for Razorpay (docs/RAZORPAY.md)
/v1/0.2.0/gateway.js                     the same bytes permanently; integrity values in /sri.json
/demo                                    a shop of one page (test mode only)
"""

from __future__ import annotations

import contextlib
import functools
import html
import re
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from domain.ids import ORDER, is_id
from pages.endpoints import Endpoint, configuration, file, file_routes, not_built, nothing_here
from pages.frame_policy import Framing
from pages.headers import (
    EVERGREEN,
    EVERY_RESPONSE,
    IMMUTABLE,
    NO_STORE,
    content_security_policy,
    file_headers,
    page_headers,
)
from pages.settings import PagesSettings
from runtime.built_files import File, read_folder
from runtime.settings import Settings

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SDK_NAMES = {
    "/gateway.js": "/gateway.js",
    "/checkout.js": "/gateway.js",
    "/v1/gateway.js": "/gateway.js",
    "/gateway.mjs": "/gateway.mjs",
    "/v1/gateway.mjs": "/gateway.mjs",
    "/v1/checkout.js": "/razorpay.js",
    "/gateway.d.mts": "/gateway.d.mts",
    "/sri.json": "/sri.json",
}
"""Path -> file of the SDK's build."""
LANGUAGES = ("en", "hi", "ta")
THEMES = ("light", "dark")
BANNER = re.compile(r"\s*<header class=\"banner\">.*?</header>", re.DOTALL)
"""Routes of test mode only."""


def create_checkout(settings: Settings, own: PagesSettings) -> Starlette:
    """The application of the checkout's port."""
    framing = Framing(own.api_internal_url or settings.api_url, test_mode=settings.test_mode)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await framing.close()

    built = read_folder(ROOT / "checkout-page/dist")
    page = _page(settings, framing, built)
    routes = [
        Route("/checkout", page),
        Route("/", page),
        Route("/l/{order}", _link),
        Route("/config.json", configuration(settings)),
        *_sdk_routes(read_folder(ROOT / "sdk/dist")),
        *(_demo_routes(settings) if settings.test_mode else []),
        *file_routes(built),
    ]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: nothing_here})


async def _link(request: Request) -> Response:
    """The link's own id is the order's: nothing is looked up. The page shows whether it is paid or has ended."""
    order_id = ORDER + request.path_params["order"]
    if not is_id(ORDER, order_id):
        raise HTTPException(404)
    headers = {**EVERY_RESPONSE, "Cache-Control": NO_STORE}
    return RedirectResponse(f"/checkout?order_id={order_id}", 302, headers=headers)


def _page(settings: Settings, framing: Framing, built: Mapping[str, File]) -> Endpoint:
    """The checkout itself: one document, whose headers depend on the order."""
    document_of = _documents(settings, built)

    async def endpoint(request: Request) -> Response:
        query = request.query_params
        embedded = query.get("embedded") == "true"
        document = document_of(_language(request), query.get("theme", ""), embedded)
        if document is None:
            return not_built()
        framers = await framing.framers(query.get("order_id", ""))
        policy = content_security_policy(api_url=settings.api_url, framed_by=framers)
        return document.respond(request, page_headers(policy, embedded=embedded))

    return endpoint


def _documents(settings: Settings, built: Mapping[str, File]) -> Callable[[str, str, bool], File | None]:
    """(language, theme, embedded) -> the document whose first paint matches what the script will draw."""
    api_url = html.escape(settings.api_url.rstrip("/"))

    @functools.lru_cache(maxsize=len(LANGUAGES) * 3 * 2)
    def document_of(language: str, theme: str, embedded: bool) -> File | None:
        document = built.get(f"/index.{language}.html") or built.get("/index.html")
        replaced = {"__API_URL__": api_url, "__TEST_MODE__": str(settings.test_mode).lower()}
        if theme in THEMES:
            replaced["<html "] = f'<html data-theme="{theme}" '
        if embedded:
            replaced['<div class="page">'] = '<div class="page embedded">'
        return document and document.with_text(replaced, without=None if settings.test_mode else BANNER)

    return lambda language, theme, embedded: document_of(language, theme if theme in THEMES else "", embedded)


def _language(request: Request) -> str:
    """As the script determines it: the address's language, else the browser's first."""
    query = request.query_params.get("locale") or request.headers.get("accept-language", "")
    return query[:2] if query[:2] in LANGUAGES else "en"


def _sdk_routes(built: Mapping[str, File]) -> list[Route]:
    evergreen, immutable = file_headers(EVERGREEN, public=True), file_headers(IMMUTABLE, public=True)
    names = [Route(path, file(built[name], evergreen)) for path, name in SDK_NAMES.items() if name in built]
    versions = [Route(path, file(found, immutable)) for path, found in built.items() if path.startswith("/v1/")]
    return [*names, *versions]


def _demo_routes(settings: Settings) -> list[Route]:
    files = read_folder(HERE / "demo")
    policy = content_security_policy(api_url=settings.api_url, framed_by=(), frames="'self'")
    document = Route("/demo", file(files["/index.html"], page_headers(policy)))
    parts = [
        Route(f"/demo{path}", file(found, file_headers(NO_STORE)))
        for path, found in files.items()
        if path != "/index.html"
    ]
    return [document, *parts]
