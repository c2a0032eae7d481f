"""The site on the dashboard's port.

/docs/…    the documentation (pages/guide.py)
others     the dashboard: its built files, and its one document for every path that is no file (it routes by itself)
"""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pages.endpoints import configuration, file_routes, not_built, nothing_here
from pages.guide import guide_routes
from pages.headers import content_security_policy, page_headers
from runtime.built_files import read_folder
from runtime.settings import Settings

ROOT = Path(__file__).resolve().parent.parent


def create_dashboard(settings: Settings) -> Starlette:
    """The application of the dashboard's port. It must not be framed."""
    built = read_folder(ROOT / "dashboard/dist")
    document = built.get("/index.html")
    headers = {
        **page_headers(content_security_policy(api_url=settings.api_url, framed_by=())),
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
    }

    async def page(request: Request) -> Response:
        if request.url.path.startswith("/assets/"):
            raise HTTPException(404)
        return document.respond(request, headers) if document else not_built()

    routes = [
        Route("/config.json", configuration(settings)),
        *guide_routes(settings, headers),
        *file_routes(built),
        Route("/{path:path}", page),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: nothing_here})
