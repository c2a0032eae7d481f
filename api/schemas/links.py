"""Payment links over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from api.schemas.orders import Customer, NewOrder
from api.schemas.payer import Line, PayerBody, Trimmed, one_line
from domain.link import PaymentLink
from domain.order import OrderStatus

LINK_EXAMPLE: dict[str, Any] = {
    "id": "plink_0Xk3bQ9sLmT2vRcY",
    "url": "http://localhost:3001/l/0Xk3bQ9sLmT2vRcY",
    "merchant_id": "test_merchant",
    "order_id": "order_0Xk3bQ9sLmT2vRcY",
    "amount": 50000,
    "currency": "INR",
    "description": "Two tickets",
    "customer": {"name": "Asha Rao", "email": "asha@example.com", "contact": "+919876543210"},
    "reference": "invoice-42",
    "notes": {},
    "status": "CREATED",
    "amount_paid": 0,
    "resent": 0,
    "expires_at": None,
    "return_url": None,
    "created_at": "2026-01-15T10:30:00.123456Z",
    "updated_at": None,
}
NEW_LINK_EXAMPLE = {name: LINK_EXAMPLE[name] for name in ("amount", "currency", "description", "customer", "reference")}


class NewPaymentLink(NewOrder):
    """Body of POST /payment-links: an order and its customer."""

    reference: str | None = Field(
        None, max_length=255, description="The merchant's own reference; becomes the order's receipt"
    )
    description: Annotated[Line | None, Trimmed] = Field(None, description="What the payment is for; the payer sees it")
    customer: PayerBody | None = Field(
        None, description="Who receives the link. Payments without their own payer details use these"
    )

    _one_line = field_validator("description")(one_line)

    @property
    def receipt_or_reference(self) -> str | None:
        return self.reference if self.reference is not None else self.receipt

    def fields(self) -> dict[str, object]:
        given = {} if self.customer is None else self.customer.given()
        customer = {f"customer.{name}": value for name, value in given.items()}
        return super().fields() | {"receipt": self.receipt_or_reference, "description": self.description, **customer}

    def face(self, url: str) -> PaymentLink:
        who = self.customer or PayerBody()
        return PaymentLink(url, self.description, who.name, who.email, who.contact)


class PaymentLinkView(BaseModel):
    """A payment link. Its status is the status of its order."""

    model_config = ConfigDict(json_schema_extra={"example": LINK_EXAMPLE})

    id: str
    url: str = Field(
        description="The URL to share. It opens the checkout, which also shows if the link is paid or has ended"
    )
    merchant_id: str
    order_id: str
    amount: int
    currency: str
    description: str | None
    customer: Customer
    reference: str | None
    notes: dict[str, str]
    status: OrderStatus
    amount_paid: int
    resent: int
    expires_at: datetime | None
    return_url: str | None
    created_at: datetime
    updated_at: datetime | None


class PaymentLinkPage(BaseModel):
    data: list[PaymentLinkView]
    has_more: bool
    next_cursor: str | None
