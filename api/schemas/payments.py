"""Payments over HTTP: the body in all its accepted spellings, and the response.

{"order_id", "method": "upi", "vpa"}
{"order_id", "method": "upi", "flow": "qr"}                                  whoever scans the code of next_action
{"order_id", "method": "card", "card": {"number", "expiry_month", "expiry_year", "cvv", "holder_name"?}}
{"order_id", "method": "netbanking", "bank"}
{"order_id", "method": "card", "card_number", "card_expiry": "MM/YY", "card_cvv"}          flat spelling
{"order": {"amount", …}, "method", …}                                        a merchant's, in place of "order_id"

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
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from api.schemas.body import Body
from api.schemas.orders import NOTES_DESCRIPTION, NewOrder, Notes
from api.schemas.payer import Line, PayerBody, Trimmed, one_line
from api.tokens import Tokenizer, card_token
from domain import instrument
from domain.action import ActionType
from domain.card import CardDetails, check_card, normalized
from domain.instrument import Instrument, Method, Netbanking, Upi, UpiScan
from domain.money import AMOUNT_MAX_MINOR
from domain.netbanking import BANKS, is_bank
from domain.payment import Cancellation, PaymentStatus, VoidReason
from domain.rejection import BANK_INVALID, CARD_EXPIRED, CARD_INVALID, SCAN_HAS_NO_VPA, VPA_INVALID, ErrorCode, Rejected
from domain.upi import is_vpa
from runtime.clock import now

TextOrNumber = str | int
SCAN = "scan:"
"""Prefix of the token of a scan; the payee follows it (api/process/payee.py)."""
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
    "cancellation": None,
    "created_at": "2026-01-15T10:31:00.123456Z",
    "updated_at": None,
}
NEW_PAYMENT_EXAMPLE = {"order_id": "order_0Xk3bQ9sLmT2vRcY", "method": "upi", "vpa": "success@upi"}


class Card(Body):
    """A card as the payer typed it. It exists only while the request is validated."""

    number: TextOrNumber | None = Field(None, repr=False)
    expiry_month: TextOrNumber | None = None
    expiry_year: TextOrNumber | None = None
    expiry: str | None = Field(None, description="MM/YY, instead of expiry_month and expiry_year")
    cvv: TextOrNumber | None = Field(None, repr=False)
    holder_name: str | None = Field(None, max_length=255)
    name: str | None = Field(None, max_length=255, description="Alias of holder_name")


OrderId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
EITHER = "Send either order_id or order"


class _NewPayment(PayerBody):
    """The fields of every method's body."""

    amount: int | None = Field(
        None, ge=-AMOUNT_MAX_MINOR, le=AMOUNT_MAX_MINOR, description="Must equal the order's value"
    )
    # No longer than a code: accepted text goes to the actor through the log, even if it is refused there.
    currency: str | None = Field(None, max_length=3, description="Must equal the order's value")
    description: Annotated[Line | None, Trimmed] = Field(None, description="What the payment is for, on one line")
    notes: Notes | None = Field(
        None,
        description=f"{NOTES_DESCRIPTION}. Default: the order's notes. Notes sent by a payer are ignored",
    )

    _one_line_each = field_validator("description")(one_line)


class _OfOrder(_NewPayment):
    """Whose order exists."""

    order_id: OrderId


class _OfAnyOrder(_NewPayment):
    """Whose order exists or is created with it. One of the two is given (NewMerchantPayment)."""

    order_id: OrderId | None = Field(None, description="The order to pay. Required unless `order` is sent")
    order: NewOrder | None = Field(
        None,
        description="In place of `order_id`: the order to create with this payment, as in the body of POST /orders. "
        "If either is refused, neither exists",
    )


class _ByUpi(_NewPayment):
    """By a request to the payer's address, or by a scan."""

    method: Literal["upi"]
    flow: Literal["collect", "qr"] = Field(
        "collect",
        description="`collect`: send a request to `vpa`. `qr`: no address is known; `next_action` has the link to "
        "open in a UPI app or to show as a QR code",
    )
    vpa: Any = Field(
        None,
        description="Required for `flow: collect`; not allowed for `flow: qr`",
        json_schema_extra={"type": "string"},
    )

    def instrument_fields(self) -> dict[str, object]:
        # A request for the default flow equals a request without `flow`.
        return {"vpa": self.vpa} | ({"flow": self.flow} if self.flow == "qr" else {})


