"""What the operator of the deployment reads. For everybody else these routes return 404.

operator's token            always
merchant, TEST_MODE=true    there operator and merchant are the same person
"""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException

from api.access.auth import authenticated, is_operator
from api.http.errors import ApiError
from api.openapi.annotations import errors
from api.process.services import services_of
from api.schemas.operations import AuditShape, audit_shape
from store.operations.audits import AuditStore


async def only_for_operators(request: Request) -> None:
    """Raises 404, with or without credentials: the response does not reveal that the route exists."""
    if is_operator(request):
        return
    if not services_of(request).settings.test_mode:
        raise HTTPException(404)
    try:
        await authenticated(request)
    except ApiError as error:
        if error.status in (401, 403):
            raise HTTPException(404) from None
        raise


router = APIRouter(prefix="/operations", tags=["Operations"], dependencies=[Depends(only_for_operators)])


@router.get("/audit", summary="Read the results of the last audits", responses=errors(404, 503))
async def read_audit(request: Request) -> AuditShape:
    """Differences by kind, each with its repair. Requires the operator token; in test mode any merchant may read it."""
    services = services_of(request)
    store = AuditStore(services.pool)
    return audit_shape(
        await store.latest(whole=True),
        await store.latest(whole=False),
        whole_every=timedelta(hours=services.settings.audit_whole_every_hours),
    )
