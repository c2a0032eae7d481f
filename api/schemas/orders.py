"""Orders over HTTP."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator

from api.schemas.body import Body
from api.schemas.instant import GivenInstant, rfc3339
from domain.currency import MINOR_DIGITS
from domain.money import AMOUNT_MAX_MINOR, AMOUNT_MIN_MINOR, DEFAULT_CURRENCY
from domain.order import CAPTURE_WITHIN_MINUTES_MAX, CaptureMode, OrderStatus
from domain.way_back import RETURN_URL_CHARACTERS_MAX, origin_of, taken_names
from store.accounts.merchants import CaptureTerms

NOTES_MAX = 15
NOTES_DESCRIPTION = "Up to 15 key-value pairs. Numbers and booleans are stored as text; `[]` means none"
Note = Annotated[str, StringConstraints(max_length=256)]
Notes = Annotated[dict[Note, Note], Field(max_length=NOTES_MAX), BeforeValidator(lambda value: _notes_as_text(value))]

ORDER_EXAMPLE: dict[str, Any] = {
    "id": "order_0Xk3bQ9sLmT2vRcY",
    "merchant_id": "test_merchant",
    "amount": 50000,
    "currency": "INR",
    "receipt": "invoice-42",
    "notes": {"colour": "green"},
    "status": "CREATED",
    "amount_paid": 0,
    "attempts": 0,
    "capture": "manual",
    "capture_within_minutes": None,
    "expires_at": None,
    "return_url": "https://shop.example/thanks?cart=7",
    "created_at": "2026-01-15T10:30:00.123456Z",
    "updated_at": None,
}


CURRENCY_UNKNOWN = "currency must be a code of ISO 4217, such as INR"


class OrderBody(Body):
    """The fields of every new order, a merchant's or a payer's."""

    amount: int = Field(
        ge=AMOUNT_MIN_MINOR, le=AMOUNT_MAX_MINOR, description="Minor units: 500 is ₹5.00, ¥500, KD 0.500"
    )
    currency: str | None = Field(None, description="ISO 4217; default INR", examples=["INR", "JPY", "KWD"])
    receipt: str | None = Field(None, max_length=255, description="The merchant's own reference")
    notes: Notes | None = Field(None, description=NOTES_DESCRIPTION)
    expires_at: GivenInstant | None = Field(
        None,
        description="When the order stops accepting payments, 5 minutes to 180 days from now, with a UTC offset. "
        "Default: never",
    )

    return_url: str | None = Field(
        None,
        max_length=RETURN_URL_CHARACTERS_MAX,
        description="Where the checkout sends the payer afterwards, with `order_id`, `payment_id`, `status` and "
        "`signature` added: a page on one of the merchant's allowed origins, or any https page if none are set",
        examples=["https://shop.example/thanks?cart=7"],
    )

    @field_validator("return_url")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is not None and origin_of(value) is None:
            raise ValueError("return_url must be a whole http or https address without a user name")
        if value is not None and (taken := taken_names(value)):
            raise ValueError(f"return_url must not have the query parameter {taken[0]}: the gateway adds it")
        return value

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, value: str | None) -> str | None:
        if value is not None and value not in MINOR_DIGITS:
            raise ValueError(CURRENCY_UNKNOWN)
        return value

    @property
    def currency_or_default(self) -> str:
        return self.currency or DEFAULT_CURRENCY

    def fields(self) -> dict[str, object]:
        """The request's content, for the fingerprint of an Idempotency-Key."""
        return {
            "amount": self.amount,
            "currency": self.currency_or_default,
            "receipt": self.receipt,
            "notes": self.notes or None,
            "expires_at": None if self.expires_at is None else rfc3339(self.expires_at),
            "return_url": self.return_url,
        }


def _notes_as_text(value: object) -> object:
    """Notes as clients send them: PHP's empty array is a list, and a value may be a number or a boolean."""
    if value == []:
        return {}
    if not isinstance(value, dict):
        return value
    return {name: _note(note) for name, note in value.items()}


def _note(note: object) -> object:
    return json.dumps(note) if isinstance(note, int | float) else note


class NewOrder(OrderBody):
    """Body of POST /orders.

    Only the merchant can choose how a payment is captured. If payers could set a short time limit, they would get
    their money back while the goods are in transit.
    """

    capture: CaptureMode | None = Field(
        None, description="`automatic`: a payment is captured as soon as it succeeds. Default: the merchant's setting"
    )
    capture_within_minutes: int | None = Field(
        None,
        gt=0,
        le=CAPTURE_WITHIN_MINUTES_MAX,
        description="How long a successful payment waits for its capture before the money is released. "
        "Default: the merchant's setting",
    )

    def fields(self) -> dict[str, object]:
        return super().fields() | {
            "capture": self.capture,
            "capture_within_minutes": self.capture_within_minutes,
        }

    def terms(self, setting: CaptureTerms) -> CaptureTerms:
        """How its payment is captured, given the merchant's setting."""
        return CaptureTerms(self.capture or setting.mode, self.capture_within_minutes or setting.within_minutes)


class NewPublicOrder(OrderBody):
    """Body of POST /orders/public."""

    key: str | None = Field(None, max_length=128, description="Publishable API key of the merchant")


class Customer(BaseModel):
    """The person who received the link."""

    name: str | None
    email: str | None
    contact: str | None


class LinkOfOrder(BaseModel):
    """The payment link that belongs to the order."""

    id: str
    url: str
    description: str | None
    customer: Customer
    resent: int = Field(description="How many times the link was resent")


class OrderState(BaseModel):
    """An order after one of its events."""

    id: str
    merchant_id: str
    amount: int
    currency: str
    receipt: str | None
    notes: dict[str, str]
    status: OrderStatus
    amount_paid: int = Field(description="Amount received from a payment, before refunds")
    capture: CaptureMode
    capture_within_minutes: int | None
    expires_at: datetime | None = Field(description="When the order stops accepting payments")
    return_url: str | None
    created_at: datetime
    updated_at: datetime | None
    payment_link: LinkOfOrder | None = Field(None, description="Present only if the order belongs to a payment link")


class OrderView(OrderState):
    """An order."""

    model_config = ConfigDict(json_schema_extra={"example": ORDER_EXAMPLE})

    attempts: int = Field(description="How many payments have been started for the order")


class OrderPage(BaseModel):
    data: list[OrderView]
    has_more: bool
    next_cursor: str | None


class MerchantName(BaseModel):
    id: str
    name: str
