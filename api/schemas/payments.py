"""Payments over HTTP: the body in all its accepted spellings, and what is answered.

{"order_id", "method": "upi", "vpa"}
{"order_id", "method": "card", "card": {"number", "expiry_month", "expiry_year", "cvv", "holder_name"?}}
{"order_id", "method": "netbanking", "bank"}
{"order_id", "method": "card", "card_number", "card_expiry": "MM/YY", "card_cvv"}          flat spelling

Each with "name"?, "email"?, "contact"?, "description"?, "notes"?: who pays and for what.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, assert_never

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    RootModel,
    ValidationError,
    field_validator,
    model_validator,
)

from api.schemas.body import Body
from api.schemas.orders import NOTES_DESCRIPTION, Notes
from api.schemas.payer import Line, PayerBody, Trimmed, one_line
from api.tokens import Tokenizer, card_token
from domain import instrument
from domain.action import ActionType
from domain.card import CardDetails, check_card, normalized
from domain.instrument import Instrument, Method, Netbanking, Upi
from domain.money import AMOUNT_MAX_MINOR
from domain.netbanking import BANKS, is_bank
from domain.payment import PaymentStatus, VoidReason
from domain.rejection import BANK_INVALID, CARD_EXPIRED, CARD_INVALID, VPA_INVALID, ErrorCode, Rejected
from domain.upi import is_vpa
from runtime.clock import now

TextOrNumber = str | int
LAST_TIME_ZONE = timedelta(hours=12)
"""UTC-12, where each month ends last."""

PAYMENT_EXAMPLE: dict[str, Any] = {
    "id": "pay_0Xk3bR1aZpQ8wEsD",
    "order_id": "order_0Xk3bQ9sLmT2vRcY",
    "merchant_id": "test_merchant",
    "amount": 50000,
    "currency": "INR",
    "method": "upi",
    "status": "CREATED",
    "captured": False,
    "amount_captured": 0,
    "amount_released": 0,
    "voided": False,
    "void_reason": None,
    "capture_before": None,
    "amount_refunded": 0,
    "amount_owed": 0,
    "reversed": False,
    "vpa": "success@upi",
    "name": "Asha Rao",
    "email": "asha@example.com",
    "contact": "+919876543210",
    "description": "Two tickets",
    "receipt": "invoice-42",
    "notes": {"colour": "green"},
    "error_code": None,
    "error_description": None,
    "next_action": None,
    "created_at": "2026-01-15T10:31:00.123456Z",
    "updated_at": None,
}
NEW_PAYMENT_EXAMPLE = {"order_id": "order_0Xk3bQ9sLmT2vRcY", "method": "upi", "vpa": "success@upi"}


class Card(Body):
    """A card as it was typed. It exists only while the request is checked."""

    number: TextOrNumber | None = Field(None, repr=False)
    expiry_month: TextOrNumber | None = None
    expiry_year: TextOrNumber | None = None
    expiry: str | None = Field(None, description="MM/YY, in place of expiry_month and expiry_year")
    cvv: TextOrNumber | None = Field(None, repr=False)
    holder_name: str | None = Field(None, max_length=255)
    name: str | None = Field(None, max_length=255, description="Alias of holder_name")


class _NewPayment(PayerBody):
    """What every method's body has."""

    order_id: str = Field(min_length=1, max_length=64)
    amount: int | None = Field(None, ge=-AMOUNT_MAX_MINOR, le=AMOUNT_MAX_MINOR, description="Must equal the order's")
    # No longer than a code: what passes here goes to the actor through the log, refused or not.
    currency: str | None = Field(None, max_length=3, description="Must equal the order's")
    description: Annotated[Line | None, Trimmed] = Field(None, description="What the payer pays for, in one line")
    notes: Notes | None = Field(
        None,
        description=f"{NOTES_DESCRIPTION}. Default: the order's. Only from the merchant: a payer's are ignored",
    )

    _one_line_each = field_validator("description")(one_line)


class NewUpiPayment(_NewPayment):
    """By UPI."""

    method: Literal["upi"]
    vpa: Any = Field(None, description="Required", json_schema_extra={"type": "string"})

    def instrument_fields(self) -> dict[str, object]:
        return {"vpa": self.vpa}


class NewCardPayment(_NewPayment):
    """By card, as an object or in the flat spelling."""

    method: Literal["card"]
    card: Card | None = Field(None, description="Required unless the flat spelling is used")
    card_number: TextOrNumber | None = Field(None, repr=False)
    card_expiry: str | None = Field(None, description="MM/YY")
    expiry_month: TextOrNumber | None = None
    expiry_year: TextOrNumber | None = None
    card_cvv: TextOrNumber | None = Field(None, repr=False)
    cvv: TextOrNumber | None = Field(None, repr=False)

    def typed_card(self) -> Card:
        """The card, whichever spelling was used."""
        return self.card or Card(
            number=self.card_number,
            expiry_month=self.expiry_month,
            expiry_year=self.expiry_year,
            expiry=self.card_expiry,
            cvv=self.card_cvv if self.card_cvv is not None else self.cvv,
        )

    def instrument_fields(self) -> dict[str, object]:
        card = self.typed_card()
        month, year = _expiry(card)
        return {
            "card.number": normalized(str(card.number)),
            "card.expiry": f"{_meant_month(month)}/{_meant_year(year)}",
        }


class NewNetbankingPayment(_NewPayment):
    """By netbanking; the payer decides on the bank's page (`next_action`)."""

    method: Literal["netbanking"]
    bank: Any = Field(
        None,
        description="Required: the bank's code. In test mode also SUCC, FAIL and SLOW",
        json_schema_extra={"type": "string", "examples": list(BANKS)},
    )

    def instrument_fields(self) -> dict[str, object]:
        return {"bank": self.bank}


