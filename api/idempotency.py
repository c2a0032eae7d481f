"""The Idempotency-Key header: read, checked, and made into the identity of a command."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

from api.commands import Key
from api.errors import bad_request
from api.parts import parts_of
from domain.idempotency import derived_command_id, fingerprint, is_key

HEADER = "idempotency-key"


def key_of(request: Request, *, scope: str, route: str, fields: Mapping[str, object]) -> Key | None:
    """None without a key. `scope`: whose keys these are; `fields`: what the request says (no CVV among it).

    Raises ApiError 400 for a key of another form.
    """
    sent = request.headers.get(HEADER, "").strip()
    if not sent:
        return None
    if not is_key(sent):
        raise bad_request("Idempotency-Key must be 1 to 255 printable ASCII characters", "Idempotency-Key")
    given = {name: value for name, value in fields.items() if value is not None}
    return Key(
        command_id=derived_command_id(scope=scope, route=route, key=sent),
        fingerprint=fingerprint(given, secret=parts_of(request).fingerprint_secret),
    )
