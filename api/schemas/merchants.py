"""Bodies of the merchant and API key routes."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr, StringConstraints

from api.schemas.body import Body
from api.schemas.instant import Instant
from domain.order import CAPTURE_WITHIN_MINUTES_MAX, CaptureMode
from store.api_keys import ApiKey
from store.merchants import Merchant

EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]+\.[^@\s.\x00-\x1f\x7f]+\Z")
EMAIL_LENGTH_MAX = 254
ORIGINS_MAX = 20
ORIGIN_LENGTH_MAX = 255
HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]", re.ASCII)
PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX = 8, 128
DEFAULT_OVERLAP_HOURS, OVERLAP_HOURS_MAX = 24, 168


def _email(value: str) -> str:
    if not EMAIL.match(value):
        raise ValueError("email must be an e-mail address")
    return value


def _origin(value: str) -> str:
    """scheme://host[:port] in lower case and nothing behind it: what a browser sends as Origin."""
    sentence = "allowed_origins must be origins such as https://shop.example or http://localhost:8080"
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError(sentence) from None
    bare = f"{parts.scheme}://{parts.hostname and _bracketed(parts.hostname)}" + (
        f":{port}" if port is not None else ""
    )
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host or bare != value or not HOST.fullmatch(_bracketed(host)):
        raise ValueError(sentence)
    default = {"http": 80, "https": 443}[parts.scheme]
    return value.removesuffix(f":{default}") if port == default else value


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
KeyName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Email = Annotated[str, StringConstraints(strip_whitespace=True, max_length=EMAIL_LENGTH_MAX), AfterValidator(_email)]
Origin = Annotated[
    str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=ORIGIN_LENGTH_MAX), AfterValidator(_origin)
]


class SignUpBody(Body):
    name: Name
    email: Email
    password: Annotated[SecretStr, Field(min_length=PASSWORD_LENGTH_MIN, max_length=PASSWORD_LENGTH_MAX)]


class BrowserOrdersBody(Body):
    """Whether pages of the merchant's origins may create orders without a secret, and up to which amount."""

    enabled: bool
    maximum_minor: Annotated[int, Field(ge=100, le=2**53 - 1)] | None = None


class ChangeBody(Body):
    """What is not given stays as it is."""

    name: Name | None = None
    allowed_origins: Annotated[list[Origin], Field(max_length=ORIGINS_MAX)] | None = None
    browser_orders: BrowserOrdersBody | None = None
    capture: CaptureMode | None = Field(None, description="How payments of orders that do not say it are captured")
    capture_within_minutes: int | None = Field(
        None,
        gt=0,
        le=CAPTURE_WITHIN_MINUTES_MAX,
        description="How long they wait for their capture before their money goes back; null: for ever",
    )


class NewKeyBody(Body):
    name: KeyName = "Default"


class RotateBody(Body):
    overlap_hours: Annotated[int, Field(ge=0, le=OVERLAP_HOURS_MAX)] = DEFAULT_OVERLAP_HOURS
    """How long the old key goes on working beside the new one."""


class ReturnSecretBody(Body):
    expire_previous: bool = Field(False, description="End the secret of before now, instead of in 24 hours")


class ReturnSecretShape(BaseModel):
    """The secret is in this answer and nowhere else."""

    secret: str
    previous_expires_at: Instant | None = Field(description="Until then the one of before proves a way back too")


class BrowserOrdersShape(BaseModel):
    enabled: bool
    maximum_minor: int | None


class MerchantShape(BaseModel):
    id: str
    name: str
    email: str
    allowed_origins: list[str]
    browser_orders: BrowserOrdersShape
    capture: CaptureMode
    capture_within_minutes: int | None
    created_at: Instant


class SignedUpShape(MerchantShape):
    """The merchant, its first key pair (the secret is shown here and never again), and the session it is in now."""

    api_key: str
    api_secret: str
    csrf_token: str | None = Field(description="Null where an operator's token made the merchant")


class KeyShape(BaseModel):
    """`key` is the public half."""

    id: str
    key: str
    name: str
    created_at: Instant
    last_used_at: Instant | None
    expires_at: Instant | None
    revoked_at: Instant | None


class KeyPairShape(KeyShape):
    """With the secret: right after creation, and test mode's well-known pair."""

    secret: str


class KeysShape(BaseModel):
    data: list[KeyPairShape | KeyShape]


def merchant_shape(merchant: Merchant) -> MerchantShape:
    return MerchantShape(
        id=merchant.id,
        name=merchant.name,
        email=merchant.email,
        allowed_origins=list(merchant.allowed_origins),
        browser_orders=BrowserOrdersShape(
            enabled=merchant.browser_orders_enabled, maximum_minor=merchant.browser_orders_max_amount
        ),
        capture=merchant.capture,
        capture_within_minutes=merchant.capture_within_minutes,
        created_at=merchant.created_at,
    )


def key_shape(key: ApiKey) -> KeyShape:
    return KeyShape.model_validate(key, from_attributes=True)


def key_pair_shape(key: ApiKey, secret: SecretStr) -> KeyPairShape:
    return KeyPairShape(**asdict(key), secret=secret.get_secret_value())
