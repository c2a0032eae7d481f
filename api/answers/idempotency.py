"""The Idempotency-Key header: read, checked, and made into the identity of a command."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from starlette.requests import Request

from api.http.errors import bad_request
from api.process.bus import Key
from api.process.services import services_of
from domain.idempotency import by_oldest, derived_command_id, fingerprint, is_key
from domain.ids import keyed_hour, keyed_id

ID_BYTES = 16
REPEATED_WITHIN_MS = 60_000
"""How long after a request without a response its repeat may arrive and find it still undecided."""
HEADER = "idempotency-key"


def key_of(request: Request, *, scope: str, route: str, fields: Mapping[str, object]) -> Key | None:
    """None without a key. `scope`: whose keys these are; `fields`: the request's content (without a CVV).

    Raises ApiError 400 for a key of another form, an empty one among them, and for two different ones.
    """
    keys = {value.strip() for value in request.headers.getlist(HEADER)}
    if not keys:
        return None
    if len(keys) > 1:
        raise bad_request("Idempotency-Key was sent twice with different values", "Idempotency-Key")
    (sent,) = keys
    if not is_key(sent):
        raise bad_request("Idempotency-Key must be 1 to 255 printable ASCII characters", "Idempotency-Key")
    return key_named(request, sent, scope=scope, route=route, fields=fields)


def key_named(request: Request, sent: str, *, scope: str, route: str, fields: Mapping[str, object]) -> Key:
    """The key of a header that was checked already. Fields that were not sent do not count."""
    given = {name: value for name, value in fields.items() if value is not None}
    return Key(
        command_id=derived_command_id(scope=scope, route=route, key=sent),
        fingerprint=fingerprint(given, secrets=services_of(request).fingerprint_secrets),
    )


def new_id_for(request: Request, prefix: str, key: Key | None) -> str:
    """Id of the resource that a request creates: with a key, the same for its repeats, so that no response to one of
    them can name a resource that never comes into being. Another request under the same key gets another id: its
    promise must not be read as the first one's result."""
    if key is None:
        return services_of(request).ids.make_id(prefix)
    secret, oldest = services_of(request).fingerprint_secrets[-1], Key(key.command_id, by_oldest(key.fingerprint))
    digest = hmac.digest(secret, f"{prefix}{key.command_id}{oldest.fingerprint_json}".encode(), "sha256")[:ID_BYTES]
    return keyed_id(prefix, now_ms=services_of(request).clock.epoch_ms(), digest=digest)


def is_same_for_repeats(now_ms: int) -> bool:
    """False just after the hour of keyed ids has changed: an earlier request with the same key, whose response was
    lost, may have used another id, so none may be promised."""
    return keyed_hour(now_ms) == keyed_hour(now_ms - REPEATED_WITHIN_MS)
