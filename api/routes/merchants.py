"""Merchants: signing up, what they show and allow, and their API keys.

Every change of a key is published: each API process forgets at once what it had cached about it.
"""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import SecretStr
from redis.exceptions import RedisError

from api.access import passwords
from api.access.auth import Caller, authenticated, is_operator
from api.access.limits import limit_address
from api.http.bodies import read_json, read_optional_json
from api.http.errors import AUTHENTICATION, ApiError, bad_request
from api.openapi.annotations import errors, json_body
from api.process.services import Services, services_of
from api.process.way_back import new_return_secret
from api.routes.auth import start_session
from api.schemas.merchants import (
    ChangeBody,
    KeyPairShape,
    KeysShape,
    MerchantShape,
    NewKeyBody,
    ReturnSecretBody,
    ReturnSecretShape,
    RotateBody,
    SignedUpShape,
    SignUpBody,
    key_pair_shape,
    key_shape,
    merchant_shape,
)
from domain.ids import MERCHANT, SEEDED_MERCHANT_ID
from domain.rejection import ErrorCode
from runtime.clock import make_id
from runtime.logs import get_logger
from runtime.secrets import hash_api_secret, seal
from runtime.settings import Settings
from store.api_keys import (
    KEYS_CHANGED,
    ApiKey,
    NewKey,
    TooManyKeysError,
    create_key,
    list_keys,
    revoke_key,
    rotate_key,
)
from store.merchants import BrowserOrders, Change, Deadline, EmailTakenError, change, create, find
from store.return_secrets import rotate_return_secret

log = get_logger("merchants")
router = APIRouter(prefix="/merchants", tags=["Merchants"])
ByMerchant = Annotated[Caller, Depends(authenticated)]

KEY_BYTES, SECRET_BYTES = 12, 24
"""Random bytes of the public half and of the secret."""
FIRST_KEY_NAME = "Default"


@router.post(
    "",
    summary="Create a merchant",
    status_code=201,
    responses=errors(400, 401, 413, 429, 503),
    openapi_extra=json_body(
        SignUpBody, {"name": "Tea House", "email": "owner@example.com", "password": "a long password"}
    ),
)
async def sign_up(request: Request, response: Response) -> SignedUpShape:
    """A new merchant with its first key pair. Open in test mode, elsewhere for the operator alone."""
    services = services_of(request)
    by_operator = is_operator(request)
    if not (by_operator or services.settings.test_mode):
        raise ApiError(
            AUTHENTICATION, "Only the operator creates merchants here", headers={"WWW-Authenticate": "Bearer"}
        )
    if not by_operator:
        await limit_address(request, "sign-ups", services.settings.rate_limit_public_per_minute)
    body = await read_json(request, SignUpBody)
    new, secret = _fresh_pair(services.settings, FIRST_KEY_NAME)
    try:
        merchant = await create(
            services.pool,
            merchant_id=make_id(MERCHANT),
            name=body.name,
            email=body.email,
            password_hash=await passwords.hashed(body.password),
            key=new,
        )
    except EmailTakenError:
        raise bad_request("A merchant with this e-mail exists already", "email") from None
    session = None if by_operator else await start_session(request, response, merchant)
    return SignedUpShape(
        **merchant_shape(merchant).model_dump(),
        api_key=new.key,
        api_secret=secret.get_secret_value(),
        csrf_token=session.csrf_token if session else None,
    )


def _fresh_pair(settings: Settings, name: str) -> tuple[NewKey, SecretStr]:
    kind = "test" if settings.test_mode else "live"
    secret = SecretStr(f"secret_{kind}_{secrets.token_hex(SECRET_BYTES)}")
    key = f"key_{kind}_{secrets.token_hex(KEY_BYTES)}"
    stored = NewKey(make_id("apk_"), key, hash_api_secret(secret, settings.secret_key), name)
    return stored, secret


@router.get("/me", summary="The merchant that asks", responses=errors(401, 503))
async def me(request: Request, caller: ByMerchant) -> MerchantShape:
    merchant = await find(services_of(request).pool, caller.merchant_id)
    if merchant is None:
        raise _no_such_merchant()
    return merchant_shape(merchant)


@router.patch(
    "/me",
    summary="Change the merchant",
    responses=errors(400, 401, 403, 413, 503),
    openapi_extra=json_body(
        ChangeBody,
        {"allowed_origins": ["https://shop.example"], "browser_orders": {"enabled": True, "maximum_minor": 500000}},
    ),
)
async def change_me(request: Request, caller: ByMerchant) -> MerchantShape:
    """Change the name, the allowed origins, the browser orders or how payments are captured; what is left out stays.

    Orders follow a new setting within seconds.
    """
    body = await read_json(request, ChangeBody)
    merchant = await change(services_of(request).pool, caller.merchant_id, _change(body))
    if merchant is None:
        raise _no_such_merchant()
    return merchant_shape(merchant)


