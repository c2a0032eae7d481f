"""Bodies of the merchant and API key routes."""

from __future__ import annotations

import re
from dataclasses import asdict
from ipaddress import ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, SecretStr, StringConstraints

from api.access.scopes import Scope
from api.schemas.body import Body
from api.schemas.email import Email
from api.schemas.instant import Instant
from api.schemas.users import OwnUserShape
from domain.order import CAPTURE_WITHIN_MINUTES_MAX, CaptureMode
from domain.upi import VPA_LENGTH_MAX, is_vpa
from store.accounts.api_keys import ApiKey
from store.accounts.merchants import Merchant

ORIGINS_MAX = 20
ORIGIN_LENGTH_MAX = 255
ADDRESSES_MAX = 50
HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]", re.ASCII)
PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX = 8, 128
DEFAULT_OVERLAP_HOURS, OVERLAP_HOURS_MAX = 24, 168


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


def _payee(value: str) -> str:
    if not is_vpa(value):
        raise ValueError("upi_payee must be a UPI address such as shop@bank")
    return value


Payee = Annotated[str, StringConstraints(strip_whitespace=True, max_length=VPA_LENGTH_MAX), AfterValidator(_payee)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
KeyName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Origin = Annotated[
    str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=ORIGIN_LENGTH_MAX), AfterValidator(_origin)
]


def _network(value: str) -> str:
    try:
        return str(ip_network(value)).removesuffix("/32").removesuffix("/128")
    except ValueError:
        raise ValueError("addresses must be addresses or CIDR blocks such as 203.0.113.0/24") from None


Network = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64), AfterValidator(_network)]


class SignUpBody(Body):
    name: Name
    email: Email
    password: Annotated[SecretStr, Field(min_length=PASSWORD_LENGTH_MIN, max_length=PASSWORD_LENGTH_MAX)]


class BrowserOrdersBody(Body):
    """Whether pages on the merchant's origins may create orders without a secret, and up to what amount."""

    enabled: bool
    maximum_minor: Annotated[int, Field(ge=100, le=2**53 - 1)] | None = None


class ChangeBody(Body):
    """Omitted fields are unchanged."""

    name: Name | None = None
    allowed_origins: Annotated[list[Origin], Field(max_length=ORIGINS_MAX)] | None = None
    browser_orders: BrowserOrdersBody | None = None
    capture: CaptureMode | None = Field(None, description="How payments are captured if the order does not specify it")
    capture_within_minutes: int | None = Field(
        None,
        gt=0,
        le=CAPTURE_WITHIN_MINUTES_MAX,
        description="How long a payment waits for its capture before the money is released; null: no limit",
    )
    upi_payee: Payee | None = Field(None, description="UPI address that QR codes pay to (`flow: qr`); null removes it")


class NewKeyBody(Body):
    name: KeyName = "Default"
    scopes: list[Annotated[Scope, Field(strict=False)]] = Field(
        [],
        max_length=len(Scope),
        description="What the key may do; empty: everything",
    )
    addresses: list[Network] = Field(
        [],
        max_length=ADDRESSES_MAX,
        description="IP addresses and CIDR blocks it may be used from; empty: everywhere",
        examples=[["203.0.113.7", "2001:db8::/48"]],
    )
    expires_at: AwareDatetime | None = Field(None, description="When it expires, with a UTC offset")


class RotateBody(Body):
    overlap_hours: Annotated[int, Field(ge=0, le=OVERLAP_HOURS_MAX)] = DEFAULT_OVERLAP_HOURS
    """How long the old key goes on working beside the new one."""


class ReturnSecretBody(Body):
    expire_previous: bool = Field(False, description="End the previous secret now instead of in 24 hours")


class ReturnSecretShape(BaseModel):
    """Only this response contains the secret."""

    secret: str
    previous_expires_at: Instant | None = Field(description="The previous secret keeps signing until then")


class BrowserOrdersShape(BaseModel):
    enabled: bool
    maximum_minor: int | None


class RefundLimitShape(BaseModel):
    maximum_minor: int
    currency: str


class MerchantShape(BaseModel):
    id: str
    name: str
    email: str
    allowed_origins: list[str]
    browser_orders: BrowserOrdersShape
    capture: CaptureMode
    capture_within_minutes: int | None
    upi_payee: str | None
    support_refunds: RefundLimitShape | None = Field(
        description="How much of one payment the role `support` may refund; null: nothing"
    )
    second_factor_required: bool = Field(description="Users without a second factor may only set one up")
    created_at: Instant


class SignedUpShape(MerchantShape):
    """The merchant, its first key pair (only this response contains the secret), and its new session."""

    api_key: str
    api_secret: str
    user: OwnUserShape = Field(description="Its owner")
    csrf_token: str | None = Field(description="Null if the merchant was created with the operator token")


class KeyShape(BaseModel):
    """`key` is the public part of the pair."""

    id: str
    key: str
    name: str
    scopes: list[Scope] = Field(description="What it may do; empty: everything")
    addresses: list[str] = Field(description="Where it may be used from; empty: everywhere")
    created_at: Instant
    last_used_at: Instant | None
    expires_at: Instant | None
    revoked_at: Instant | None


class KeyPairShape(KeyShape):
    """With the secret: in the response that creates the key, and for the pair seeded in test mode."""

    secret: str


class KeysShape(BaseModel):
    data: list[KeyPairShape | KeyShape]


def merchant_shape(merchant: Merchant) -> MerchantShape:
    limit = merchant.support_refunds
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
        upi_payee=merchant.upi_payee,
        support_refunds=None
        if limit is None
        else RefundLimitShape(maximum_minor=limit.amount, currency=limit.currency),
        second_factor_required=merchant.second_factor_required,
        created_at=merchant.created_at,
    )


def key_shape(key: ApiKey) -> KeyShape:
    return KeyShape.model_validate(asdict(key))


def key_pair_shape(key: ApiKey, secret: SecretStr) -> KeyPairShape:
    return KeyPairShape(**asdict(key), secret=secret.get_secret_value())
