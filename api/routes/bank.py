"""Receives an acquirer's notifications. No API key: the bank's adapter checks the bank's own signature.

No rate limit either: all of a bank's notifications come from one address, and a forged one costs a hash of 64 KiB.
"""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.answers.resources import json_response
from api.http.bodies import read_body
from api.http.errors import refused, unavailable
from api.openapi.annotations import errors
from api.process.services import services_of
from topics.producer import LogUnavailableError

router = APIRouter(tags=["Bank"])


class Received(BaseModel):
    """The notification is stored on the log. Without this response the bank sends it again."""

    status: str = "received"


@router.post(
    "/bank/notifications",
    summary="Receive a bank's notification",
    description="Called by the acquirer only; its adapter defines the format and the signature. Repeated and late "
    "notifications are harmless.",
    response_model=Received,
    responses=errors(400, 401, 404, 413, 503, by_key=False),
)
async def receive(request: Request) -> Response:
    services = services_of(request)
    body = await read_body(request)
    try:
        rejected = await services.door.receive(request.headers, body, request_id=request.scope["request_id"])
    except LogUnavailableError:
        raise unavailable("The log is unavailable. The notification was not accepted; please retry") from None
    if rejected is not None:
        raise refused(rejected)
    return json_response({"status": "received"})
