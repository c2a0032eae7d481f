"""What a payer's browser sees: orders and payments without what is the merchant's alone."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from api.schemas.orders import MerchantName
from api.schemas.payments import PublicPaymentView
from domain.instrument import Method
from domain.order import OrderStatus
from domain.refund import RefundStatus


class PublicRefundView(BaseModel):
    """A refund as its payer sees it. `automatic`: of money that the bank charged for a failed payment after all."""

    amount: int
    status: RefundStatus
    automatic: bool


class WayBack(BaseModel):
    """What a payer returns to the shop with. `payment_id` is empty where the order ended and nothing was tried."""

    url: str = Field(description="Where to go: the order's `return_url` with all that follows added")
    order_id: str
    payment_id: str
    status: str = Field(description="The payment's: SUCCESS or FAILED; without a payment the order's")
    signature: str = Field(description="Hex HMAC-SHA256 of order_id|payment_id|status under the return secret")


class PublicOrderView(BaseModel):
    """An order as its checkout needs it. `payment`: the latest, if there is one; `refunds`: its latest 100."""

    id: str
    amount: int
    currency: str
    status: OrderStatus
    created_at: datetime
    receipt: str | None
    description: str | None = Field(description="What is paid for; where the order is a payment link")
    merchant: MerchantName
    methods: list[Method]
    test_mode: bool
    allowed_origins: list[str]
    payment: PublicPaymentView | None
    refunds: list[PublicRefundView]
    expires_at: datetime | None
    return_url: str | None = Field(description="The shop's page, for a payer who goes back without paying")
    return_to: WayBack | None = Field(description="Once the latest payment is decided, or the order has ended")
