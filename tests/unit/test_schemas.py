"""The form of records: what we write fits its schema, golden samples stay readable, a broken promise is noticed."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.action import ActionType, NextAction
from domain.decision import Command, Decision
from domain.delivery import Due
from domain.instrument import Card, Upi, UpiScan
from domain.link import PaymentLink, ResendLink
from domain.machine import decide, evolve
from domain.order import CancelOrder, CaptureMode, CreateOrder, ExpireOrder, Order
from domain.outcome import Outcome
from domain.payment import (
    CancelPayment,
    CapturePayment,
    CreatePayment,
    ExpirePayment,
    RefuseCancel,
    RequireAction,
    SettlePayment,
    VoidPayment,
)
from domain.purchase import PayNewOrder
from domain.refund import CreateRefund, SettleRefund
from ops.log.compatibility import incompatibilities, promises_now, promises_of, promises_released
from ops.log.schemas import DEAD_COMMAND, RECORD_KINDS, SCHEMAS, RecordKind, all_schemas, sample_of
from ops.log.topics_page import PAGE, render_page
from runtime.settings import LIVE_RETRY_DELAYS_SECONDS
from topics.catalogue import COMMANDS, PAYMENTS_DLQ, topics
from topics.codec import COMMAND_TYPES, command_envelope, command_of, encode_event
from topics.deadletter import REASON_INVARIANT, Origin, dead_letter
from topics.delivery import delivery_record, read_delivery
from topics.envelope import FIRST_VERSION, VERSION, UndecodableError, decode, encode

AT = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
LATER = AT + timedelta(minutes=1)
AFTER_THE_END = AT + timedelta(minutes=31)
ORDER, PAYMENT, REFUND = "order_0Ab3xZQwErTyUiOp", "pay_0Ab3xaQwErTyUiOp", "rfnd_0Ab3xcQwErTyUiOp"
CARD = CreatePayment(ORDER, PAYMENT, None, Card("visa", "1111"), "tok_card", 500, "INR", LATER)
UPI = CreatePayment(ORDER, PAYMENT, "mrc_1", Upi("a@b"), "a@b", None, None, LATER)
CREATE = CreateOrder(ORDER, "mrc_1", 500, "INR", None, {"note": "é"})
CREATE_TO_EXPIRE = replace(CREATE, expires_at=AT + timedelta(minutes=30))
CANCEL = CancelOrder(ORDER, "mrc_1")
EXPIRE = ExpireOrder(ORDER)
PAID = SettlePayment(ORDER, PAYMENT, Outcome.SUCCESS, None, None, "bank_1", LATER)
DECLINED = SettlePayment(ORDER, PAYMENT, Outcome.FAILED, "UPI_DECLINED", "no", None, LATER)
STEP = RequireAction(ORDER, PAYMENT, NextAction(ActionType.REDIRECT, "https://bank.example/1", LATER))
SCAN = replace(UPI, instrument=UpiScan(), token="scan:pa=shop%40bank&pn=Shop")
TO_SCAN = replace(STEP, action=replace(STEP.action, type=ActionType.APP, url="upi://pay?pa=shop%40bank&tr=1"))
LEAVE = CancelPayment(ORDER, PAYMENT, None)
STAY = RefuseCancel(ORDER, PAYMENT)
CAPTURE = CapturePayment(ORDER, PAYMENT, "mrc_1", None)
VOID = VoidPayment(ORDER, PAYMENT, "mrc_1")
TOO_LATE = ExpirePayment(ORDER, PAYMENT)
GIVE_BACK = CreateRefund(ORDER, PAYMENT, REFUND, "mrc_1", 200, None, LATER)
GIVE_BACK_THE_REST = replace(GIVE_BACK, amount=None, receipt="return-7", notes={"why": "torn"})
RETURNED = SettleRefund(ORDER, REFUND, Outcome.SUCCESS, None, None, "bank_2")
REFUSED = SettleRefund(ORDER, REFUND, Outcome.FAILED, "REFUND_FAILED", "no", None)
CHARGED_LATE = SettlePayment(ORDER, PAYMENT, Outcome.SUCCESS, None, None, "bank_1", LATER, turn=1)
TAKEN_BACK = SettlePayment(ORDER, PAYMENT, Outcome.FAILED, "PAYMENT_REVERSED", None, "bank_1", LATER, turn=1)
REINSTATED = SettlePayment(ORDER, PAYMENT, Outcome.SUCCESS, None, None, "bank_1", LATER, turn=2)
RETURNED_LATE = SettleRefund(ORDER, REFUND, Outcome.SUCCESS, None, None, "bank_2", turn=1)
UPI_WITH_WORDS = replace(
    UPI, name="Asha", email="a@example.com", contact="+919876543210", description="Tea", notes={"cart": "42"}
)
CREATE_LINK = replace(CREATE, link=PaymentLink("https://pay.example/l/0Ab3xZQwErTyUiOp", "Tea", email="a@example.com"))
CREATE_WITH_RETURN = replace(CREATE, return_url="https://shop.example/thanks")
RESEND = ResendLink(ORDER, "mrc_1")
BOTH = PayNewOrder(CREATE, UPI)
BOTH_WITH_ALL = PayNewOrder(
    replace(CREATE_WITH_RETURN, capture=CaptureMode.AUTOMATIC, capture_within_minutes=5, expires_at=AFTER_THE_END),
    UPI_WITH_WORDS,
)
COMMANDS_REQUESTED = [
    *(BOTH, BOTH_WITH_ALL),
    *(SCAN, TO_SCAN, LEAVE, replace(LEAVE, merchant_id="mrc_1"), STAY),
    *(UPI_WITH_WORDS, CREATE_LINK, RESEND, CREATE_WITH_RETURN),
    *(VOID, TOO_LATE, replace(CREATE, capture=CaptureMode.AUTOMATIC, capture_within_minutes=5)),
    *(CREATE, CREATE_TO_EXPIRE, CANCEL, EXPIRE, GIVE_BACK_THE_REST),
    *(CARD, UPI, STEP, PAID, DECLINED, CAPTURE, GIVE_BACK, RETURNED, REFUSED, TAKEN_BACK, RETURNED_LATE),
]
HISTORIES = {
    "captured and refunded": [CREATE, UPI_WITH_WORDS, PAID, CAPTURE, GIVE_BACK, RETURNED],
    "paid after a step of the payer's": [CREATE, CARD, STEP, PAID],
    "a scan that its payer leaves, which the bank refuses": [CREATE, SCAN, TO_SCAN, LEAVE, STAY, PAID],
    "refund refused": [CREATE, CARD, PAID, GIVE_BACK, REFUSED],
    "declined, then charged all the same": [CREATE, UPI, DECLINED, CHARGED_LATE],
    "taken back while a refund is pending": [CREATE, CARD, PAID, GIVE_BACK, TAKEN_BACK],
    "cancelled": [CREATE, CANCEL],
    "a link, sent again and paid": [CREATE_LINK, RESEND, UPI, PAID],
    "created and paid at once": [BOTH, PAID],
    "with a way back": [CREATE_WITH_RETURN, UPI, PAID],
    "expired": [CREATE_TO_EXPIRE, EXPIRE],
    "captured by itself": [replace(CREATE, capture=CaptureMode.AUTOMATIC), CARD, PAID],
    "captured in part": [CREATE, CARD, PAID, replace(CAPTURE, amount=200)],
    "voided": [CREATE, CARD, PAID, VOID],
    "not captured in time": [replace(CREATE, capture_within_minutes=5), CARD, PAID, TOO_LATE],
    "taken back and charged again": [CREATE, UPI, PAID, TAKEN_BACK, REINSTATED],
    "refund refused, then carried out all the same": [CREATE, CARD, PAID, GIVE_BACK, REFUSED, RETURNED_LATE],
}


@pytest.mark.parametrize("command", COMMANDS_REQUESTED, ids=lambda command: type(command).__name__)
def test_every_command_as_encoded_fits_its_schema(command: Command) -> None:
    plain = command_envelope(command, command_id="cmd_1", at=AT, request_id=None)
    keyed = command_envelope(
        command, command_id="idk_1", at=AT, request_id="req_1", nonce="n", fingerprint={"amount": "0123456789ab"}
    )
    assert RecordKind.problems_of(json.loads(encode(plain))) == []
    assert RecordKind.problems_of(json.loads(encode(keyed))) == []


@pytest.mark.parametrize("command", COMMANDS_REQUESTED, ids=lambda command: type(command).__name__)
def test_every_command_is_read_as_it_was_written(command: Command) -> None:
    written = encode(command_envelope(command, command_id="cmd_1", at=AT, request_id=None))
    assert command_of(decode(written)) == command


def test_only_a_command_that_the_first_version_does_not_know_has_a_later_one() -> None:
    versions = {
        type(command): command_envelope(command, command_id="cmd_1", at=AT, request_id=None).version
        for command in COMMANDS_REQUESTED
    }
    assert versions.keys() == COMMAND_TYPES.keys()
    assert {kind for kind, version in versions.items() if version != FIRST_VERSION} == {PayNewOrder}
    assert versions[PayNewOrder] == 2 < VERSION


@pytest.mark.parametrize("body", [{}, {"order": {}}, {"order": [], "payment": None}, {"order": {"merchant_id": "m"}}])
def test_half_a_command_of_order_and_payment_is_undecodable(body: dict[str, object]) -> None:
    record = sample_of("payment.create_with_order") | {"body": body}
    with pytest.raises(UndecodableError):
        command_of(decode(json.dumps(record).encode()))
    assert RecordKind.problems_of(record) != []


@pytest.mark.parametrize("commands", HISTORIES.values(), ids=HISTORIES.keys())
def test_every_event_as_encoded_fits_its_schema(commands: list[Command]) -> None:
    order: Order | None = None
    for command in commands:
        decided = decide(order, command, AFTER_THE_END if command in (EXPIRE, TOO_LATE) else AT)
        assert isinstance(decided, Decision)
        for event in decided.events:
            order = evolve(order, event)
            record = json.loads(encode_event(event, caused_by="cmd_1", request_id=None))
            assert RecordKind.problems_of(record) == []


def test_the_histories_cover_every_event_type() -> None:
    met, order = set(), None
    for commands in HISTORIES.values():
        order = None
        for command in commands:
            decided = decide(order, command, AFTER_THE_END if command in (EXPIRE, TOO_LATE) else AT)
            assert isinstance(decided, Decision)
            for event in decided.events:
                order = evolve(order, event)
                met.add(str(event.type))
    homes = {kind.type for kind in RECORD_KINDS if kind.topic == "payments.events.v1"}
    assert met == homes


def test_reports_of_earlier_versions_are_the_first_of_their_bank() -> None:
    for command in (CHARGED_LATE, RETURNED_LATE):
        envelope = command_envelope(command, command_id="stl_1", at=AT, request_id=None)
        record = json.loads(encode(envelope))
        del record["body"]["turn"]
        read = command_of(decode(json.dumps(record).encode()))
        assert read == replace(command, turn=0)


@pytest.mark.parametrize("turn", [-1, 1.5, "1", None, True, 10**9])
def test_a_turn_that_no_bank_can_have_is_undecodable(turn: object) -> None:
    record = json.loads(encode(command_envelope(CHARGED_LATE, command_id="stl_1", at=AT, request_id=None)))
    record["body"]["turn"] = turn
    with pytest.raises(UndecodableError):
        command_of(decode(json.dumps(record).encode()))


def test_deliveries_and_dead_letters_as_encoded_fit_their_schemas() -> None:
    due = Due(uuid.uuid4(), "whe_0Ab3xbQwErTyUiOp", ORDER, 3)
    delivery = delivery_record(due, at=AT, partitions=12)
    assert RecordKind.problems_of(json.loads(delivery.value)) == []
    for value in (b'{"id": 1}', b"\xff\x00", None):
        letter = dead_letter(
            to_topic=PAYMENTS_DLQ,
            kind=DEAD_COMMAND,
            key=ORDER.encode(),
            value=value,
            headers=[("type", b"order.create")],
            origin=Origin(COMMANDS, 1, 2),
            reason=REASON_INVARIANT,
            error="AssertionError()",
            trace="",
            at=AT,
        )
        assert RecordKind.problems_of(json.loads(letter.value)) == []


@pytest.mark.parametrize("kind", RECORD_KINDS, ids=lambda kind: kind.type)
def test_every_golden_sample_fits_its_schema_and_our_readers(kind: RecordKind) -> None:
    sample = sample_of(kind.type)
    assert sample["type"] == kind.type
    assert RecordKind.problems_of(sample) == []
    envelope = decode(json.dumps(sample).encode())
    if kind.topic == COMMANDS:
        command_of(envelope)
    if kind.type == "delivery.attempt":
        read_delivery(json.dumps(sample).encode())


@pytest.mark.parametrize("kind", RECORD_KINDS, ids=lambda kind: kind.type)
def test_a_schema_refuses_a_record_that_lacks_any_required_part(kind: RecordKind) -> None:
    for name in sample_of(kind.type):
        if name in ("nonce", "fingerprint"):
            continue
        broken = sample_of(kind.type)
        del broken[name]
        assert RecordKind.problems_of(broken) != [], f"{kind.type} without {name} was accepted"


def test_a_card_number_on_the_log_would_be_noticed() -> None:
    sample = sample_of("payment.success")
    sample["body"]["payment"]["card_number"] = "4111111111111111"
    assert RecordKind.problems_of(sample) != []


def test_the_schemas_keep_what_was_promised() -> None:
    assert incompatibilities(promises_released(), promises_now()) == []


def test_what_is_promised_now_is_written_down() -> None:
    assert promises_released() == promises_now(), "a compatible change: run `gateway topics schemas --release`"


Change = Callable[[dict[str, Any]], None]


def _payment(schemas: dict[str, Any]) -> Any:
    return schemas["resource.payment"]


BREAKING: dict[str, Change] = {
    "a field is removed": lambda s: _payment(s)["properties"].pop("currency"),
    "a field becomes optional": lambda s: _payment(s)["required"].remove("amount"),
    "a type changes": lambda s: _payment(s)["properties"]["amount"].update(type="string"),
    "a type widens": lambda s: _payment(s)["properties"]["amount"].update(type=["integer", "null"]),
    "a value is taken away": lambda s: _payment(s)["properties"]["method"].update(enum=["upi"]),
    "a new field is required": lambda s: (
        _payment(s)["properties"].update(region={"type": "string"}),
        _payment(s)["required"].append("region"),
    ),  # type: ignore[dict-item, return-value]  # a tuple of two changes
    "an id changes its form": lambda s: _payment(s)["properties"]["id"].update(pattern="^p_"),
}


@pytest.mark.parametrize("change", BREAKING.values(), ids=BREAKING.keys())
def test_an_incompatible_change_fails(change: Change) -> None:
    schemas = copy.deepcopy(all_schemas())
    change(schemas)
    after = {"payment.success": promises_of("payment.success", schemas)}
    before = {"payment.success": promises_released()["payment.success"]}
    assert incompatibilities(before, after) != []


def test_a_new_optional_field_is_compatible() -> None:
    schemas = copy.deepcopy(all_schemas())
    _payment(schemas)["properties"]["region"] = {"type": "string"}
    after = {"payment.success": promises_of("payment.success", schemas)}
    before = {"payment.success": promises_released()["payment.success"]}
    assert incompatibilities(before, after) == []
    assert before != after


def test_another_payment_method_is_compatible() -> None:
    schemas = copy.deepcopy(all_schemas())
    _payment(schemas)["properties"]["method"]["enum"].append("wallet")
    after = {"payment.success": promises_of("payment.success", schemas)}
    before = {"payment.success": promises_released()["payment.success"]}
    assert incompatibilities(before, after) == []
    assert before != after


def test_another_kind_of_step_is_compatible() -> None:
    schemas = copy.deepcopy(all_schemas())
    _payment(schemas)["properties"]["next_action"]["properties"]["type"]["enum"].append("fingerprint")
    after = {"payment.success": promises_of("payment.success", schemas)}
    before = {"payment.success": promises_released()["payment.success"]}
    assert incompatibilities(before, after) == []
    assert before != after


def test_no_schema_file_is_unused() -> None:
    kinds = {kind.type for kind in RECORD_KINDS}
    parts = {path.stem for path in SCHEMAS.glob("*.json")} - kinds
    heads = {"record", "envelope", "new_order", "new_payment"}
    assert parts == {*heads, *(f"resource.{name}" for name in ("order", "payment", "payment_link", "refund"))}


def test_the_topics_page_is_fresh_and_names_every_topic() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == render_page(), "run `gateway topics docs`"
    assert all(f"`{topic.name}`" in page for topic in topics(LIVE_RETRY_DELAYS_SECONDS))
