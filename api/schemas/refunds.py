"""Refunds over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.body import Body
from api.schemas.orders import NOTES_DESCRIPTION, Notes
from domain.money import AMOUNT_MAX_MINOR

REFUND_EXAMPLE: dict[str, Any] = {
    "id": "rfnd_0Xk3bS7cVbN4mKjH",
    "payment_id": "pay_0Xk3bR1aZpQ8wEsD",
    "merchant_id": "test_merchant",
    "amount": 10000,
    "currency": "INR",
    "reason": "returned goods",
    "receipt": "return-7",
    "notes": {},
    "status": "PENDING",
    "automatic": False,
    "error_code": None,
    "error_description": None,
    "created_at": "2026-01-15T11:00:00.123456Z",
    "processed_at": None,
    "updated_at": None,
}


class NewRefund(Body):
    """Body of POST /payments/{id}/refunds; optional."""

    amount: int | None = Field(
        None, gt=0, le=AMOUNT_MAX_MINOR, description="Minor units. Default: everything still refundable"
    )
    reason: str | None = Field(None, max_length=255)
    receipt: str | None = Field(None, max_length=255, description="The merchant's own reference")
    notes: Notes | None = Field(None, description=NOTES_DESCRIPTION)

    def fields(self, payment_id: str) -> dict[str, object]:
        """The request's content, for the fingerprint of an Idempotency-Key."""
        return {
            "payment_id": payment_id,
            "amount": self.amount,
            "reason": self.reason,
            "receipt": self.receipt,
            "notes": self.notes or None,
        }


class NewRefundOf(NewRefund):
    """Body of POST /refunds."""

    payment_id: str = Field(min_length=1, max_length=64)


class RefundView(BaseModel):
    """A refund. `automatic`: the gateway created it for a late success or for released money."""

    model_config = ConfigDict(json_schema_extra={"example": REFUND_EXAMPLE})

    id: str
    payment_id: str
    merchant_id: str
    amount: int
    currency: str
    reason: str | None
    receipt: str | None
    notes: dict[str, str]
    status: Literal["PENDING", "PROCESSED", "FAILED"]
    automatic: bool
    error_code: str | None
    error_description: str | None
    created_at: datetime
    processed_at: datetime | None
    updated_at: datetime | None


class RefundPage(BaseModel):
    data: list[RefundView]
    has_more: bool
    next_cursor: str | None
