"""The tests of the tests: each guard of domain/rules is taken out in turn, and the matrix must notice.

guard (what it prevents)      ─►      cells of tests/vectors/order_matrix.txt that change without it
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

import domain
from tests.unit.matrix import cells
from tests.unit.orders import COMMANDS, STATES, after, cell_of

MODULES = (
    *("domain.evolution", "domain.rules.words", "domain.rules.orders"),
    *("domain.rules.refunds", "domain.rules.payments", "domain.rules.purchases", "domain.machine"),
)
"""What decides, each after those that it imports."""
ROOT = Path(domain.__file__).parent.parent
SOURCES = {name: (ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8") for name in MODULES}


@dataclass(frozen=True)
class Guard:
    """One guard: its source, what stands there without it, and one cell that must change."""

    name: str
    source: str
    without: str
    state: str
    command: str


GUARDS = (
    Guard("an order is created once", "if order is not None:\n        return Decision((), order) if",
          "if False:\n        return Decision((), order) if", "new", "create"),
    Guard("another merchant's order is not its answer", "Decision((), order) if order.merchant_id == "
          "command.merchant_id else rejection.ORDER_EXISTS", "Decision((), order)", "new", "create as stranger"),
    Guard("a payment is made once", "if made is not None:\n        return Decision((), made)\n    if command.amount",
          "if False:\n        return Decision((), made)\n    if command.amount", "failed", "pay first"),
    Guard("an order that exists is not paid by its creation", "if made is None or order.merchant_id",
          "if made is not None and order.merchant_id", "new", "pay a new one"),
    Guard("another merchant's new payment is not its answer", "if made is None or order.merchant_id != "
          "command.order.merchant_id:", "if made is None:", "processing", "pay a new one as stranger"),
    Guard("no order is left behind by a payment that is refused", "return paying if isinstance(paying, Rejected) else "
          "Decision((event, *paying.events), paying.subject)", "return created if isinstance(paying, Rejected) else "
          "Decision((event, *paying.events), paying.subject)", "no order", "pay a new one in dollars by netbanking"),
    Guard("a refund is made once", "if made is not None:\n        return Decision((), made) if",
          "if False:\n        return Decision((), made) if", "refund pending", "refund first"),
    Guard("another payment's refund is not its answer", "Decision((), made) if made.payment_id == payment.id else "
          "rejection.REFUND_EXISTS", "Decision((), made)", "failed, then refunded", "refund first"),
    Guard("an order's amount has a minimum", "if not is_payable(command.amount):", "if False:",
          "no order", "create too small"),
    Guard("an order does not end too soon", "EXPIRES_AFTER_MIN <= expires_at - at <= EXPIRES_AFTER_MAX",
          "expires_at - at <= EXPIRES_AFTER_MAX", "no order", "create to expire too soon"),
    Guard("an order does not end too late", "EXPIRES_AFTER_MIN <= expires_at - at <= EXPIRES_AFTER_MAX",
          "EXPIRES_AFTER_MIN <= expires_at - at", "no order", "create to expire too late"),
    Guard("the end is checked", "if command.expires_at is not None and not _is_in_range(command.expires_at, at):",
          "if False:", "no order", "create to expire too soon"),
    Guard("only its merchant sends a link again",
          "if order is None or order.link is None or order.merchant_id != command.merchant_id:",
          "if order is None or order.link is None:", "link", "send again as stranger"),
    Guard("a link that is paid is not sent again", "if order.status is not OrderStatus.CREATED or order.is_over(at):",
          "if order.is_over(at):", "link, paid", "send again"),
    Guard("a link whose time is over is not sent again",
          "if order.status is not OrderStatus.CREATED or order.is_over(at):",
          "if order.status is not OrderStatus.CREATED:", "link, time over", "send again"),
    Guard("a link is not sent for ever", "if order.link.resent >= RESENT_MAX:", "if False:", "link sent too often",
          "send again"),
    Guard("only its merchant cancels", "if order is None or order.merchant_id != command.merchant_id:",
          "if order is None:", "new", "cancel as stranger"),
    Guard("what has ended does not end again", "if order.status in ENDED:\n        return Decision((), order)",
          "if False:\n        return Decision((), order)", "expired", "cancel"),
    Guard("a paid order is not cancelled", "if order.status is OrderStatus.PAID:\n        return "
          "rejection.ORDER_ALREADY_PAID\n    if order.has_undecided_payment:\n        return "
          "rejection.PAYMENT_IN_PROGRESS\n    return _ended",
          "if order.has_undecided_payment:\n        return rejection.PAYMENT_IN_PROGRESS\n    return _ended",
          "paid", "cancel"),
    Guard("an order is not cancelled under a payment", "if order.has_undecided_payment:\n        return "
          "rejection.PAYMENT_IN_PROGRESS\n    return _ended", "return _ended", "processing", "cancel"),
    Guard("a paid order does not expire", "if order.status is not OrderStatus.CREATED or not",
          "if order.status is OrderStatus.EXPIRED or not", "time over, paid", "expire"),
    Guard("an order expires once", "if order.status is not OrderStatus.CREATED or not",
          "if order.status is OrderStatus.PAID or not", "expired", "expire"),
    Guard("an order does not expire before its time", "or not order.is_over(at) or", "or",
          "new, expires later", "expire"),
    Guard("an order waits for a payment that began in time", "or order.is_awaited(at):", ":",
          "time over, payment awaited", "expire"),
    Guard("what has ended is not paid", "if not order.is_payable(at):", "if False:", "cancelled", "pay"),
    Guard("no payment begins once the time is over", "if not order.is_payable(at):", "if False:", "time over", "pay"),
    Guard("the money of an expired order goes back", "if order.status is OrderStatus.EXPIRED:", "if False:",
          "expired, payment under way", "succeed"),
    Guard("another merchant's order is unknown", "if order is None or command.merchant_id not in (None, "
          "order.merchant_id):", "if order is None:", "new", "pay as stranger"),
    Guard("a payment has the order's amount", "if command.amount not in (None, order.amount):", "if False:",
          "new", "pay other amount"),
    Guard("a payment has the order's currency", "if command.currency not in (None, order.currency):", "if False:",
          "new", "pay other currency"),
    Guard("UPI and netbanking pay rupees only", "if command.instrument.method not in methods_for(order.currency):",
          "if False:", "new in dollars", "pay"),
    Guard("a paid order is not paid again", "if order.status is OrderStatus.PAID:\n        return "
          "rejection.ORDER_ALREADY_PAID\n    if not", "if not", "paid", "pay"),
    Guard("no payment beside an undecided one", "if order.has_undecided_payment:\n        return "
          "rejection.PAYMENT_IN_PROGRESS\n    sequence", "sequence", "processing", "pay"),
    Guard("a decided payment has no step to take", "if payment.status not in UNDECIDED or not", "if not",
          "paid", "payer must act"),
    Guard("an older step changes nothing", "or not command.action.replaces(payment.next_action):", ":",
          "waiting for the payer", "payer must act, an older step"),
    Guard("another merchant does not leave a payment",
          "payment is None or command.merchant_id not in (None, payment.merchant_id):", "payment is None:",
          "waiting for the payer", "leave as stranger"),
    Guard("a decided payment is not left", "if payment.status not in UNDECIDED or payment.cancellation is not None:",
          "if payment.cancellation is not None:", "paid", "leave"),
    Guard("the bank is asked to cancel once", "if payment.status not in UNDECIDED or payment.cancellation is not None:",
          "if payment.status not in UNDECIDED:", "not let go", "leave"),
    Guard("only who wants to leave can be kept",
          "if payment.cancellation is not Cancellation.REQUESTED:\n        return", "if False:\n        return",
          "waiting for the payer", "the bank does not let go"),
    Guard("a settled payment is not settled again", "if payment.status not in UNDECIDED:", "if False:",
          "paid", "fail"),
    Guard("an older word changes nothing", "if reported < known:\n        return Decision((), payment,",
          "if False:\n        return Decision((), payment,", "late, taken back", "succeed, turned once"),
    Guard("a word is recorded once", " if reported.turn > known.turn + 1 else ()", "", "paid", "succeed"),
    Guard("a missed word is recorded too", "if reported.moved is known.moved:", "if False:", "paid",
          "succeed, turned twice"),
    Guard("what the bank took back is not charged", "if payment.reversed:", "if False:", "reversed",
          "succeed, turned twice"),
    Guard("money of a failed payment goes back", "if reported.moved and (payment.status is PaymentStatus.FAILED or "
          "payment.amount_released):", "if False:", "failed", "succeed"),
    Guard("only money that is there goes back", "if reported.moved and (payment.status is PaymentStatus.FAILED or "
          "payment.amount_released):", "if payment.status is PaymentStatus.FAILED or payment.amount_released:",
          "failed", "fail"),
    Guard("a success that is charged again is not late", "if payment.status is PaymentStatus.SUCCESS:", "if False:",
          "reversed", "succeed, turned twice"),
    Guard("what the bank took back is not told as charged", "if not word.moved:", "if False:", "paid",
          "fail, turned once"),
    Guard("money is given back once", "if any(refund.status is not RefundStatus.FAILED for refund in tried):",
          "if False:", "captured in part", "succeed, turned once"),
    Guard("what the bank refused is given back again",
          "if any(refund.status is not RefundStatus.FAILED for refund in tried):",
          "if tried:", "late, refund refused", "succeed, turned once"),
    Guard("not beside an earlier refund that came through after all",
          "if any(refund.status is not RefundStatus.FAILED for refund in tried):",
          "if tried and tried[-1].status is not RefundStatus.FAILED:",
          "captured in part, first release late, second refused", "succeed, turned once"),
    Guard("not for ever", "if len(tried) >= LATE_REFUNDS_MAX:", "if False:", "late, every refund refused",
          "succeed, turned once"),
    Guard("refunds count until they fail", "refund.payment_id == payment.id and refund.status is not "
          "RefundStatus.FAILED", "refund.payment_id == payment.id", "refund failed", "refund above rest"),
    Guard("a reversed payment is not refunded", "is not PaymentStatus.SUCCESS or payment.reversed:",
          "is not PaymentStatus.SUCCESS:", "reversed", "refund"),
    Guard("only its merchant captures", "if order is None or payment is None or payment.merchant_id != "
          "command.merchant_id:\n        return rejection.PAYMENT_NOT_FOUND\n    left =", "if order is None or payment "
          "is None:\n        return rejection.PAYMENT_NOT_FOUND\n    left =", "paid", "capture as stranger"),
    Guard("only a success is captured", "if payment.status is not PaymentStatus.SUCCESS or payment.captured or "
          "payment.voided:", "if payment.captured or payment.voided:", "failed", "capture"),
    Guard("captured once", "or payment.captured or payment.voided:", "or payment.voided:", "captured", "capture"),
    Guard("a voided payment is not captured", "or payment.captured or payment.voided:", "or payment.captured:",
          "expired uncaptured after a refund that bounced", "capture"),
    Guard("what went back is not captured", "if left == 0 or _is_too_late(payment, at):",
          "if (left == 0 and not payment.amount_refunded) or _is_too_late(payment, at):", "fully refunded", "capture"),
    Guard("a reversed payment is not captured", "if left == 0 or _is_too_late(payment, at):",
          "if (left == 0 and not payment.reversed) or _is_too_late(payment, at):", "reversed", "capture"),
    Guard("not captured too late", "if left == 0 or _is_too_late(payment, at):", "if left == 0:",
          "not captured in time", "capture"),
    Guard("captured as far as refunds have left it", "if not is_minor_amount(amount) or not 0 < amount <= left:",
          "if not is_minor_amount(amount) or not 0 < amount <= payment.amount:", "refund pending",
          "capture same amount"),
    Guard("no more is captured than there is", "if not is_minor_amount(amount) or not 0 < amount <= left:",
          "if not is_minor_amount(amount) or not 0 < amount:", "paid", "capture too much"),
    Guard("nothing is no capture", "if not is_minor_amount(amount) or not 0 < amount <= left:",
          "if not is_minor_amount(amount) or not 0 <= amount <= left:", "paid", "capture nothing"),
    Guard("without an amount, all that is left is captured", "amount = left if command.amount is None else",
          "amount = payment.amount if command.amount is None else", "refund pending", "capture"),
    Guard("what is not captured goes back", "return Decision((captured, *_released(order, captured, at)),",
          "return Decision((captured,),", "paid", "capture a part"),
    Guard("a payment is captured by itself where its order says so", "if order.capture is CaptureMode.AUTOMATIC:",
          "if False:", "to capture by itself, processing", "succeed"),
    Guard("and only there", "if order.capture is CaptureMode.AUTOMATIC:", "if True:", "processing", "succeed"),
    Guard("only its merchant voids", "command.merchant_id:\n        return rejection.PAYMENT_NOT_FOUND\n    if "
          "payment.status is not PaymentStatus.SUCCESS or payment.captured or payment.refundable",
          "payment.merchant_id:\n        return rejection.PAYMENT_NOT_FOUND\n    if payment.status is not "
          "PaymentStatus.SUCCESS or payment.captured or payment.refundable", "paid", "void as stranger"),
    Guard("only a success is voided", "if payment.status is not PaymentStatus.SUCCESS or payment.captured or "
          "payment.refundable", "if payment.captured or payment.refundable", "processing", "void"),
    Guard("nothing captured is voided", "or payment.captured or payment.refundable != payment.amount:",
          "or payment.refundable != payment.amount:", "captured", "void"),
    Guard("nothing refunded is voided", "or payment.captured or payment.refundable != payment.amount:",
          "or payment.captured or payment.refundable == 0:", "refund pending", "void"),
    Guard("voided once", "or payment.captured or payment.refundable != payment.amount:",
          "or payment.captured or payment.amount_refunded:", "voided", "void"),
    Guard("no payment expires before its time", "if not _is_too_late(payment, at) or", "if", "time to capture",
          "capture too late"),
    Guard("nothing that went back expires", "or payment.refundable == 0 or _has_pending_refund(order, payment.id):",
          "or _has_pending_refund(order, payment.id):", "not captured in time, refunded", "capture too late"),
    Guard("a pending refund is waited for", "or payment.refundable == 0 or _has_pending_refund(order, payment.id):",
          "or payment.refundable == 0:", "not captured in time, refund pending", "capture too late"),
    Guard("the money of a void goes back", "return Decision((event, *_released(order, event, at)), voided)",
          "return Decision((event,), voided)", "paid", "void"),
    Guard("what was released and refused goes back again", "(payment.status is PaymentStatus.FAILED or "
          "payment.amount_released):", "payment.status is PaymentStatus.FAILED:", "voided, release refused",
          "succeed, turned once"),
    Guard("no more goes back than there is", "payment.amount - _taken(order, payment_id))", "payment.amount)",
          "voided after a refund that failed, which came through", "succeed, turned once"),
    Guard("no empty refund", "if amount <= 0:", "if False:", "paid", "capture"),
    Guard("only its merchant refunds", "payment.merchant_id != command.merchant_id:\n        return "
          "rejection.PAYMENT_NOT_FOUND\n    made = order.refund", "False:\n        return "
          "rejection.PAYMENT_NOT_FOUND\n    made = order.refund", "paid", "refund as stranger"),
    Guard("a refund is above zero", "if command.amount is not None and (not is_minor_amount(amount) or amount <= 0):",
          "if False:", "paid", "refund -1"),
    Guard("without an amount, all that is left goes back", "payment.refundable if command.amount is None else",
          "payment.amount if command.amount is None else", "refund pending", "refund all that is left"),
    Guard("only a success is refunded", "if payment.status is not PaymentStatus.SUCCESS or payment.reversed:\n",
          "if payment.reversed:\n", "failed", "refund"),
    Guard("refunds within the payment", "if amount == 0 or amount > payment.refundable:", "if amount == 0:",
          "refund pending", "refund above rest"),
    Guard("pending refunds count", "if amount == 0 or amount > payment.refundable:",
          "if amount == 0 or amount > payment.amount:", "refund pending", "refund above rest"),
    Guard("nothing left is no refund", "if amount == 0 or amount > payment.refundable:",
          "if amount > payment.refundable:", "fully refunded", "refund all that is left"),
    Guard("a refund is settled once", "if refund.status is RefundStatus.PENDING:", "if True:",
          "refund processed", "refund succeeds"),
    Guard("an older word about a refund changes nothing", "if reported < known:\n        return Decision((), refund,",
          "if False:\n        return Decision((), refund,", "refund late", "refund fails"),
    Guard("a late success is told from the first one", "if first else", "if True else", "refund failed",
          "refund succeeds"),
)  # fmt: skip


@contextmanager
def mutant(sources: dict[str, str]) -> Iterator[ModuleType]:
    """domain.machine made from these sources; states, commands and events are those of the real modules."""
    real = {name: sys.modules[name] for name in MODULES}
    try:
        for name, source in sources.items():
            sys.modules[name] = ModuleType(name)
            exec(compile(source, name, "exec"), sys.modules[name].__dict__)
        yield sys.modules["domain.machine"]
    finally:
        sys.modules.update(real)


def test_the_modules_that_decide_are_all_named_here() -> None:
    rules = {f"domain.rules.{path.stem}" for path in (ROOT / "domain/rules").glob("*.py")} - {"domain.rules.__init__"}
    assert rules | {"domain.evolution", "domain.machine"} == set(MODULES)


def test_a_mutant_without_a_mutation_agrees_with_the_table() -> None:
    with mutant(SOURCES) as rules:
        assert [cell_of(after(*STATES[s], rules=rules), COMMANDS[c], rules) for s, c, _ in cells()] == [
            outcome for _, _, outcome in cells()
        ]


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_the_matrix_notices_a_missing_guard(guard: Guard) -> None:
    found = sum(source.count(guard.source) for source in SOURCES.values())
    assert found == 1, "the guard's source has changed: bring this list up to date"
    expected = {(state, command): outcome for state, command, outcome in cells()}[guard.state, guard.command]
    changed = {name: source.replace(guard.source, guard.without) for name, source in SOURCES.items()}
    with mutant(changed) as rules:
        assert cell_of(after(*STATES[guard.state], rules=rules), COMMANDS[guard.command], rules) != expected


def test_every_refusal_of_the_module_has_its_guard_in_the_list() -> None:
    named = " ".join(guard.source for guard in GUARDS)
    conditions = [
        line.strip()
        for line in "\n".join(SOURCES.values()).splitlines()
        if line.strip().startswith("if ") and ":" in line
    ]
    unlisted = [line for line in conditions if line not in named and line not in NOT_GUARDS and not _part(line, named)]
    assert unlisted == []


NOT_GUARDS = (
    # Finding things: without these a missing order is an AttributeError, not a wrong decision.
    "if order is None or payment is None:",
    "if order is None or refund is None:",
    "if order is None:",
    "if order is not None and order.last_event_at > at:",
    "if isinstance(created, Rejected):",
    # A choice between two legal outcomes.
    "if command.outcome is Outcome.FAILED:",
    "if word.moved:",
    "if order.capture is CaptureMode.AUTOMATIC or order.capture_within_minutes is None:",
    # When the sweeper asks: tests/unit/test_another_way.py.
    "if payment.cancellation is not Cancellation.REQUESTED:",
    # Whether the payment's row changes with its refund's: the Hypothesis machine compares it with the auditor's.
    "if left != payment:",
    "if refund.payment_id == payment.id",
)


def _part(line: str, named: str) -> bool:
    """The whole condition may be split over two guards of the list."""
    return all(piece.strip() in named for piece in line.removeprefix("if ").removesuffix(":").split(" or "))
