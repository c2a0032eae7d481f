"""How often a client may try to sign in, by three counters; each attempt is counted before its password is checked.

    e-mail and network     one client guesses one password
    network                one client guesses many passwords; wider, because an office signs in from one address
    e-mail                 many networks guess one password

The last could lock the owner out while a stranger keeps guessing. So it does not count attempts from a network that has
signed in to this account before, for 90 days: the owner can still sign in from there. An operator's link that sets a
new password ends every lock (`gateway users reset`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pydantic import SecretStr
from redis.exceptions import RedisError
from starlette.requests import Request

from api.access import passwords
from api.access.limits import client_network, limit
from api.http.errors import bad_request
from api.process.services import services_of
from runtime.logs import get_logger
from store.accounts.users import User, find_login
from store.redis.rate_limits import Bucket, Rate

log = get_logger("logins")

NETWORK_FACTOR = 10
"""One network may try this many times as often in all."""
ACCOUNT_FACTOR = 3
"""The limit of all networks together that are new to an account: at 10 a minute, 30."""
KNOWN_SECONDS = 90 * 86_400
TOO_MANY = "Too many attempts to sign in"


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to sign in."""

    email: str
    network: str

    def buckets(self, per_minute: int, *, known: bool) -> list[Bucket]:
        account, pair = self.email.lower(), f"{self.email.lower()}\0{self.network}"
        buckets = [
            Bucket("login", pair, Rate(per_minute, per_minute)),
            _times("login-network", self.network, per_minute, NETWORK_FACTOR),
        ]
        return buckets if known else [*buckets, _times("login-account", account, per_minute, ACCOUNT_FACTOR)]

    @property
    def known_key(self) -> str:
        return "login-known:" + hashlib.sha256(f"{self.email.lower()}\0{self.network}".encode()).hexdigest()[:32]


async def admit(request: Request, email: str) -> Attempt:
    """Count an attempt. Raises ApiError 429 with Retry-After; the database's errors never."""
    attempt, per_minute = (
        Attempt(email, client_network(request)),
        services_of(request).settings.rate_limit_login_per_minute,
    )
    if per_minute:
        known = await _is_known(request, attempt)
        await limit(request, *attempt.buckets(per_minute, known=known), description=TOO_MANY)
    return attempt


async def succeeded(request: Request, attempt: Attempt) -> None:
    """The password was right: this network's attempts are cleared, and the account remembers the network."""
    services = services_of(request)
    per_minute = services.settings.rate_limit_login_per_minute
    if per_minute == 0:
        return
    await services.limiter.refill(attempt.buckets(per_minute, known=True)[0])
    await services.redis.set(attempt.known_key, b"1", ex=KNOWN_SECONDS)


async def prove_password(request: Request, user: User, password: SecretStr) -> str:
    """The stored hash of the user's own password, which the request repeats; counts as an attempt to sign in.

    Raises ApiError 400, 429.
    """
    await admit(request, user.email)
    login = await find_login(services_of(request).pool, user.email)
    if login is None or not await passwords.matches(password, login[1]):
        raise bad_request("current_password is wrong", "current_password")
    return login[1]


async def forgive(request: Request, email: str) -> None:
    """End every lock on this account and remember this network: its user came with an operator's link."""
    services = services_of(request)
    attempt, per_minute = Attempt(email, client_network(request)), services.settings.rate_limit_login_per_minute
    if per_minute == 0:
        return
    try:
        for bucket in attempt.buckets(per_minute, known=False):
            await services.limiter.refill(bucket)
        await services.redis.set(attempt.known_key, b"1", ex=KNOWN_SECONDS)
    except (RedisError, OSError) as error:  # the password is set: the response must not report a failure
        log.warning("attempts_not_forgiven", error=repr(error))


async def _is_known(request: Request, attempt: Attempt) -> bool:
    try:
        return bool(await services_of(request).redis.exists(attempt.known_key))
    except (RedisError, OSError) as error:
        log.warning("known_network_not_read", error=repr(error))
        return False


def _times(name: str, subject: str, per_minute: int, factor: int) -> Bucket:
    return Bucket(name, subject, Rate(per_minute * factor, per_minute * factor))
