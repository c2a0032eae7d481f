"""What a payer's browser sees: orders and payments without the fields that only the merchant may read."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from api.schemas.orders import MerchantName
from api.schemas.payments import PublicPaymentView
from domain.instrument import Method
from domain.order import OrderStatus
from domain.refund import RefundStatus


class PublicRefundView(BaseModel):
    """A refund as the payer sees it. `automatic`: the bank charged a payment that had already failed."""

    amount: int
    status: RefundStatus
    automatic: bool


class WayBack(BaseModel):
    """What the payer brings back to the shop. `payment_id` is empty if the order ended without any payment."""

    url: str = Field(description="Where to send the payer: the order's `return_url` with the fields below added")
    order_id: str
    payment_id: str
    status: str = Field(
        description="Status of the payment: SUCCESS or FAILED; without a payment, the status of the order"
    )
    signature: str = Field(description="Hex HMAC-SHA256 of order_id|payment_id|status, keyed with the return secret")


class PublicOrderView(BaseModel):
    """An order as the checkout sees it. `payment` is the latest one, if any; `refunds` are its latest 100."""

    id: str
    amount: int
    currency: str
    status: OrderStatus
    created_at: datetime
    receipt: str | None
    description: str | None = Field(description="What the payment is for; set only for payment links")
    merchant: MerchantName
    methods: list[Method]
    upi_payee: str | None = Field(
        description="UPI address that QR codes pay to (`flow: qr`); null if the merchant has none"
    )
    test_mode: bool
    allowed_origins: list[str]
    payment: PublicPaymentView | None
    refunds: list[PublicRefundView]
    expires_at: datetime | None
    return_url: str | None = Field(description="The shop's page, for a payer who leaves without paying")
    return_to: WayBack | None = Field(description="Set once the latest payment is decided or the order has ended")
