"""Signs what is sent to merchants: pure, no clock, vectors in tests/vectors/webhook_signatures.json.

    X-Signature, X-Webhook-Signature   lower-case hex HMAC-SHA256 of the body; key: the whole secret string
    webhook-signature                  Standard Webhooks: `v1,` + base64 HMAC-SHA256 of `id.timestamp.body`;
                                       key: the base64 after `whsec_`

During a rotation each earlier secret signs beside the new one until it expires: another `v1,` in webhook-signature
(the standard's own way), and X-Webhook-Signature-Previous for receivers that verify the hex form (newest first, joined
by ", ").
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass

SECRET_PREFIX = "whsec_"
SECRET_BYTES = 32
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64
"""Standard Webhooks' range."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets that an endpoint signs with: the current secret, and during rotations the earlier ones, newest
    first."""

    current: str
    previous: tuple[str, ...] = ()


def new_secret(random: bytes) -> str:
    """`whsec_` and the base64 of SECRET_BYTES random bytes."""
    assert len(random) == SECRET_BYTES
    return SECRET_PREFIX + base64.b64encode(random).decode()


def is_secret(text: str) -> bool:
    """True for the prefix and the base64 of 24 to 64 bytes: an empty key signs, but proves nothing."""
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        return False
    return text.startswith(SECRET_PREFIX) and SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX


def hex_signature(secret: str, body: bytes) -> str:
    """Lower-case hexadecimal HMAC-SHA256 of the body under the secret string, byte for byte."""
    return hmac.digest(secret.encode(), body, "sha256").hex()


def standard_signature(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """One `v1,…` of Standard Webhooks (https://www.standardwebhooks.com). Raises ValueError for a malformed secret."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("the secret is not base64") from error
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def razorpay_headers(secrets: Secrets, *, message_id: str, body: bytes) -> dict[str, str]:
    """How the Razorpay double signs: the hex form under its own name; none if the merchant set no secret."""
    named = {"X-Razorpay-Event-Id": message_id}
    return named | {"X-Razorpay-Signature": hex_signature(secrets.current, body)} if secrets.current else named


def signature_headers(secrets: Secrets, *, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """All headers that prove the origin of a webhook."""
    current = hex_signature(secrets.current, body)
    known = (secrets.current, *secrets.previous)
    headers = {
        "X-Signature": current,
        "X-Webhook-Signature": current,
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            standard_signature(secret, message_id=message_id, timestamp=timestamp, body=body) for secret in known
        ),
    }
    if secrets.previous:
        headers["X-Webhook-Signature-Previous"] = ", ".join(hex_signature(old, body) for old in secrets.previous)
    return headers
