"""GET /health: whether the services that a payment needs respond right now (api/process/condition.py)."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.process.services import services_of
from topics.envelope import encode_json

router = APIRouter(tags=["Operations"])


@router.get("/health", summary="Health check")
@router.get("/api/v1/health", include_in_schema=False)
async def health(request: Request) -> Response:
    """200 `healthy`, or 503 `unhealthy` with the service that does not respond; at most a second old."""
    report = await services_of(request).condition.report()
    status = 200 if report["status"] == "healthy" else 503
    return Response(encode_json(report), status, media_type="application/json", headers={"Cache-Control": "no-store"})
