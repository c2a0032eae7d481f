"""Signatures: equal to vectors made elsewhere, and accepted by the Standard Webhooks library."""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from domain.signature import (
    SECRET_BYTES,
    Secrets,
    hex_signature,
    is_secret,
    new_secret,
    signature_headers,
    standard_signature,
)

VECTORS = Path(__file__).parents[1] / "vectors" / "webhook_signatures.json"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]
BODY = '{"event":"payment.success","data":{"payment":{"note":"₹"}}}'.encode()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_signatures_equal_the_vectors(case: dict[str, Any]) -> None:
    body = case["body"].encode()
    standard = standard_signature(case["secret"], message_id=case["id"], timestamp=case["timestamp"], body=body)
    assert hex_signature(case["secret"], body) == case["hex"]
    assert standard == case["standard"]


def test_the_standard_library_accepts_what_we_send() -> None:
    secret = new_secret(os.urandom(SECRET_BYTES))
    headers = _headers(Secrets(secret))
    assert Webhook(secret).verify(BODY, headers)["event"] == "payment.success"


def test_during_a_rotation_both_secrets_verify() -> None:
    old, new = new_secret(os.urandom(SECRET_BYTES)), new_secret(os.urandom(SECRET_BYTES))
    headers = _headers(Secrets(new, previous=(old,)))
    for secret in (old, new):
        Webhook(secret).verify(BODY, headers)
    assert headers["X-Signature"] == headers["X-Webhook-Signature"] == hex_signature(new, BODY)
    assert headers["X-Webhook-Signature-Previous"] == hex_signature(old, BODY)


def test_each_of_several_earlier_secrets_verifies() -> None:
    secrets = [new_secret(os.urandom(SECRET_BYTES)) for _ in range(3)]
    headers = _headers(Secrets(secrets[0], previous=tuple(secrets[1:])))
    for secret in secrets:
        Webhook(secret).verify(BODY, headers)
    assert headers["X-Webhook-Signature-Previous"].split(", ") == [hex_signature(old, BODY) for old in secrets[1:]]


@pytest.mark.parametrize("size", [24, 32, 64])
def test_a_merchant_may_bring_a_secret_of_24_to_64_bytes(size: int) -> None:
    assert is_secret("whsec_" + base64.b64encode(bytes(size)).decode())


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "hunter2", "whsec_hunter2!", "whsec_é", base64.b64encode(bytes(32)).decode()]
    + ["whsec_" + base64.b64encode(bytes(size)).decode() for size in (23, 65)],
)
def test_any_other_secret_of_a_merchant_is_refused(secret: str) -> None:
    assert not is_secret(secret)


def test_one_changed_byte_is_refused() -> None:
    secret = new_secret(os.urandom(SECRET_BYTES))
    headers = _headers(Secrets(secret))
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", headers)
    assert hex_signature(secret, BODY + b" ") != headers["X-Signature"]


def test_a_secret_that_is_not_base64_is_an_error_not_a_signature() -> None:
    with pytest.raises(ValueError, match="base64"):
        standard_signature("whsec_not base64!", message_id="evt_1", timestamp=1, body=b"")


def _headers(secrets: Secrets) -> dict[str, str]:
    timestamp = int(datetime.now(UTC).timestamp())
    return signature_headers(secrets, message_id="evt_0Ab3xZQwErTyUiOp_4", timestamp=timestamp, body=BODY)
