"""The shapes of the double's requests. Types are lax, as its clients are: "500" is 500, "1" is true. Fields are not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from domain.currency import MINOR_DIGITS
from domain.money import AMOUNT_MAX_MINOR, AMOUNT_MIN_MINOR
from domain.payer import is_email, is_one_line, normalized_contact
from domain.way_back import origin_of
from store.razorpay.captures import CAPTURES_WITHIN_MINUTES_MAX
from store.razorpay.slices import Slice

NOTES_MAX = 15
NOTE_CHARACTERS_MAX = 256
COUNT_DEFAULT, COUNT_MAX = 10, 100
SKIP_MAX = 10_000
"""PostgreSQL reads what it skips."""
PERIOD_MINUTES_MIN = 1
"""The original accepts no less than twelve minutes; too long for a test."""
SECONDS_MIN, SECONDS_MAX = 946_684_800, 4_765_046_400
"""The years 2000 to 2120."""


_DIGITS = re.compile(r"-?[0-9]+")
_SWITCH = TypeAdapter(bool)


def _whole(value: Any) -> Any:
    """Digits as text are a number. A boolean, "100.0" or "5_00" is not, though pydantic accepts them."""
    if isinstance(value, bool) or (isinstance(value, str) and not _DIGITS.fullmatch(value.strip())):
        raise PydanticCustomError("int_type", "Input should be a whole number")
    return value


def _events(value: Any) -> Any:
    """Names of events: those of a list, or those that are on in an object of switches."""
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return value
    if not isinstance(value, dict):
        raise ValueError("The events must be a list of names or an object of switches")
    try:
        return [name for name, switch in value.items() if _SWITCH.validate_python(switch)]
    except ValidationError:
        raise ValueError("The switches of the events must be true or false") from None


def _notes(value: Any) -> Any:
    if value in (None, [], ""):
        return {}
    if not isinstance(value, dict):
        raise ValueError("The notes must be an object")
    if len(value) > NOTES_MAX:
        raise ValueError(f"Number of fields in notes should be less than or equal to {NOTES_MAX}")
    for name, note in value.items():
        if isinstance(note, dict | list):
            raise ValueError(f"The notes value of {name[:64]} must be a text")
        if len(name) > NOTE_CHARACTERS_MAX or len(str(note)) > NOTE_CHARACTERS_MAX:
            raise ValueError(f"The notes may not have more than {NOTE_CHARACTERS_MAX} characters each")
        if "\0" in name or "\0" in str(note):
            raise ValueError("The notes must not contain NUL characters")
    return value


def _currency(value: Any) -> Any:
    if not isinstance(value, str) or value not in MINOR_DIGITS:
        raise ValueError("Currency is not supported")
    return value


def _no_nul(value: Any) -> Any:
    if isinstance(value, str) and "\0" in value:
        raise ValueError("Text must not contain NUL characters")
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def as_texts(notes: Mapping[str, Any]) -> dict[str, str]:
    """Our resources store texts; the double stores other values beside them."""
    return {name: note if isinstance(note, str) else orjson.dumps(note).decode() for name, note in notes.items()}


def _email(value: str) -> str | None:
    if value.strip() and not (is_email(value.strip()) and is_one_line(value.strip())):
        raise ValueError("The email must be a valid email address.")
    return value.strip() or None


def _contact(value: str) -> str | None:
    number = normalized_contact(value)
    if value.strip() and number is None:
        raise ValueError("The contact must be a telephone number of 6 to 15 digits.")
    return number


def _line(value: str) -> str | None:
    if not is_one_line(value.strip()):
        raise ValueError("Text must not contain line breaks")
    return value.strip() or None


def _address(value: str) -> str:
    if origin_of(value) is None:
        raise ValueError("The callback_url must be a whole http or https address")
    return value


Notes = Annotated[dict[str, Any], BeforeValidator(_notes)]
Currency = Annotated[str, BeforeValidator(_currency)]
Amount = Annotated[int, Field(ge=AMOUNT_MIN_MINOR, le=AMOUNT_MAX_MINOR), BeforeValidator(_whole)]
Minutes = Annotated[int, Field(ge=PERIOD_MINUTES_MIN, le=CAPTURES_WITHIN_MINUTES_MAX), BeforeValidator(_whole)]
Instant = Annotated[int, Field(ge=SECONDS_MIN, le=SECONDS_MAX), BeforeValidator(_whole)]
"""Unix seconds."""
Events = Annotated[list[str], BeforeValidator(_events)]
Text = Annotated[str, StringConstraints(max_length=255), BeforeValidator(_no_nul)]
Email = Annotated[Text | None, AfterValidator(lambda value: value and _email(value))]
Contact = Annotated[Text | None, AfterValidator(lambda value: value and _contact(value))]
Line = Annotated[Text | None, AfterValidator(lambda value: value and _line(value))]
Receipt = Annotated[str, StringConstraints(max_length=40), BeforeValidator(_no_nul)]
Id = Annotated[str, StringConstraints(max_length=64), BeforeValidator(_no_nul)]
Method = Literal["card", "upi"]
"""Of a payment without a browser: netbanking needs the bank's page."""


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class CaptureOptions(Body):
    """`automatic_expiry_period`: minutes after the order until which a success is captured automatically.
    `manual_expiry_period`: minutes after the success, then the money is refunded.
    """

    automatic_expiry_period: Minutes | None = None
    manual_expiry_period: Minutes | None = None
    refund_speed: Literal["normal", "optimum"] | None = None


