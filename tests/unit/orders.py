"""Orders in every state that matters, and one command of each kind: the words of the domain tests.

Time stands still at AT, but for what happened `earlier`; ids are short names padded to the form of real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import domain.machine as real
from domain.action import ActionType, NextAction
from domain.decision import Command, Decision
from domain.ids import late_refund_id
from domain.instrument import Netbanking, Upi
from domain.link import RESENT_MAX, PaymentLink, ResendLink
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
from domain.refund import LATE_REFUNDS_MAX, CreateRefund, SettleRefund
from domain.rejection import Rejected

AT = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
BEFORE = AT - timedelta(minutes=6)
DEADLINE = AT + timedelta(minutes=1)
PAST = AT - timedelta(minutes=1)
"""A payment with this deadline is not awaited at AT any more."""
ORDER, MERCHANT, STRANGER = "order_AAAAAAAAAAAAAAAA", "test_merchant", "mrc_BBBBBBBBBBBBBBBB"
FIRST, SECOND, THIRD = "pay_1111111111111111", "pay_2222222222222222", "pay_3333333333333333"
REFUND, OTHER_REFUND, LATE_REFUND = "rfnd_AAAAAAAAAAAAAAAA", "rfnd_BBBBBBBBBBBBBBBB", "rfnd_1111111111111111"
AMOUNT = 50_000


@dataclass(frozen=True)
class Earlier:
    """A command that was decided BEFORE."""

    command: Command


def create_order(
    amount: Any = AMOUNT,
    merchant: str = MERCHANT,
    currency: str = "INR",
    expires_at: datetime | None = None,
    capture: CaptureMode = CaptureMode.MANUAL,
    minutes: int | None = None,
    link: PaymentLink | None = None,
    return_url: str | None = None,
) -> CreateOrder:
    return CreateOrder(ORDER, merchant, amount, currency, None, {}, expires_at, capture, minutes, link, return_url)


LINK = PaymentLink("https://pay.example/l/AAAAAAAAAAAAAAAA", "Tea", "Asha", "a@example.com", "+919876543210")


def resend(merchant: str = MERCHANT) -> ResendLink:
    return ResendLink(ORDER, merchant)


def void(payment_id: str = FIRST, merchant: str = MERCHANT) -> VoidPayment:
    return VoidPayment(ORDER, payment_id, merchant)


def leave(payment_id: str = FIRST, merchant: str | None = None) -> CancelPayment:
    return CancelPayment(ORDER, payment_id, merchant)


def stay(payment_id: str = FIRST) -> RefuseCancel:
    """The bank does not cancel the attempt."""
    return RefuseCancel(ORDER, payment_id)


def cancel(merchant: str = MERCHANT) -> CancelOrder:
    return CancelOrder(ORDER, merchant)


def pay(payment_id: str = FIRST, merchant: str | None = None, **more: Any) -> CreatePayment:
    values: dict[str, Any] = {"amount": None, "currency": None, "deadline_at": DEADLINE} | more
    return CreatePayment(ORDER, payment_id, merchant, Upi("a@upi"), "success@upi", **values)


def pay_new(order: CreateOrder | None = None, payment: CreatePayment | None = None) -> PayNewOrder:
    """The order and its payment at once."""
    return PayNewOrder(order or create_order(), payment or pay(FIRST, MERCHANT))


def settle(payment_id: str = FIRST, outcome: Outcome = Outcome.SUCCESS, turn: int = 0) -> SettlePayment:
    code = None if outcome is Outcome.SUCCESS else "UPI_DECLINED"
    return SettlePayment(ORDER, payment_id, outcome, code, None, "bank_1", DEADLINE, turn)


def act(payment_id: str = FIRST, minutes: int = 5, url: str = "https://bank.example/step") -> RequireAction:
    return RequireAction(
        ORDER, payment_id, NextAction(ActionType.REDIRECT, url, AT + timedelta(minutes=minutes, microseconds=1))
    )


def capture(payment_id: str = FIRST, amount: int | None = None, merchant: str = MERCHANT) -> CapturePayment:
    return CapturePayment(ORDER, payment_id, merchant, amount)


def refund(
    amount: Any = 20_000, refund_id: str = REFUND, payment_id: str = FIRST, merchant: str = MERCHANT, **more: Any
) -> CreateRefund:
    return CreateRefund(ORDER, payment_id, refund_id, merchant, amount, None, DEADLINE, **more)


def settle_refund(refund_id: str = REFUND, outcome: Outcome = Outcome.SUCCESS, turn: int = 0) -> SettleRefund:
    return SettleRefund(ORDER, refund_id, outcome, None, None, "bank_2", turn)


def timed(given: Command | Earlier) -> tuple[Command, datetime]:
    """The command, and when it is decided."""
    return (given.command, BEFORE) if isinstance(given, Earlier) else (given, AT)


Decide = Callable[[Order | None, Command, datetime], Decision | Rejected]


def after(*commands: Command | Earlier, rules: Any = real) -> Order | None:
    """The order that these commands lead to. `rules`: the module that decides (a mutant of domain.machine, say)."""
    order: Order | None = None
    for given in commands:
        command, at = timed(given)
        decided = rules.decide(order, command, at)
        assert hasattr(decided, "events"), f"the set-up command {command} was refused: {decided}"
        for event in decided.events:
            order = rules.evolve(order, event)
    return order


FAILED = Outcome.FAILED
LATE = (create_order(), pay(), settle(outcome=FAILED), settle(turn=1))
REVERSED = (create_order(), pay(), settle(), settle(outcome=FAILED, turn=1))
REPLACED = (
    *(create_order(), pay(), settle(), refund(AMOUNT), settle_refund(outcome=FAILED)),
    *(refund(AMOUNT, OTHER_REFUND), settle_refund(OTHER_REFUND)),
)
"""A refund failed, another one took its place."""
EXPIRING = (Earlier(create_order(expires_at=AT)),)
"""Its time is over at AT."""
UNCAPTURED = (Earlier(create_order(minutes=6)), Earlier(pay()), Earlier(settle()))
"""The time for its capture is over at AT."""
VOIDED = (create_order(), pay(), settle(), void())
NOT_AWAITED = (*EXPIRING, Earlier(pay(deadline_at=PAST)))
STATES: dict[str, tuple[Command | Earlier, ...]] = {
    "no order": (),
    "new": (create_order(),),
    "new in dollars": (create_order(currency="USD"),),
    "processing": (create_order(), pay()),
    "processing since its creation": (pay_new(),),
    "waiting for the payer": (create_order(), pay(), act()),
    "leaving": (create_order(), pay(), leave()),
    "leaving, waiting for the payer": (create_order(), pay(), act(), leave()),
    "not let go": (create_order(), pay(), act(), leave(), stay()),
    "left": (create_order(), pay(), act(), leave(), settle(outcome=FAILED)),
    "left, then paid another way": (
        *(create_order(), pay(), act(), leave(), settle(outcome=FAILED)),
        *(pay(SECOND), settle(SECOND)),
    ),
    "left, then charged all the same": (
        *(create_order(), pay(), act(), leave(), settle(outcome=FAILED)),
        *(pay(SECOND), settle(SECOND), settle(turn=1)),
    ),
    "paid": (create_order(), pay(), settle()),
    "captured": (create_order(), pay(), settle(), capture()),
    "failed": (create_order(), pay(), settle(outcome=FAILED)),
    "failed, then processing": (create_order(), pay(), settle(outcome=FAILED), pay(SECOND)),
    "failed, then paid": (create_order(), pay(), settle(outcome=FAILED), pay(SECOND), settle(SECOND)),
    "failed, then refunded": (
        *(create_order(), pay(), settle(outcome=FAILED), pay(SECOND), settle(SECOND)),
        refund(payment_id=SECOND),
    ),
    "late": LATE,
    "late, refund refused": (*LATE, settle_refund(LATE_REFUND, FAILED)),
    "late, every refund refused": (
        *LATE,
        *(
            command
            for number in range(1, LATE_REFUNDS_MAX)
            for command in (settle_refund(late_refund_id(FIRST, number), FAILED), settle(turn=1))
        ),
        settle_refund(late_refund_id(FIRST, LATE_REFUNDS_MAX), FAILED),
    ),
    "refund pending": (create_order(), pay(), settle(), refund()),
    "captured after a refund": (create_order(), pay(), settle(), refund(), capture()),
    "captured after a refund that fails": (
        *(create_order(), pay(), settle(), refund(), capture()),
        settle_refund(outcome=FAILED),
    ),
    "captured, then refunded in full": (create_order(), pay(), settle(), capture(), refund(None)),
    "refund processed": (create_order(), pay(), settle(), refund(), settle_refund()),
    "refund failed": (create_order(), pay(), settle(), refund(), settle_refund(outcome=FAILED)),
    "fully refunded": (create_order(), pay(), settle(), refund(AMOUNT), settle_refund()),
    "late, taken back": (*LATE, settle(outcome=FAILED, turn=2)),
    "late, refund refused, taken back": (*LATE, settle_refund(LATE_REFUND, FAILED), settle(outcome=FAILED, turn=2)),
    "late, second refund pending": (*LATE, settle_refund(LATE_REFUND, FAILED), settle(turn=1)),
    "late, first refund late, second refused": (
        *(*LATE, settle_refund(LATE_REFUND, FAILED), settle(turn=1), settle_refund(LATE_REFUND, turn=1)),
        settle_refund(late_refund_id(FIRST, 2), FAILED),
    ),
    "reversed": REVERSED,
    "reversed, then charged again": (*REVERSED, settle(turn=2)),
    "reversed, refund pending": (create_order(), pay(), settle(), refund(), settle(outcome=FAILED, turn=1)),
    "reversed after a capture": (create_order(), pay(), settle(), capture(), settle(outcome=FAILED, turn=1)),
    "refund late": (create_order(), pay(), settle(), refund(), settle_refund(outcome=FAILED), settle_refund(turn=1)),
    "refund bounced": (create_order(), pay(), settle(), refund(), settle_refund(), settle_refund(REFUND, FAILED, 1)),
    "refund replaced": REPLACED,
    "refund replaced, late": (*REPLACED, settle_refund(turn=1)),
    "new, expires later": (create_order(expires_at=AT + timedelta(minutes=6)),),
    "time over": EXPIRING,
    "time over, payment awaited": (*EXPIRING, Earlier(pay())),
    "time over, payment not awaited": NOT_AWAITED,
    "time over, payment failed": (*EXPIRING, Earlier(pay()), settle(outcome=FAILED)),
    "time over, paid": (*EXPIRING, Earlier(pay()), settle()),
    "captured by itself": (create_order(capture=CaptureMode.AUTOMATIC, minutes=6), pay(), settle()),
    "to capture by itself, processing": (create_order(capture=CaptureMode.AUTOMATIC), pay()),
    "captured in part": (create_order(), pay(), settle(), capture(amount=30_000)),
    "captured in part, refunded": (
        *(create_order(), pay(), settle(), capture(amount=30_000), settle_refund(LATE_REFUND)),
        refund(None),
    ),
    "captured in part, release refused": (
        *(create_order(), pay(), settle(), capture(amount=30_000)),
        settle_refund(LATE_REFUND, FAILED),
    ),
    "captured in part, first release late, second refused": (
        *(create_order(), pay(), settle(), capture(amount=30_000), settle_refund(LATE_REFUND, FAILED), settle(turn=1)),
        *(settle_refund(LATE_REFUND, turn=1), settle_refund(late_refund_id(FIRST, 2), FAILED)),
    ),
    "voided": VOIDED,
    "voided, release refused": (*VOIDED, settle_refund(LATE_REFUND, FAILED)),
    "voided, release refused, taken back": (
        *VOIDED,
        settle_refund(LATE_REFUND, FAILED),
        settle(outcome=FAILED, turn=1),
    ),
    "voided after a refund that failed, which came through": (
        *(create_order(), pay(), settle(), refund(AMOUNT), settle_refund(outcome=FAILED), void()),
        *(settle_refund(LATE_REFUND, FAILED), settle_refund(turn=1)),
    ),
    "time to capture": (create_order(minutes=6), pay(), settle()),
    "not captured in time": UNCAPTURED,
    "not captured in time, refund pending": (*UNCAPTURED, refund()),
    "not captured in time, refunded in part": (*UNCAPTURED, refund(), settle_refund()),
    "not captured in time, refunded": (*UNCAPTURED, refund(AMOUNT), settle_refund()),
    "not captured in time, taken back": (*UNCAPTURED, settle(outcome=FAILED, turn=1)),
    "expired uncaptured": (*UNCAPTURED, ExpirePayment(ORDER, FIRST)),
    "expired uncaptured after a refund": (*UNCAPTURED, refund(), settle_refund(), ExpirePayment(ORDER, FIRST)),
    "expired uncaptured after a refund that bounced": (
        *(*UNCAPTURED, refund(), settle_refund(), ExpirePayment(ORDER, FIRST)),
        settle_refund(outcome=FAILED, turn=1),
    ),
    "cancelled": (create_order(), cancel()),
    "cancelled after a failure": (create_order(), pay(), settle(outcome=FAILED), cancel()),
    "expired": (*EXPIRING, ExpireOrder(ORDER)),
    "expired, payment under way": (*NOT_AWAITED, ExpireOrder(ORDER)),
    "expired, then charged": (*NOT_AWAITED, ExpireOrder(ORDER), settle()),
    "link": (create_order(link=LINK),),
    "link sent too often": (create_order(link=LINK), *[resend()] * RESENT_MAX),
    "link, processing": (create_order(link=LINK, capture=CaptureMode.AUTOMATIC), resend(), pay()),
    "link, paid": (create_order(link=LINK), pay(), settle()),
    "link, time over": (Earlier(create_order(link=LINK, expires_at=AT)),),
    "link, cancelled": (create_order(link=LINK), cancel()),
}
COMMANDS: dict[str, Command] = {
    "create": create_order(),
    "create too small": create_order(99),
    "create too large": create_order(10**12 + 1),
    "create as stranger": create_order(merchant=STRANGER),
    "create to expire": create_order(expires_at=AT + timedelta(minutes=5)),
    "create to expire too soon": create_order(expires_at=AT + timedelta(minutes=5, microseconds=-1)),
    "create to expire too late": create_order(expires_at=AT + timedelta(days=180, microseconds=1)),
    "create a link": create_order(link=LINK, return_url="https://shop.example/thanks"),
    "send again": resend(),
    "send again as stranger": resend(STRANGER),
    "cancel": cancel(),
    "cancel as stranger": cancel(STRANGER),
    "expire": ExpireOrder(ORDER),
    "pay": pay(THIRD),
    "pay first": pay(),
    "pay by netbanking": replace(pay(THIRD), instrument=Netbanking("HDFC")),
    "pay as owner": pay(THIRD, MERCHANT),
    "pay as stranger": pay(THIRD, STRANGER),
    "pay other amount": pay(THIRD, amount=AMOUNT + 1),
    "pay other currency": pay(THIRD, currency="USD"),
    "pay same amount": pay(THIRD, amount=AMOUNT, currency="INR"),
    "pay with words": pay(
        THIRD, name="Asha", email="a@example.com", contact="+919876543210", description="Tea", notes={"a": "b"}
    ),
    "pay a new one": pay_new(payment=pay(THIRD, MERCHANT)),
    "pay a new one, first": pay_new(),
    "pay a new one as stranger": pay_new(create_order(merchant=STRANGER), pay(FIRST, STRANGER)),
    "pay a new one, too small": pay_new(create_order(99), pay(THIRD, MERCHANT)),
    "pay a new one, to expire too soon": pay_new(create_order(expires_at=AT), pay(THIRD, MERCHANT)),
    "pay a new one, other amount": pay_new(payment=pay(THIRD, MERCHANT, amount=AMOUNT + 1)),
    "pay a new one in dollars by netbanking": pay_new(
        create_order(currency="USD"), replace(pay(THIRD, MERCHANT), instrument=Netbanking("HDFC"))
    ),
    "succeed": settle(),
    "fail": settle(outcome=FAILED),
    "settle unknown": settle("pay_9999999999999999"),
    "payer must act": act(),
    "payer must act, an older step": act(minutes=4),
    "payer must act, a newer step": act(minutes=6),
    "payer must act, unknown": act("pay_9999999999999999"),
    "leave": leave(),
    "leave as owner": leave(merchant=MERCHANT),
    "leave as stranger": leave(merchant=STRANGER),
    "leave unknown": leave("pay_9999999999999999"),
    "the bank does not let go": stay(),
    "the bank does not let go, unknown": stay("pay_9999999999999999"),
    "capture": capture(),
    "capture same amount": capture(amount=AMOUNT),
    "capture other amount": capture(amount=1),
    "capture what a refund has left": capture(amount=AMOUNT - 20_000),
    "capture a part": capture(amount=10_000),
    "capture too much": capture(amount=AMOUNT + 1),
    "capture nothing": capture(amount=0),
    "void": void(),
    "void as stranger": void(merchant=STRANGER),
    "capture too late": ExpirePayment(ORDER, FIRST),
    "capture too late, unknown": ExpirePayment(ORDER, "pay_9999999999999999"),
    "create to capture": create_order(capture=CaptureMode.AUTOMATIC, minutes=6),
    "capture as stranger": capture(merchant=STRANGER),
    "refund": refund(refund_id=OTHER_REFUND),
    "refund first": refund(),
    "refund rest": refund(30_000, refund_id=OTHER_REFUND),
    "refund above rest": refund(30_001, refund_id=OTHER_REFUND),
    "refund above all": refund(AMOUNT + 1, refund_id=OTHER_REFUND),
    "refund all that is left": refund(None, refund_id=OTHER_REFUND, receipt="return-7", notes={"why": "torn"}),
    "refund 0": refund(0, refund_id=OTHER_REFUND),
    "refund -1": refund(-1, refund_id=OTHER_REFUND),
    "refund as stranger": refund(refund_id=OTHER_REFUND, merchant=STRANGER),
    "refund unknown": refund(refund_id=OTHER_REFUND, payment_id="pay_9999999999999999"),
    "refund succeeds": settle_refund(),
    "refund fails": settle_refund(outcome=FAILED),
    "late refund succeeds": settle_refund(LATE_REFUND),
    "succeed, turned once": settle(turn=1),
    "fail, turned once": settle(outcome=FAILED, turn=1),
    "succeed, turned twice": settle(turn=2),
    "fail, turned twice": settle(outcome=FAILED, turn=2),
    "succeed, turned thrice": settle(turn=3),
    "fail, turned thrice": settle(outcome=FAILED, turn=3),
    "refund succeeds, turned once": settle_refund(turn=1),
    "refund fails, turned once": settle_refund(outcome=FAILED, turn=1),
    "refund succeeds, turned twice": settle_refund(turn=2),
    "refund fails, turned twice": settle_refund(outcome=FAILED, turn=2),
    "late refund succeeds, turned once": settle_refund(LATE_REFUND, turn=1),
}


def cell_of(order: Order | None, command: Command, rules: Any = real) -> str:
    """What a decision comes to: event types, `nothing`, `outdated`, a refusal's description, or `broken`."""
    try:
        decided = rules.decide(order, command, AT)
    except AssertionError:
        return "broken"
    if not hasattr(decided, "events"):
        return str(decided.description)
    if decided.outdated:
        return "outdated"
    return " + ".join(str(event.type) for event in decided.events) or "nothing"
