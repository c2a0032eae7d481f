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