class Capture(Body):
    capture: Literal["automatic", "manual"] = "automatic"
    capture_options: CaptureOptions = CaptureOptions()


class NewOrder(Body):
    """`payment_capture` is the old spelling of `payment.capture`. `late_authorization` is the double's own."""

    amount: Amount
    currency: Currency = "INR"
    receipt: Receipt | None = None
    notes: Notes = {}
    payment_capture: bool | None = None
    payment: Capture | None = None
    customer_id: Id | None = None
    method: Literal["card", "upi", "netbanking"] | None = None
    late_authorization: bool = False
    line_items: list[Any] | dict[str, Any] | None = None
    line_items_total: Annotated[int, BeforeValidator(_whole)] | None = None

    @property
    def captures(self) -> bool:
        """Automatic unless the request differs."""
        if self.payment is not None:
            return self.payment.capture == "automatic"
        return self.payment_capture is not False

    @property
    def options(self) -> CaptureOptions:
        return self.payment.capture_options if self.payment is not None else CaptureOptions()

    @property
    def captures_within_minutes(self) -> int | None:
        """How long after the order's creation a success is captured automatically; None: always, or never."""
        return self.options.automatic_expiry_period if self.captures else None

    @property
    def is_captured_with_success(self) -> bool:
        return self.captures and self.captures_within_minutes is None


ORDERS_BEYOND = (
    "partial_payment", "first_payment_min_amount", "offers", "offer_id", "discount", "transfers", "token",
    "bank_account", "products", "app_offer", "customer_details", "rto_review",
    "force_offer", "checkout_config_id", "account_id",
)  # fmt: skip


class LinkCustomer(Body):
    name: Line = None
    email: Email = None
    contact: Contact = None


class NewLink(Body):
    amount: Amount
    currency: Currency = "INR"
    description: Line = None
    reference_id: Receipt | None = None
    customer: LinkCustomer = LinkCustomer()
    expire_by: Instant | None = None
    notes: Notes = {}
    notify: dict[str, bool] | None = None
    reminder_enable: bool | None = None
    callback_url: Annotated[Text | None, AfterValidator(lambda value: value and _address(value))] = None
    callback_method: Literal["", "get"] | None = None

    @model_validator(mode="after")
    def _method_with_address(self) -> NewLink:
        if self.callback_method and not self.callback_url:
            raise ValueError("The callback_url is required with a callback_method")
        return self


LINKS_BEYOND = ("accept_partial", "first_min_partial_amount", "upi_link", "options")
LINKS_WITHOUT_EFFECT = ("notify", "reminder_enable")


class Changed(Body):
    """Only notes can be changed."""

    notes: Notes


