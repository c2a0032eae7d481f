"""Signing what is sent to merchants: pure, no clock, vectors in tests/vectors/webhook_signatures.json.

    X-Signature, X-Webhook-Signature   lower-case hex HMAC-SHA256 of the body; key: the whole secret string
    webhook-signature                  Standard Webhooks: `v1,` + base64 HMAC-SHA256 of `id.timestamp.body`;
                                       key: the base64 after `whsec_`

During a rotation the old secret signs beside the new one: a second `v1,` in webhook-signature (the standard's own way),
and X-Webhook-Signature-Previous for those who verify the hex form.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass

SECRET_PREFIX = "whsec_"
SECRET_BYTES = 32
SECRET_BYTES_MIN = 24
"""Standard Webhooks: 24 to 64 bytes."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What an endpoint signs with: the current secret, and during a rotation the one before."""

    current: str
    previous: str | None = None


def new_secret(random: bytes) -> str:
    """`whsec_` and the base64 of SECRET_BYTES random bytes."""
    assert len(random) == SECRET_BYTES
    return SECRET_PREFIX + base64.b64encode(random).decode()


def is_secret(text: str) -> bool:
    """True for the prefix and the base64 of at least SECRET_BYTES_MIN bytes: an empty key signs, but proves nothing."""
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        return False
    return text.startswith(SECRET_PREFIX) and len(key) >= SECRET_BYTES_MIN


def hex_signature(secret: str, body: bytes) -> str:
    """Lower-case hexadecimal HMAC-SHA256 of the body under the secret string as it stands."""
    return hmac.digest(secret.encode(), body, "sha256").hex()


def standard_signature(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """One `v1,…` of Standard Webhooks (https://www.standardwebhooks.com). Raises ValueError for a malformed secret."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("the secret is not base64") from error
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def signature_headers(secrets: Secrets, *, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """All headers that prove where a webhook comes from."""
    current = hex_signature(secrets.current, body)
    known = [secrets.current] if secrets.previous is None else [secrets.current, secrets.previous]
    headers = {
        "X-Signature": current,
        "X-Webhook-Signature": current,
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            standard_signature(secret, message_id=message_id, timestamp=timestamp, body=body) for secret in known
        ),
    }
    if secrets.previous is not None:
        headers["X-Webhook-Signature-Previous"] = hex_signature(secrets.previous, body)
    return headers