class _ByCard(_NewPayment):
    """With the card as an object or as flat fields."""

    method: Literal["card"]
    card: Card | None = Field(None, description="Required unless the flat fields are used")
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


class _ByNetbanking(_NewPayment):
    """Confirmed by the payer on the bank's page."""

    method: Literal["netbanking"]
    bank: Any = Field(
        None,
        description="Required. The bank's code; in test mode also SUCC, FAIL and SLOW",
        json_schema_extra={"type": "string", "examples": list(BANKS)},
    )

    def instrument_fields(self) -> dict[str, object]:
        return {"bank": self.bank}


class NewUpiPayment(_ByUpi, _OfOrder):
    """A UPI payment: by a request to the payer's address, or by a scan."""


class NewCardPayment(_ByCard, _OfOrder):
    """A card payment, with the card as an object or as flat fields."""


class NewNetbankingPayment(_ByNetbanking, _OfOrder):
    """A netbanking payment; the payer confirms it on the bank's page (`next_action`)."""


class NewMerchantUpiPayment(_ByUpi, _OfAnyOrder):
    """A UPI payment: by a request to the payer's address, or by a scan."""


class NewMerchantCardPayment(_ByCard, _OfAnyOrder):
    """A card payment, with the card as an object or as flat fields."""


class NewMerchantNetbankingPayment(_ByNetbanking, _OfAnyOrder):
    """A netbanking payment; the payer confirms it on the bank's page (`next_action`)."""


Tagged = Field(discriminator="method")


class NewPayment(RootModel[Annotated[NewUpiPayment | NewCardPayment | NewNetbankingPayment, Tagged]]):
    """Body of POST /payments/public; `method` selects the variant."""

    model_config = ConfigDict(hide_input_in_errors=True)

    @model_validator(mode="wrap")
    @classmethod
    def _report_common_fields_first(cls, value: Any, handler: ModelWrapValidatorHandler[NewPayment]) -> NewPayment:
        """Without a known method no variant is validated; missing common fields are reported anyway."""
        try:
            return handler(value)
        except ValidationError as error:
            if _names_no_method(error):
                _OfOrder.model_validate(value)
            raise

    @property
    def order_id(self) -> str:
        return self.root.order_id

    def fields(self) -> dict[str, object]:
        """What the request says, for the fingerprint of an Idempotency-Key; never a CVV."""
        return {"order_id": self.order_id} | _fields(self.root)


class NewMerchantPayment(
    RootModel[Annotated[NewMerchantUpiPayment | NewMerchantCardPayment | NewMerchantNetbankingPayment, Tagged]]
):
    """Body of POST /payments; `method` selects the variant. Either `order_id` or `order` is required."""

    model_config = ConfigDict(hide_input_in_errors=True)

    @model_validator(mode="wrap")
    @classmethod
    def _report_common_fields_first(
        cls, value: Any, handler: ModelWrapValidatorHandler[NewMerchantPayment]
    ) -> NewMerchantPayment:
        """As in NewPayment."""
        try:
            made = handler(value)
        except ValidationError as error:
            if _names_no_method(error):
                _check_either(value)
                _NewPayment.model_validate(value)
            raise
        _check_either(value)
        return made

    @property
    def order(self) -> NewOrder | None:
        return self.root.order

    @property
    def order_id(self) -> str:
        """For a payment without an order of its own."""
        assert self.root.order_id is not None, "one of the two is given"
        return self.root.order_id

    def fields(self) -> dict[str, object]:
        """What the request says, for the fingerprint of an Idempotency-Key; never a CVV."""
        if self.order is None:
            return {"order_id": self.order_id} | _fields(self.root)
        return {f"order.{name}": value for name, value in self.order.fields().items()} | _fields(self.root)


def _names_no_method(error: ValidationError) -> bool:
    return error.errors(include_input=False)[0]["type"].startswith("union_tag")


def _check_either(value: Any) -> None:
    """Raises ValidationError about `order_id` if the body has both `order_id` and `order`, or neither."""
    if not isinstance(value, dict) or (value.get("order_id") is None) is not (value.get("order") is None):
        return
    problem = InitErrorDetails(type="value_error", ctx={"error": ValueError(EITHER)}, loc=("order_id",), input=None)
    raise ValidationError.from_exception_data("NewMerchantPayment", [problem], hide_input=True)


