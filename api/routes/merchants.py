"""Merchants: sign-up, settings, and their API keys.

Every change of a key is published: each API process drops its cached copy at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import SecretStr
from redis.exceptions import RedisError

from api.access import passwords
from api.access.audit import BY_OPERATOR, witness, witness_of
from api.access.auth import Caller, authenticated, is_operator
from api.access.limits import limit_address
from api.access.scopes import Scope, missing_from
from api.http.bodies import read_json, read_optional_json
from api.http.errors import AUTHENTICATION, FORBIDDEN, ApiError, bad_request
from api.openapi.annotations import errors, json_body
from api.process.services import Services, services_of
from api.process.way_back import new_return_secret, sealed_return_secret
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
from api.schemas.users import own_user_shape
from domain.audited import Action
from domain.ids import MERCHANT, SEEDED_MERCHANT_ID
from domain.rejection import ErrorCode
from runtime.api_token import ALPHABET, KEY_CHARACTERS, SECRET_CHARACTERS, token
from runtime.clock import make_id
from runtime.keyring import tag_of
from runtime.logs import get_logger
from runtime.secrets import hash_api_secret
from runtime.settings import Settings
from store.accounts.api_keys import (
    KEYS_CHANGED,
    ApiKey,
    Limits,
    NewKey,
    TooManyKeysError,
    create_key,
    list_keys,
    revoke_key,
    rotate_key,
)
from store.accounts.merchants import BrowserOrders, Change, Deadline, EmailTakenError, Payee, change, create, find
from store.accounts.return_secrets import PreviousSignsError, rotate_return_secret
from store.accounts.users import list_users

log = get_logger("merchants")
router = APIRouter(prefix="/merchants", tags=["Merchants"])
ByMerchant = Annotated[Caller, Depends(authenticated)]

FIRST_KEY_NAME = "Default"
NO_LIMITS = Limits()


@router.post(
    "",
    summary="Create a merchant",
    status_code=201,
    responses=errors(400, 401, 413, 429, 503, by_key=False),
    openapi_extra=json_body(
        SignUpBody, {"name": "Tea House", "email": "owner@example.com", "password": "a long password"}
    ),
)
async def sign_up(request: Request, response: Response) -> SignedUpShape:
    """A new merchant with its first key pair. Open to anyone in test mode, otherwise to the operator only."""
    services = services_of(request)
    by_operator = is_operator(request)
    if not (by_operator or services.settings.test_mode):
        raise ApiError(
            AUTHENTICATION, "Only the operator can create merchants here", headers={"WWW-Authenticate": "Bearer"}
        )
    if not by_operator:
        await limit_address(request, "sign-ups", services.settings.rate_limit_public_per_minute)
    body = await read_json(request, SignUpBody)
    new, secret = _fresh_pair(services.settings, FIRST_KEY_NAME)
    merchant_id, by = make_id(MERCHANT), BY_OPERATOR if by_operator else "the merchant itself"
    try:
        merchant = await create(
            services.pool,
            merchant_id=merchant_id,
            name=body.name,
            email=body.email,
            password_hash=await passwords.hashed(body.password),
            key=new,
            witness=witness_of(request, merchant_id, by, Action.MERCHANT_CREATED),
        )
    except EmailTakenError:
        raise bad_request("A user with this e-mail address already exists", "email") from None
    (owner,) = await list_users(services.pool, merchant.id)
    session = None if by_operator else await start_session(request, response, owner)
    return SignedUpShape(
        **merchant_shape(merchant).model_dump(),
        api_key=new.key,
        api_secret=secret.get_secret_value(),
        user=own_user_shape(owner),
        csrf_token=session.csrf_token if session else None,
    )


def _fresh_pair(settings: Settings, name: str, limits: Limits = NO_LIMITS) -> tuple[NewKey, SecretStr]:
    kind = "test" if settings.test_mode else "live"
    secret = SecretStr(_token(f"secret_{kind}_", SECRET_CHARACTERS))
    key = _token(f"key_{kind}_", KEY_CHARACTERS)
    newest = settings.keys.newest
    stored = NewKey(make_id("apk_"), key, hash_api_secret(secret, newest), tag_of(newest), name, limits)
    return stored, secret


def _token(prefix: str, characters: int) -> str:
    return token(prefix, secrets.randbelow(len(ALPHABET) ** characters), characters=characters)


@router.get("/me", summary="Read the current merchant", responses=errors(401, 503))
async def me(request: Request, caller: ByMerchant) -> MerchantShape:
    merchant = await find(services_of(request).pool, caller.merchant_id)
    if merchant is None:
        raise _no_such_merchant()
    return merchant_shape(merchant)


@router.patch(
    "/me",
    summary="Update the current merchant",
    responses=errors(400, 401, 403, 413, 503),
    openapi_extra=json_body(
        ChangeBody,
        {"allowed_origins": ["https://shop.example"], "browser_orders": {"enabled": True, "maximum_minor": 500000}},
    ),
)
async def change_me(request: Request, caller: ByMerchant) -> MerchantShape:
    """Change the name, allowed origins, browser orders, capture settings or UPI payee. Omitted fields are unchanged.

    New orders use a changed setting within seconds.
    """
    body = await read_json(request, ChangeBody)
    merchant = await change(
        services_of(request).pool, caller.merchant_id, _change(body), witness(request, caller, Action.MERCHANT_CHANGED)
    )
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
        upi_payee=Payee(body.upi_payee) if "upi_payee" in body.model_fields_set else None,
    )


@router.post(
    "/me/return-secret",
    summary="Rotate the return secret",
    status_code=201,
    responses=errors(400, 401, 403, 413, 503),
    openapi_extra=json_body(ReturnSecretBody, {"expire_previous": False}, required=False),
)
async def new_secret_of_returns(request: Request, caller: ByMerchant) -> ReturnSecretShape:
    """The secret that signs the status a payer brings back to the shop. It is shown once.

    The previous secret keeps signing for 24 hours (`signature_previous`), unless `expire_previous` ends it now. Within
    these 24 hours another rotation needs `expire_previous`.
    """
    services = services_of(request)
    body = await read_optional_json(request, ReturnSecretBody)
    secret = new_return_secret()
    try:
        until = await rotate_return_secret(
            services.pool,
            caller.merchant_id,
            sealed_return_secret(services, caller.merchant_id, secret),
            expire_previous=body.expire_previous,
            at=services.clock.now(),
            witness=witness(request, caller, Action.RETURN_SECRET_ROTATED),
        )
    except PreviousSignsError:
        raise bad_request(
            "The previous secret still signs; wait until it expires, or set expire_previous", "expire_previous"
        ) from None
    return ReturnSecretShape(secret=secret, previous_expires_at=until)


def _no_such_merchant() -> ApiError:
    return ApiError(ErrorCode.NOT_FOUND, "Merchant not found")


@router.get("/me/keys", summary="List API keys, newest first", responses=errors(401, 503))
async def keys(request: Request, caller: ByMerchant) -> KeysShape:
    """All keys, including revoked ones, newest first. Only the key seeded in test mode comes with its secret."""
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
    """The pair that test mode publishes."""
    settings = services.settings
    return settings.test_mode and caller.merchant_id == SEEDED_MERCHANT_ID and key.key == settings.test_api_key


@router.post(
    "/me/keys",
    summary="Create an API key",
    status_code=201,
    responses=errors(400, 401, 403, 413, 503),
    openapi_extra=json_body(NewKeyBody, {"name": "Shop", "scopes": ["read", "payments"]}, required=False),
)
async def add_key(request: Request, caller: ByMerchant) -> KeyPairShape:
    """An additional key. Only this response contains its secret.

    A key with scopes can create keys with these scopes only, a key that expires only keys that expire no later. A key
    with an address list cannot create keys.
    """
    services = services_of(request)
    body = await read_optional_json(request, NewKeyBody)
    limits = _limits(services, caller, body)
    new, secret = _fresh_pair(services.settings, body.name, limits)
    try:
        added = await create_key(services.pool, caller.merchant_id, new, witness(request, caller, Action.KEY_CREATED))
    except TooManyKeysError as error:
        raise bad_request(f"A merchant has {error}") from None
    await _announce(services, new.key)
    return key_pair_shape(added, secret)


def _limits(services: Services, caller: Caller, body: NewKeyBody) -> Limits:
    """Raises ApiError 400 or 403."""
    _check_giving(caller, body.scopes, body.expires_at)
    if body.expires_at is not None and body.expires_at <= services.clock.now():
        raise bad_request("expires_at must be in the future", "expires_at")
    scopes = tuple(scope for scope in Scope if scope in body.scopes)
    return Limits(scopes, tuple(dict.fromkeys(body.addresses)), body.expires_at)


def _check_giving(caller: Caller, scopes: Sequence[str], expires_at: datetime | None) -> None:
    """A new key cannot have more rights than its creator, nor a longer life. Raises ApiError 403."""
    if caller.is_bounded:
        raise ApiError(FORBIDDEN, "An API key with an address list cannot create keys; sign in instead")
    missing = missing_from(caller.scopes, scopes)
    if missing:
        giver = "This API key" if caller.role is None else f"Your role '{caller.role}'"
        raise ApiError(FORBIDDEN, f"{giver} lacks the scope '{missing[0]}', so it cannot grant it")
    if caller.expires_at is not None and (expires_at is None or expires_at > caller.expires_at):
        raise ApiError(
            FORBIDDEN,
            f"This API key expires at {caller.expires_at.isoformat()}, so no key that it creates can live longer",
        )


@router.post(
    "/me/keys/{key_id}/rotate",
    summary="Replace an API key",
    status_code=201,
    responses=errors(400, 401, 403, 404, 413, 503),
    openapi_extra=json_body(RotateBody, {"overlap_hours": 24}, required=False),
)
async def rotate(request: Request, key_id: str, caller: ByMerchant) -> KeyPairShape:
    """A new pair with the same name, scopes and addresses, and the same expiry if that is after the overlap.

    The old key stays valid for `overlap_hours`.
    """
    services = services_of(request)
    body = await read_optional_json(request, RotateBody)
    listed = await list_keys(services.pool, caller.merchant_id)
    for old in (key for key in listed if key.id == key_id):
        _check_giving(caller, old.scopes, old.expires_at)
    new, secret = _fresh_pair(services.settings, FIRST_KEY_NAME, Limits(expires_at=caller.expires_at))
    try:
        rotated = await rotate_key(
            services.pool,
            caller.merchant_id,
            key_id,
            new=new,
            overlap_hours=body.overlap_hours,
            witness=witness(request, caller, Action.KEY_ROTATED),
        )
    except TooManyKeysError as error:
        raise bad_request(f"A merchant has {error}") from None
    if rotated is None:
        raise _no_such_key()
    old_key, added = rotated
    await _announce(services, old_key, new.key)
    return key_pair_shape(added, secret)


@router.delete("/me/keys/{key_id}", summary="Revoke an API key", status_code=204, responses=errors(401, 403, 404, 503))
async def revoke(request: Request, key_id: str, caller: ByMerchant) -> None:
    """Revoke a key immediately, in every API process."""
    services = services_of(request)
    key = await revoke_key(services.pool, caller.merchant_id, key_id, witness(request, caller, Action.KEY_REVOKED))
    if key is None:
        raise _no_such_key()
    await _announce(services, key)


def _no_such_key() -> ApiError:
    return ApiError(ErrorCode.NOT_FOUND, "API key not found")


async def _announce(services: Services, *changed: str) -> None:
    """The change is committed: without Redis the caches notice it when their entries expire."""
    try:
        for key in changed:
            await services.redis.publish(KEYS_CHANGED, key)
    except (RedisError, OSError) as error:
        log.warning("key_change_not_published", error=repr(error))