class NewPayment(
    RootModel[Annotated[NewUpiPayment | NewCardPayment | NewNetbankingPayment, Field(discriminator="method")]]
):
    """Body of POST /payments and POST /payments/public; `method` says which."""

    model_config = ConfigDict(hide_input_in_errors=True)

    @model_validator(mode="wrap")
    @classmethod
    def _report_common_fields_first(cls, value: Any, handler: ModelWrapValidatorHandler[NewPayment]) -> NewPayment:
        """Without a known method no variant is validated; what every body must have is reported all the same."""
        try:
            return handler(value)
        except ValidationError as error:
            if error.errors(include_input=False)[0]["type"].startswith("union_tag"):
                _NewPayment.model_validate(value)
            raise

    @property
    def order_id(self) -> str:
        return self.root.order_id

    def fields(self) -> dict[str, object]:
        """What the request says, for the fingerprint of an Idempotency-Key; never a CVV."""
        body = self.root
        asked = {"order_id": body.order_id, "method": body.method, "amount": body.amount, "currency": body.currency}
        words = {**body.said(), "description": body.description, "notes": body.notes or None}
        return asked | words | body.instrument_fields()


@dataclass(frozen=True, slots=True)
class Means:
    """What may be kept of the payer's means: the instrument, and the name the bank knows it by."""

    instrument: Instrument
    token: str


async def check_instrument(payment: NewPayment, bank: Tokenizer, *, test_mode: bool) -> Means | Rejected:
    """The instrument without what must not be kept. A card's number leaves this function for the bank alone.

    Raises ApiError 503 where the bank cannot be reached.
    """
    match payment.root:
        case NewUpiPayment(vpa=vpa):
            return Means(Upi(vpa), token=vpa) if isinstance(vpa, str) and is_vpa(vpa) else VPA_INVALID
        case NewCardPayment() as body:
            return await _check_card(body.typed_card(), bank)
        case NewNetbankingPayment(bank=code):
            known = isinstance(code, str) and is_bank(code, test_mode=test_mode)
            return Means(Netbanking(code), token=f"netbanking:{code}") if known else BANK_INVALID
    assert_never(payment.root)


async def _check_card(card: Card, bank: Tokenizer) -> Means | Rejected:
    if card.number is None or card.cvv is None:
        missing = "card.number" if card.number is None else "card.cvv"
        return Rejected(ErrorCode.INVALID_CARD, CARD_INVALID.description, missing)
    month, year = _expiry(card)
    if not month or not year:
        return CARD_EXPIRED
    details = CardDetails(number=normalized(str(card.number)), expiry_month=month, expiry_year=year)
    checked = check_card(details, cvv=str(card.cvv), today=(now() - LAST_TIME_ZONE).date())
    if isinstance(checked, Rejected):
        return checked
    token = await card_token(bank, details)
    return Means(instrument.Card(network=checked.network, last4=checked.last4), token)


def _expiry(card: Card) -> tuple[str, str]:
    """(month, year) as text; empty where not given."""
    if card.expiry is not None:
        month, _, year = card.expiry.partition("/")
        return month.strip(), year.strip()
    return _text(card.expiry_month), _text(card.expiry_year)


def _text(value: TextOrNumber | None) -> str:
    return "" if value is None else str(value).strip()


def _meant_month(month: str) -> str:
    """`1`, `01` → `1`: for comparing requests, so what is not a month stays as it is."""
    return str(int(month)) if month.isascii() and month.isdigit() and len(month) <= 2 else month


def _meant_year(year: str) -> str:
    """`30`, `2030` → `2030`."""
    return f"20{year}" if year.isascii() and year.isdigit() and len(year) == 2 else year


class NewCapture(Body):
    """Body of POST /payments/{id}/capture; may be left out."""

    amount: int | None = Field(
        None,
        ge=1,
        le=AMOUNT_MAX_MINOR,
        description="At most what refunds have left of the payment; the rest is released. Without it: all that is left",
    )


class NextAction(BaseModel):
    """What the payer has to do before the bank decides: open `url`, until `expires_at`."""

    type: ActionType
    url: str
    expires_at: datetime


class PublicPaymentView(BaseModel):
    """A payment as its payer sees it. UPI: `vpa`; card: `card_network`, `card_last4`; netbanking: `bank`."""

    id: str
    order_id: str
    amount: int
    currency: str
    method: Method
    status: PaymentStatus
    captured: bool
    amount_captured: int = Field(description="What the capture took; later refunds do not change it")
    amount_released: int = Field(description="What will never be captured: it goes back by itself")
    voided: bool
    void_reason: VoidReason | None
    capture_before: datetime | None = Field(description="From then on it cannot be captured any more")
    amount_refunded: int
    reversed: bool = Field(description="The bank has taken back the money that it had charged")
    vpa: str | None = None
    card_network: str | None = None
    card_last4: str | None = None
    bank: str | None = None
    description: str | None = Field(description="What the payer pays for")
    receipt: str | None = Field(description="The order's")
    error_code: str | None
    error_description: str | None
    next_action: NextAction | None = Field(description="Only while the status is PROCESSING")
    created_at: datetime
    updated_at: datetime | None


class PaymentView(PublicPaymentView):
    """A payment."""

    model_config = ConfigDict(json_schema_extra={"example": PAYMENT_EXAMPLE})

    merchant_id: str
    name: str | None = Field(description="The payer's")
    email: str | None
    contact: str | None
    notes: dict[str, str] = Field(description="The order's where the payment brought none")
    amount_owed: int = Field(description="What of its refunds no money of the payment covers")


class PaymentPage(BaseModel):
    data: list[PaymentView]
    has_more: bool
    next_cursor: str | None
