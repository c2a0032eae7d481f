"""Another way to pay: leaving an undecided payment, and payments that begin with a scan."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from agents.bank.attempt import attempt
from agents.bank.behaviour import SCAN, behaviour
from agents.bank.port import ActionRequired, BankResult, Cancel, CancelRefused, Charge, Report
from agents.bank.settlement import name_of, settle_record
from agents.processor.processor import TYPES, read_request
from agents.sweeper.sweeper import _request_of
from api.http.bodies import parse_json
from api.schemas.payments import Means, NewPayment, check_instrument
from domain.action import ActionType, NextAction
from domain.event import EventType
from domain.event_kind import MERCHANT_EVENTS
from domain.instrument import Method, Upi, UpiScan, instrument_of, public_form
from domain.order import Order
from domain.outcome import Outcome
from domain.payment import CANCEL_TIME, Cancellation, Payment, RefuseCancel
from domain.question import Kind, Question
from domain.rejection import SCAN_HAS_NO_VPA, VPA_INVALID, Rejected
from domain.resource import payment_resource
from domain.upi import app_link, payee_part
from ops.audit.verify.fold import fold
from runtime.settings import Settings
from store.rows import PAYMENT_COLUMNS, payment_of, payment_row
from tests.support.attempts import unknown
from tests.unit.orders import AT, DEADLINE, FIRST, ORDER, act, after, create_order, leave, pay, settle, stay
from topics.codec import command_of
from topics.envelope import decode

STEP_EXPIRES = AT + timedelta(minutes=5, microseconds=1)
CHARGE = Charge(FIRST, 50_000, "INR", Method.UPI, "pending@upi")


def payment_in(order: Order | None) -> Payment:
    payment = None if order is None else order.payment(FIRST)
    assert payment is not None
    return payment


# What is decided


def test_the_sweeper_cancels_soon_if_no_other_process_could() -> None:
    assert payment_in(after(create_order(), pay(), act(), leave())).deadline_at == AT + CANCEL_TIME


def test_a_deadline_that_is_near_anyway_stays() -> None:
    soon = AT + timedelta(seconds=1)
    assert payment_in(after(create_order(), pay(deadline_at=soon), leave())).deadline_at == soon


def test_a_step_that_arrives_after_the_wish_to_leave_does_not_put_off_the_question() -> None:
    payment = payment_in(after(create_order(), pay(), leave(), act()))
    assert (payment.deadline_at, payment.next_action) == (AT + CANCEL_TIME, act().action)


def test_a_payment_whose_cancellation_is_refused_waits_for_its_payer_again() -> None:
    payment = payment_in(after(create_order(), pay(), act(), leave(), stay()))
    assert (payment.cancellation, payment.deadline_at) == (Cancellation.REFUSED, STEP_EXPIRES)


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("before", [(leave(),), (leave(), stay())], ids=["requested", "refused"])
def test_the_banks_outcome_ends_the_cancellation(outcome: Outcome, before: tuple[Any, ...]) -> None:
    payment = payment_in(after(create_order(), pay(), act(), *before, settle(outcome=outcome)))
    assert payment_resource(payment)["cancellation"] is None


def test_the_row_keeps_the_cancellation_and_the_scan() -> None:
    scan = replace(pay(), instrument=UpiScan(), token=SCAN)
    leaving = payment_in(after(create_order(), scan, act(), leave()))
    for one in (leaving, payment_in(after(create_order(), pay(), leave(), stay()))):
        row = dict(zip(PAYMENT_COLUMNS, payment_row(one), strict=True))
        assert payment_of(row) == one  # type: ignore[arg-type]  # a row of ours


# What the bank is asked, and what becomes of its word


class Reporting:
    """A bank that cancels as it is told to; it is asked nothing else but for the charge it has not seen."""

    def __init__(self, *responses: BankResult | CancelRefused | None) -> None:
        self.responses = list(responses)
        self.charged: list[str] = []

    async def cancel(self, _attempt_id: str) -> BankResult | CancelRefused | None:
        return self.responses.pop(0)

    async def charge(self, charge: Charge) -> Report:
        self.charged.append(charge.attempt_id)
        return ActionRequired(charge.attempt_id, NextAction(ActionType.APP, "upi://pay", STEP_EXPIRES))


CANCELLED = BankResult(FIRST, Outcome.FAILED, "PAYMENT_CANCELLED", "left", "bank_1")


async def test_an_attempt_that_the_bank_has_not_seen_yet_is_cancelled_as_soon_as_it_has() -> None:
    bank = Reporting(None, CANCELLED)
    assert await attempt(bank, Cancel(FIRST), maybe_requested_before=True, look_up=unknown) == CANCELLED  # type: ignore[arg-type]
    assert bank.charged == []


async def test_a_process_with_the_charge_makes_it_rather_than_fail_an_unseen_attempt() -> None:
    bank = Reporting(None)
    report = await attempt(bank, Cancel(FIRST, CHARGE), maybe_requested_before=True, look_up=unknown, tries=1)  # type: ignore[arg-type]
    assert isinstance(report, ActionRequired) and bank.charged == [FIRST]


def test_the_sweeper_cancels_on_the_payers_request_and_charges_otherwise() -> None:
    def requested(*commands: Any) -> object:
        return _request_of(Question(Kind.PAYMENT, payment_in(after(create_order(), pay(), act(), *commands)), "upi"))

    assert isinstance(requested(), Charge)
    leaving = requested(leave())
    assert isinstance(leaving, Cancel) and leaving.unseen == requested()
    assert requested(leave(), stay()) == requested()


def test_a_refusal_is_one_command_of_its_own() -> None:
    refused = CancelRefused(FIRST)
    assert command_for(refused) == (f"rfc_{FIRST}", RefuseCancel(ORDER, FIRST))
    assert command_for(refused, again="again1")[0] == f"rfc_{FIRST}_again1"
    assert name_of(refused) == "cancel_refused"


def test_an_accepted_cancel_is_the_same_command_as_the_failure_by_any_other_way() -> None:
    assert command_for(CANCELLED)[0] == f"stl_{FIRST}_failed"


def command_for(report: Report, again: str = "") -> tuple[str, object]:
    record = settle_record(
        report, order_id=ORDER, caused_by=None, request_id=None, settings=Settings(test_mode=True), again=again
    )
    envelope = decode(record.value)
    return envelope.id, command_of(envelope)


def test_the_processor_reads_the_cancellation_and_no_merchant_is_notified() -> None:
    assert EventType.PAYMENT_CANCEL_REQUESTED.encode() in TYPES
    assert not {EventType.PAYMENT_CANCEL_REQUESTED, EventType.PAYMENT_CANCEL_REFUSED} & set(MERCHANT_EVENTS)
    event = history((1, "payment.cancel_requested", "PROCESSING", "requested"))[0]

    class Message:
        value = orjson.dumps(event)

    assert read_request(Message())[1] == Cancel(FIRST)


# What the auditor holds against a history


def history(*events: tuple[int, str, str, str | None]) -> list[dict[str, Any]]:
    payment = payment_resource(payment_in(after(create_order(), pay())))
    found = []
    for sequence, kind, status, cancellation in events:
        shown = payment | {"status": status, "cancellation": cancellation}
        body = {"order_id": ORDER, "merchant_id": "test_merchant", "sequence": sequence, "payment": shown, "bank": {}}
        record = {"id": f"evt_{ORDER[-16:]}_{sequence}", "type": kind, "v": 1, "key": ORDER, "at": AT}
        record |= {"caused_by": "cmd_1", "request_id": None, "body": body}
        found.append(orjson.loads(orjson.dumps(record, option=orjson.OPT_UTC_Z)))
    return found


BEGUN = ((1, "payment.created", "CREATED", None), (2, "payment.processing", "PROCESSING", None))
WISH = (3, "payment.cancel_requested", "PROCESSING", "requested")


@pytest.mark.parametrize(
    ("events", "wrong"),
    [
        ([WISH, (4, "payment.cancel_refused", "PROCESSING", "refused"), (5, "payment.success", "SUCCESS", None)], 0),
        ([WISH, (4, "payment.failed", "FAILED", None)], 0),
        ([WISH, (4, "payment.success", "SUCCESS", "requested")], 1),
        ([(3, "payment.cancel_refused", "PROCESSING", "refused")], 1),
        ([WISH, (4, "payment.cancel_requested", "PROCESSING", "requested")], 1),
        ([(3, "payment.cancel_requested", "PROCESSING", None)], 1),
    ],
)
def test_the_auditor_checks_when_a_payment_may_be_cancelled(events: list[Any], wrong: int) -> None:
    findings = fold(ORDER, history(*BEGUN, *events)).findings
    assert len([one for one in findings if one.message.startswith("cancellation")]) == wrong


# Scans


async def checked(**fields: Any) -> Means | Rejected:
    body = parse_json(orjson.dumps({"order_id": ORDER, "method": "upi", **fields}), NewPayment)
    return await check_instrument(body, bank=None, test_mode=True)  # type: ignore[arg-type]  # no card here


async def test_a_scan_has_no_address_and_a_request_needs_one() -> None:
    assert await checked(flow="qr") == Means(UpiScan(), SCAN)
    assert await checked(flow="qr", vpa="a@upi") == SCAN_HAS_NO_VPA
    assert await checked(flow="collect") == await checked() == VPA_INVALID
    assert await checked(flow="collect", vpa="a@upi") == Means(Upi("a@upi"), "a@upi")


def test_requests_that_mean_the_same_have_one_fingerprint() -> None:
    def fields(**given: Any) -> dict[str, object]:
        return parse_json(orjson.dumps({"order_id": ORDER, "method": "upi", **given}), NewPayment).fields()

    assert fields(vpa="a@upi") == fields(vpa="a@upi", flow="collect")
    assert "flow" not in fields(vpa="a@upi") and fields(flow="qr")["flow"] == "qr"


def test_a_scan_is_spelt_by_its_flow() -> None:
    assert public_form(UpiScan()) == {"flow": "qr"}
    assert instrument_of(Method.UPI, {"flow": "qr"}) == UpiScan()
    with pytest.raises(KeyError):
        instrument_of(Method.UPI, {})


def test_the_link_requests_exactly_this_payment() -> None:
    payee = payee_part("shop.one@bank", "Tea & Söhne")
    assert app_link(payee, FIRST, "500.00", "INR") == (
        f"upi://pay?pa=shop.one%40bank&pn=Tea%20%26%20S%C3%B6hne&tr={FIRST}&am=500.00&cu=INR"
    )


def test_a_name_of_any_script_leaves_the_link_short_enough_for_a_code() -> None:
    assert len(app_link(payee_part("a@b", "தேநீர்" * 50), FIRST, "500.00", "INR")) < 700


def test_test_mode_has_a_request_that_waits_and_one_that_cannot_be_cancelled() -> None:
    assert behaviour("pending@upi") == behaviour(f"{SCAN}pa=a%40b&pn=A")
    assert (behaviour("pending@upi").step, behaviour("pending@upi").refuses_cancel) == (ActionType.APP, False)
    assert (behaviour("nocancel@upi").step, behaviour("nocancel@upi").refuses_cancel) == (ActionType.APP, True)


def test_the_deadline_of_the_tests_is_later_than_the_sweepers_question() -> None:
    assert DEADLINE > AT + CANCEL_TIME
