"""When the bank is queried again, and how many questions may be under way: back-off, round robin, bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.sweeper.slots import Slots
from domain.question import EFFECT_SECONDS, WAIT_SECONDS_MAX, Kind, Question, wait_seconds
from tests.unit.orders import after, create_order, pay


def question(number: int, merchant: str = "a", *, route: str = "upi", **more: int) -> Question:
    order = after(create_order(), pay())
    assert order is not None
    payment = replace(order.payments[0], id=f"pay_{number}", merchant_id=merchant)
    return Question(Kind.PAYMENT, payment, route, **more)


def test_a_silent_bank_is_queried_half_as_often_each_time_up_to_every_five_minutes() -> None:
    waits = [wait_seconds(asked, answered=False) for asked in range(1, 11)]
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


@pytest.mark.parametrize("asked", [1_000, 10**9])
def test_no_number_of_questions_exceeds_the_bound(asked: int) -> None:
    assert wait_seconds(asked, answered=False) == WAIT_SECONDS_MAX


def test_the_actor_has_time_to_act_on_a_response() -> None:
    assert wait_seconds(1, answered=True) == EFFECT_SECONDS
    assert wait_seconds(8, answered=True) == 256


def test_each_response_without_effect_gets_its_own_command() -> None:
    payment = question(1).subject
    open_ones = [Question(Kind.PAYMENT, payment, "upi", answered=answered).again for answered in range(3)]
    assert open_ones == ["", "again1", "again2"]
    returns = [
        Question(Kind.RETURN, replace(payment, version=version), "upi", answered=answered).again
        for version in (5, 7)
        for answered in (0, 1)
    ]
    assert returns == ["return5", "return5_again1", "return7", "return7_again1"]
    assert not set(open_ones) & set(returns)


def test_a_full_route_leaves_room_on_the_others() -> None:
    slots = Slots(route_max=2, merchant_max=2)
    silent = [question(number, f"m{number}", route="card") for number in range(5)]
    healthy = question(9, "m0", route="upi")
    taken, left = slots.take([*silent, healthy])
    assert taken == [*silent[:2], healthy]
    assert left == silent[2:]


def test_a_merchant_with_hundreds_leaves_room_for_the_next() -> None:
    slots = Slots(route_max=10, merchant_max=3)
    many = [question(number, "a") for number in range(100)]
    other = question(200, "b")
    taken, left = slots.take([*many, other])
    assert taken == [*many[:3], other]
    assert len(left) == 97


def test_an_ended_question_frees_its_slot_and_one_under_way_is_not_sent_twice() -> None:
    slots = Slots(route_max=1, merchant_max=1)
    first, second = question(1), question(2)
    assert slots.take([first, second]) == ([first], [second])
    assert slots.take([first, second]) == ([], [second])
    slots.free(first)
    assert slots.take([second]) == ([second], [])
    assert len(slots) == 1
