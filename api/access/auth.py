"""Who is asking: an API key pair, or somebody signed in to the dashboard.

    X-Api-Key + X-Api-Secret     both given
    Authorization: Basic         base64(key:secret)
    cookie gateway_session       the dashboard (api/access/sessions.py); unsafe methods need X-CSRF-Token as well

One answer for every way to be wrong: 401 `Invalid API credentials`. Every request counts against its merchant's quota.
"""

from __future__ import annotations

import base64
import binascii
import hmac

from pydantic import SecretStr
from starlette.requests import Request

from api.access import sessions
from api.access.caller import Caller
from api.access.limits import limit_merchant
from api.http.errors import unauthenticated
from api.process.services import services_of
from runtime.secrets import api_secret_matches

__all__ = ["Caller", "authenticated", "by_key", "identified", "is_operator", "looking_up", "presented_pair"]

KEY_HEADER, SECRET_HEADER = "x-api-key", "x-api-secret"
SECRET_LENGTH_MAX = 512


async def authenticated(request: Request) -> Caller:
    """The caller, within its quota; also a FastAPI dependency.

    Raises ApiError 401 (403 for a session without its CSRF token), 429 above the merchant's quota of requests.
    """
    caller = await identified(request)
    await limit_merchant(request, caller.merchant_id)
    return caller


async def looking_up(request: Request) -> Caller:
    """`authenticated` for reads that search, count or add up: they have a smaller quota as well."""
    caller = await identified(request)
    await limit_merchant(request, caller.merchant_id, look_up=True)
    return caller


async def identified(request: Request) -> Caller:
    """The caller, counted nowhere. Raises ApiError 401 or 403."""
    pair = presented_pair(request)
    if pair is not None:
        return await by_key(request, *pair)
    caller = await sessions.session_caller(request)
    if caller is None:
        raise unauthenticated()
    return caller


def is_operator(request: Request) -> bool:
    """Whether the request carries OPERATOR_TOKEN as its bearer token. Always false where none is set."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    wanted = services_of(request).settings.operator_token.get_secret_value()
    return scheme.lower() == "bearer" and wanted != "" and hmac.compare_digest(token.encode(), wanted.encode())


async def by_key(request: Request, key: str, secret: str) -> Caller:
    """The caller with this API key pair. Raises ApiError 401."""
    services = services_of(request)
    if not secret or len(secret) > SECRET_LENGTH_MAX:
        raise unauthenticated()
    found = await services.keys.find(key)
    if found is None or not api_secret_matches(SecretStr(secret), found.secret_hash, services.settings.secret_key):
        raise unauthenticated()
    await services.keys.used(key)
    return Caller(found.merchant_id, "key", found.id)


def presented_pair(request: Request) -> tuple[str, str] | None:
    """(key, secret) as the request presents them; None where it presents neither."""
    key, secret = request.headers.get(KEY_HEADER), request.headers.get(SECRET_HEADER)
    if key is not None or secret is not None:
        return key or "", secret or ""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if not scheme:
        return None
    if scheme.lower() != "basic":
        raise unauthenticated()
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise unauthenticated() from None
    key, _, secret = decoded.partition(":")
    return key, secret