def _change(body: ChangeBody) -> Change:
    origins, orders = body.allowed_origins, body.browser_orders
    return Change(
        name=body.name,
        allowed_origins=None if origins is None else tuple(dict.fromkeys(origins)),
        browser_orders=BrowserOrders(orders.enabled, orders.maximum_minor) if orders else None,
        capture=body.capture,
        capture_within=Deadline(body.capture_within_minutes)
        if "capture_within_minutes" in body.model_fields_set
        else None,
    )


@router.post(
    "/me/return-secret",
    summary="Make a new return secret",
    status_code=201,
    responses=errors(400, 401, 403, 413, 503),
    openapi_extra=json_body(ReturnSecretBody, {"expire_previous": False}, required=False),
)
async def new_secret_of_returns(request: Request, caller: ByMerchant) -> ReturnSecretShape:
    """What proves that a payer who comes back to the shop brings the gateway's word. Shown once.

    For 24 hours the secret of before proves it too (`signature_previous`), unless `expire_previous` ends it now.
    """
    services = services_of(request)
    body = await read_optional_json(request, ReturnSecretBody)
    secret = new_return_secret()
    until = await rotate_return_secret(
        services.pool,
        caller.merchant_id,
        seal(secret, services.settings.secret_key),
        expire_previous=body.expire_previous,
        at=services.clock.now(),
    )
    return ReturnSecretShape(secret=secret, previous_expires_at=until)


def _no_such_merchant() -> ApiError:
    return ApiError(ErrorCode.NOT_FOUND, "Merchant not found")


@router.get("/me/keys", summary="List API keys, newest first", responses=errors(401, 503))
async def keys(request: Request, caller: ByMerchant) -> KeysShape:
    """All keys, the revoked ones too, newest first. Secrets are not known any more, but for test mode's seeded one."""
    services = services_of(request)
    listed = await list_keys(services.pool, caller.merchant_id)
    return KeysShape(
        data=[
            key_pair_shape(key, services.settings.test_api_secret)
            if _is_seeded(services, caller, key)
            else key_shape(key)
            for key in listed
        ]
    )


def _is_seeded(services: Services, caller: Caller, key: ApiKey) -> bool:
    """The pair that test mode publishes anyway."""
    settings = services.settings
    return settings.test_mode and caller.merchant_id == SEEDED_MERCHANT_ID and key.key == settings.test_api_key


@router.post(
    "/me/keys",
    summary="Create a further API key",
    status_code=201,
    responses=errors(400, 401, 403, 413, 503),
    openapi_extra=json_body(NewKeyBody, {"name": "Shop"}, required=False),
)
async def add_key(request: Request, caller: ByMerchant) -> KeyPairShape:
    """A further key. Its secret is in this answer and nowhere else."""
    services = services_of(request)
    body = await read_optional_json(request, NewKeyBody)
    new, secret = _fresh_pair(services.settings, body.name)
    try:
        added = await create_key(services.pool, caller.merchant_id, new)
    except TooManyKeysError as error:
        raise bad_request(f"A merchant has {error}") from None
    await _told(services, new.key)
    return key_pair_shape(added, secret)


@router.post(
    "/me/keys/{key_id}/rotate",
    summary="Replace an API key",
    status_code=201,
    responses=errors(400, 401, 403, 404, 413, 503),
    openapi_extra=json_body(RotateBody, {"overlap_hours": 24}, required=False),
)
async def rotate(request: Request, key_id: str, caller: ByMerchant) -> KeyPairShape:
    """A new pair under the same name; the old key works on for `overlap_hours`."""
    services = services_of(request)
    body = await read_optional_json(request, RotateBody)
    new, secret = _fresh_pair(services.settings, FIRST_KEY_NAME)
    try:
        rotated = await rotate_key(services.pool, caller.merchant_id, key_id, new=new, overlap_hours=body.overlap_hours)
    except TooManyKeysError as error:
        raise bad_request(f"A merchant has {error}") from None
    if rotated is None:
        raise _no_such_key()
    old_key, added = rotated
    await _told(services, old_key, new.key)
    return key_pair_shape(added, secret)


@router.delete("/me/keys/{key_id}", summary="Revoke an API key", status_code=204, responses=errors(401, 403, 404, 503))
async def revoke(request: Request, key_id: str, caller: ByMerchant) -> None:
    """End a key at once, in every API process."""
    services = services_of(request)
    key = await revoke_key(services.pool, caller.merchant_id, key_id)
    if key is None:
        raise _no_such_key()
    await _told(services, key)


def _no_such_key() -> ApiError:
    return ApiError(ErrorCode.NOT_FOUND, "API key not found")


async def _told(services: Services, *changed: str) -> None:
    """The change stands already: without Redis the caches notice it when their entries run out."""
    try:
        for key in changed:
            await services.redis.publish(KEYS_CHANGED, key)
    except (RedisError, OSError) as error:
        log.warning("key_change_not_told", error=repr(error))
