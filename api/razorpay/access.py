"""Authenticates the double's callers: HTTP Basic with an API key's id and secret, as everywhere else.

The secret is sealed when it is first presented, because the double signs with it (`razorpay_signature`). That is weaker
than a hash, so it happens only here: in test mode, and to keys that call the double.
"""

from __future__ import annotations

from pydantic import SecretStr
from starlette.requests import Request

from api.access.auth import by_key, presented_pair
from api.access.caller import Caller
from api.access.limits import limit_merchant
from api.process.services import Services, services_of
from api.razorpay.errors import not_part, unauthenticated, unknown_id
from domain.signature import hex_signature
from runtime.secrets import Sealed, SealError, hash_api_secret, seal, unseal
from store.razorpay.keys import KeptSecret, find_secret, keep_secret

LIVE_PREFIX = "rzp_live_"
ACCOUNT_HEADER = "X-Razorpay-Account"
SEALED_MAX = 10_000
"""Bound of the keys that this process remembers as sealed; beyond it, it starts over."""


class SealedKeys:
    """Keys whose presented secret is already sealed, so that a call costs no write."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    async def keep(self, services: Services, key_id: str, secret: str) -> None:
        presented = hash_api_secret(SecretStr(secret), services.settings.keys.newest)
        if self._known.get(key_id) == presented:
            return
        sealed = seal(secret, services.settings.keys, Sealed.API_SECRET, key_id)
        await keep_secret(services.pool, key_id, sealed)
        if len(self._known) >= SEALED_MAX:
            self._known.clear()
        self._known[key_id] = presented


async def caller_of(request: Request, sealed: SealedKeys) -> Caller:
    """Raises DoubleError or ApiError 401."""
    scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
    if scheme == "bearer":
        raise unauthenticated("OAuth is not part of this test double: use the API key's id and secret")
    pair = presented_pair(request)
    if scheme != "basic" or pair is None:
        raise unauthenticated("Please provide your api key for authentication purposes.")
    key, secret = pair
    if key.startswith(LIVE_PREFIX):
        raise unauthenticated("This is a test double: it takes no live keys")
    caller = await by_key(request, key, secret)
    await limit_merchant(request, caller.merchant_id)
    assert caller.key_id is not None
    await sealed.keep(services_of(request), caller.key_id, secret)
    if ACCOUNT_HEADER in request.headers:
        raise not_part(f"Acting for another account ({ACCOUNT_HEADER})")
    return caller


async def merchant_of(services: Services, key: str) -> str:
    """The merchant of a page that presents only its key. Raises DoubleError for one that never called the double."""
    return (await _owner(services, key)).merchant_id


async def payment_signature(services: Services, key: str, *, order_id: str, payment_id: str) -> str:
    """What proves to the merchant's server that this payment of this order succeeded."""
    try:
        owner = await _owner(services, key)
        secret = unseal(owner.secret_sealed, services.settings.keys, Sealed.API_SECRET, owner.key_id)
    except SealError:
        raise unknown_id() from None
    return hex_signature(secret, f"{order_id}|{payment_id}".encode())


async def _owner(services: Services, key: str) -> KeptSecret:
    found = await find_secret(services.pool, key)
    if found is None:
        raise unauthenticated("The key is not known. Call the API with it and its secret once, as an order does.")
    return found