class NewCapture(Body):
    amount: Annotated[int, Field(ge=1, le=AMOUNT_MAX_MINOR), BeforeValidator(_whole)]
    currency: Currency | None = None


class NewRefund(Body):
    """Without an amount: all that is left."""

    amount: Amount | None = None
    speed: Literal["normal", "optimum"] = "normal"
    receipt: Receipt | None = None
    notes: Notes = {}


class NewRefundOf(NewRefund):
    payment_id: Id


REFUNDS_BEYOND = ("reverse_all", "reversals", "currency")


class NewCustomer(Body):
    """`fail_existing` false: returns the existing customer with this address and number."""

    name: Text | None = None
    email: Text | None = None
    contact: Text | None = None
    gstin: Text | None = None
    notes: Notes = {}
    fail_existing: bool = True


class ChangedCustomer(Body):
    name: Text | None = None
    email: Text | None = None
    contact: Text | None = None
    gstin: Text | None = None
    notes: Notes | None = None


class TypedCard(Body):
    """A card as the payer typed it. It exists only while the request is validated."""

    number: Text = Field(repr=False)
    name: Text | None = None
    expiry_month: Text
    expiry_year: Text
    cvv: Text = Field(repr=False)


class UpiFlow(Body):
    flow: Literal["collect", "intent"] = "collect"
    vpa: Text | None = None
    expiry_time: Annotated[int, BeforeValidator(_whole)] | None = None


class NewPayment(Body):
    """A payment that a test makes without a browser."""

    amount: Amount
    currency: Currency = "INR"
    order_id: Id
    method: Method
    email: Email = None
    contact: Contact = None
    description: Line = None
    customer_id: Id | None = None
    notes: Notes | None = None
    card: TypedCard | None = None
    vpa: Text | None = None
    upi: UpiFlow | None = None
    ip: Text | None = None
    referer: Text | None = None
    referrer: Text | None = None
    user_agent: Text | None = None
    browser: dict[str, Any] | None = None
    authentication: dict[str, Any] | None = None
    callback_url: Text | None = None


PAYMENTS_BEYOND = ("save", "token", "recurring", "emi_duration", "offer_id", "bank", "wallet", "fee", "max_amount")
PAYMENTS_WITHOUT_EFFECT = ("ip", "referer", "referrer", "user_agent", "browser", "authentication", "callback_url")


class NewVpa(Body):
    vpa: Text


class NewWebhook(Body):
    """`events`: a list of names, or an object of booleans. `shuffled`, the double's own: the capture comes first."""

    url: Text
    events: Events
    secret: Text | None = None
    alert_email: Text | None = None
    active: bool = True
    shuffled: bool = False


class ChangedWebhook(Body):
    url: Text | None = None
    events: Events | None = None
    secret: Text | None = None
    alert_email: Text | None = None
    active: bool | None = None


class Opening(Body):
    """What checkout.js sends when it opens. `notes` None: the page set none."""

    key: Text
    order_id: Id
    email: Text | None = None
    contact: Text | None = None
    description: Text | None = None
    notes: Notes | None = None


class Completion(Body):
    key: Text
    order_id: Id
    payment_id: Id


class PageQuery(Body):
    """A list's part. `from` and `to` are Unix seconds, both included."""

    count: Annotated[int, Field(ge=1, le=COUNT_MAX), BeforeValidator(_whole)] = COUNT_DEFAULT
    skip: Annotated[int, Field(ge=0, le=SKIP_MAX), BeforeValidator(_whole)] = 0
    begins: Annotated[Instant | None, Field(alias="from")] = None
    ends: Annotated[Instant | None, Field(alias="to")] = None

    @model_validator(mode="after")
    def _in_order(self) -> PageQuery:
        if self.begins is not None and self.ends is not None and self.begins > self.ends:
            raise ValueError("from must be less than or equal to to")
        return self

    @property
    def part(self) -> Slice:
        return Slice(self.count, self.skip, _instant(self.begins), _instant(self.ends))


class LinksQuery(PageQuery):
    reference_id: Receipt | None = None


class OrdersQuery(PageQuery):
    receipt: Receipt | None = None
    authorized: bool | None = None


def _instant(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
