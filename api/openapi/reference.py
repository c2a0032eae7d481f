"""GET /docs and /openapi.json: the API's reference, made from one document.

/openapi.json        the document itself
/docs                Swagger UI, built by npm from api-reference/; nothing is loaded from another host
/docs/assets/…       its script and style sheet, under hashed names
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.openapi.document import rendered
from runtime.built_files import File, read_folder

router = APIRouter(include_in_schema=False)

BUILT = Path(__file__).resolve().parents[2] / "api-reference" / "dist"
NOT_BUILT = "The reference is not built yet: `make up` builds it. The document is at /openapi.json."
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # the icons of Swagger UI's style sheet
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
IMMUTABLE = "public, max-age=31536000, immutable"


@router.get("/openapi.json")
async def document(request: Request) -> Response:
    return Response(_document(request.app), media_type="application/json")


@router.get("/docs")
async def page(request: Request) -> Response:
    built = _built(request.app).get("/index.html")
    if built is None:
        return PlainTextResponse(NOT_BUILT, 503, headers={"Retry-After": "5"})
    return built.respond(request, {"Content-Security-Policy": POLICY})


@router.get("/docs/assets/{name}")
async def asset(request: Request, name: str) -> Response:
    built = _built(request.app).get(f"/assets/{name}")
    if built is None:
        return PlainTextResponse("Not found", 404)
    return built.respond(request, {"Cache-Control": IMMUTABLE})


def _document(app: FastAPI) -> str:
    """Made at the first request and kept: it does not change while the process lives."""
    if not hasattr(app.state, "openapi_text"):
        app.state.openapi_text = rendered(app)
    text: str = app.state.openapi_text
    return text


def _built(app: FastAPI) -> dict[str, File]:
    """Read at the first request, and again until it is built."""
    if not getattr(app.state, "reference_files", None):
        app.state.reference_files = read_folder(BUILT)
    files: dict[str, File] = app.state.reference_files
    return files