def _fields(body: AnyPayment) -> dict[str, object]:
    terms = {"method": body.method, "amount": body.amount, "currency": body.currency}
    words = {**body.given(), "description": body.description, "notes": body.notes or None}
    return terms | words | body.instrument_fields()


AnyPayment = _ByUpi | _ByCard | _ByNetbanking


@dataclass(frozen=True, slots=True)
class Means:
    """What may be stored of the payer's means: the instrument, and the bank's token for it."""

    instrument: Instrument
    token: str


async def check_instrument(
    payment: NewPayment | NewMerchantPayment, bank: Tokenizer, *, test_mode: bool
) -> Means | Rejected:
    """The instrument without what must not be stored. Only the bank receives a card's number from this function.

    Raises ApiError 503 if the bank cannot be reached.
    """
    body: AnyPayment = payment.root
    match body:
        case _ByUpi(flow="qr", vpa=vpa):
            return Means(UpiScan(), token=SCAN) if vpa is None else SCAN_HAS_NO_VPA
        case _ByUpi(vpa=vpa):
            return Means(Upi(vpa), token=vpa) if isinstance(vpa, str) and is_vpa(vpa) else VPA_INVALID
        case _ByCard():
            return await _check_card(body.typed_card(), bank)
        case _ByNetbanking(bank=code):
            known = isinstance(code, str) and is_bank(code, test_mode=test_mode)
            return Means(Netbanking(code), token=f"netbanking:{code}") if known else BANK_INVALID
    assert_never(body)


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
    """`1`, `01` → `1`: for comparing requests, so anything else is unchanged."""
    return str(int(month)) if month.isascii() and month.isdigit() and len(month) <= 2 else month


def _meant_year(year: str) -> str:
    """`30`, `2030` → `2030`."""
    return f"20{year}" if year.isascii() and year.isdigit() and len(year) == 2 else year


class NewCapture(Body):
    """Body of POST /payments/{id}/capture; optional."""

    amount: int | None = Field(
        None,
        ge=1,
        le=AMOUNT_MAX_MINOR,
        description="At most the amount not refunded yet; the rest is released. Default: everything left",
    )


class NextAction(BaseModel):
    """What the payer must do before the bank decides: open `url` before `expires_at`.

    `redirect` and `otp`: a page of the bank. `app`: a link for UPI apps; also the content of the QR code.
    """

    type: ActionType
    url: str
    expires_at: datetime


class PublicPaymentView(BaseModel):
    """A payment as the payer sees it. UPI: `vpa` or `flow`; card: `card_network`, `card_last4`; netbanking: `bank`."""

    id: str
    order_id: str
    amount: int
    currency: str
    method: Method
    status: PaymentStatus
    captured: bool
    amount_captured: int = Field(description="Amount captured; later refunds do not change it")
    amount_released: int = Field(description="Amount that will never be captured; it is refunded automatically")
    voided: bool
    void_reason: VoidReason | None
    capture_before: datetime | None = Field(description="Deadline for the capture")
    amount_refunded: int
    reversed: bool = Field(description="Whether the bank took the money back after charging the payer")
    vpa: str | None = None
    flow: Literal["qr"] | None = Field(
        None, description="Set for a UPI payment that began with a scan and has no `vpa`"
    )
    card_network: str | None = None
    card_last4: str | None = None
    bank: str | None = None
    description: str | None = Field(description="What the payment is for")
    receipt: str | None = Field(description="The order's receipt")
    error_code: str | None
    error_description: str | None
    next_action: NextAction | None = Field(description="Set only while the status is PROCESSING")
    cancellation: Cancellation | None = Field(
        description="`requested`: waiting for the bank to cancel the attempt; `refused`: the bank did not cancel it. "
        "Set only while the status is PROCESSING"
    )
    created_at: datetime
    updated_at: datetime | None


class PaymentView(PublicPaymentView):
    """A payment."""

    model_config = ConfigDict(json_schema_extra={"example": PAYMENT_EXAMPLE})

    merchant_id: str
    name: str | None = Field(description="The payer's name")
    email: str | None
    contact: str | None
    notes: dict[str, str] = Field(description="The payment's own notes, otherwise the order's")
    amount_owed: int = Field(description="Refunded amount that the payment's money does not cover")


class PaymentPage(BaseModel):
    data: list[PaymentView]
    has_more: bool
    next_cursor: str | None
