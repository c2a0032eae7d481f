"""The documentation on the dashboard's port, as `make docs` built it into pages/dist.

/docs/                the guide: tutorial, how-to guides, reference, explanation, with a search of its own
/docs/PAYMENTS.html   one page
/docs/api             leads to the API's own reference, which makes calls (API_URL/docs)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from pages.endpoints import Endpoint, file
from pages.headers import EVERY_RESPONSE, NO_STORE, REVALIDATED, file_headers
from runtime.built_files import read_folder
from runtime.settings import Settings

BUILT = Path(__file__).resolve().parent / "dist"
PREFIX = "/docs"
NOT_BUILT = "The documentation is not built yet: `make docs` builds it."


def guide_routes(settings: Settings, document_headers: Mapping[str, str], *, built: Path = BUILT) -> list[Route]:
    """Everything below /docs. `document_headers`: of an HTML page, its policy among them."""
    files = read_folder(built)
    headers = {path: document_headers if path.endswith(".html") else file_headers(REVALIDATED) for path in files}
    pages = [Route(f"{PREFIX}{path}", file(found, headers[path])) for path, found in files.items()]
    start = files.get("/index.html")
    return [
        Route(PREFIX, _leads_to(f"{PREFIX}/")),
        Route(f"{PREFIX}/api", _leads_to(f"{settings.api_url.rstrip('/')}/docs")),
        *([Route(f"{PREFIX}/", file(start, document_headers))] if start else []),
        *pages,
        Route(f"{PREFIX}/{{path:path}}", _nothing if start else _not_built),
    ]


def _leads_to(url: str) -> Endpoint:
    async def respond(_: Request) -> Response:
        return RedirectResponse(url, 307, headers={**EVERY_RESPONSE, "Cache-Control": NO_STORE})

    return respond


async def _nothing(_: Request) -> Response:
    raise HTTPException(404)


async def _not_built(_: Request) -> Response:
    return PlainTextResponse(NOT_BUILT, 503, headers={**EVERY_RESPONSE, "Cache-Control": NO_STORE})
