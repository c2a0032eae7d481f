"""Pages of the bank that this process serves for it: the simulated bank's. A real acquirer has its own; then these
routes return 404. Mounted at /bank, outside the API."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.http.bodies import read_body
from api.http.errors import ApiError
from api.process.services import services_of
from api.tokens import BankPages
from domain.rejection import ErrorCode

router = APIRouter(include_in_schema=False)


@router.get("/bank/{attempt_id}")
async def show(request: Request, attempt_id: str, signature: str = "") -> Response:
    return await _pages(request).show(attempt_id, signature)


@router.post("/bank/{attempt_id}")
async def press(request: Request, attempt_id: str, signature: str = "") -> Response:
    body = await read_body(request)
    return await _pages(request).press(attempt_id, signature, body, request_id=request.scope["request_id"])


def _pages(request: Request) -> BankPages:
    pages = services_of(request).bank_pages
    if pages is None:
        raise ApiError(ErrorCode.NOT_FOUND, "This bank has no pages on this server")
    return pages
