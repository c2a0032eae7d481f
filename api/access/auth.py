"""Identifies the caller: an API key pair, or a user signed in to the dashboard.

    X-Api-Key + X-Api-Secret     both given
    Authorization: Basic         base64(key:secret)
    cookie gateway_session       the dashboard (api/access/sessions.py); unsafe methods need X-CSRF-Token as well

One response for every invalid credential: 401 `Invalid API credentials`. Every request counts against its merchant's
quota. A caller with a valid secret gets the reason why the key may not be used: 403 names the missing scope, or the
address (scopes.py). A user gets the right that the role lacks, and which role has it (sessions.py).
"""

from __future__ import annotations

import base64
import binascii
import hmac

from pydantic import SecretStr
from starlette.requests import Request

from api.access import sessions
from api.access.caller import Caller
from api.access.client_address import address_of, is_within
from api.access.limits import limit_merchant
from api.access.scopes import allows, scope_of
from api.http.bodies import has_taken_long
from api.http.errors import FORBIDDEN, ApiError, unauthenticated
from api.process.services import services_of
from runtime.api_token import is_mistyped
from runtime.keyring import tag_of
from runtime.secrets import api_secret_matches, hash_api_secret
from store.accounts.api_keys import ApiKey, Rehashed

__all__ = [
    "Caller",
    "authenticated",
    "authenticated_or_payer",
    "by_key",
    "identified",
    "is_operator",
    "looking_up",
    "presented_pair",
]

KEY_HEADER, SECRET_HEADER = "x-api-key", "x-api-secret"
SECRET_LENGTH_MAX = 512


async def authenticated(request: Request) -> Caller:
    """The caller, within its quota; also a FastAPI dependency.

    Raises ApiError 401 (403 for a session without its CSRF token), 429 above the merchant's quota of requests.
    """
    caller = await identified(request)
    await limit_merchant(request, caller.merchant_id)
    return caller


async def authenticated_or_payer(request: Request) -> Caller | None:
    """As `authenticated`; None for a request without any credentials, which is a payer's."""
    if presented_pair(request) is None and sessions.token_of(request) is None:
        return None
    return await authenticated(request)


async def looking_up(request: Request) -> Caller:
    """`authenticated` for reads that search, count or add up: they have a smaller quota as well."""
    caller = await identified(request)
    await limit_merchant(request, caller.merchant_id, look_up=True)
    return caller


async def identified(request: Request) -> Caller:
    """The caller, not counted against any quota. Raises ApiError 401 or 403; 400 or 413 for a body that cannot be
    read."""
    caller = await _presented(request)
    return await _presented(request) if await has_taken_long(request) else caller


async def _presented(request: Request) -> Caller:
    pair = presented_pair(request)
    if pair is not None:
        return await by_key(request, *pair)
    caller = await sessions.session_caller(request)
    if caller is None:
        raise unauthenticated()
    return caller


def is_operator(request: Request) -> bool:
    """Whether the request carries OPERATOR_TOKEN as its bearer token. Always false if none is set."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    expected = services_of(request).settings.operator_token.get_secret_value()
    return scheme.lower() == "bearer" and expected != "" and hmac.compare_digest(token.encode(), expected.encode())


async def by_key(request: Request, key: str, secret: str) -> Caller:
    """The caller with this API key pair. Raises ApiError 401, or 403 if the key may not be used for this request."""
    services = services_of(request)
    if not secret or len(secret) > SECRET_LENGTH_MAX or is_mistyped(secret):
        raise unauthenticated()
    found = await services.keys.find(key)
    presented, ring = SecretStr(secret), services.settings.keys
    if found is None or not api_secret_matches(presented, found.secret_hash, ring):
        raise unauthenticated()
    tag = tag_of(ring.newest)
    rehashed = None if found.hashed_by == tag else Rehashed(hash_api_secret(presented, ring.newest), tag)
    services.keys.used(key, rehashed)
    _check_limits(request, found)
    return Caller(
        found.merchant_id,
        "key",
        found.id,
        found.scopes,
        is_bounded=bool(found.addresses),
        expires_at=found.expires_at,
    )


def _check_limits(request: Request, key: ApiKey) -> None:
    """Raises ApiError 403 if the key may not be used from this address, or not for this request."""
    address = address_of(request)
    if key.addresses and not is_within(address, key.addresses):
        raise ApiError(FORBIDDEN, f"This API key may not be used from {address}")
    needed = scope_of(request.method, request.scope["path"])
    if needed is None:
        raise ApiError(FORBIDDEN, "No API key may do this: an owner has to sign in to the dashboard")
    if not allows(key.scopes, needed):
        raise ApiError(FORBIDDEN, f"This API key lacks the scope '{needed}'")


def presented_pair(request: Request) -> tuple[str, str] | None:
    """(key, secret) as the request presents them; None if it presents neither."""
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
