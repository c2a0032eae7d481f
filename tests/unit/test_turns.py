"""Round robin keeps each owner's order, loses nothing, and delays no owner by another's crowd."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from agents.webhooks.planner import Read, drafts_in_turn
from domain.turns import in_turn
from store.webhooks.plan import Target
from topics.envelope import Envelope
from topics.events import event_of

items = st.lists(st.tuples(st.sampled_from("abcde"), st.integers()))
AT = datetime(2030, 1, 31, tzinfo=UTC)


@given(items)
def test_nothing_is_lost_and_every_owner_keeps_its_order(line: list[tuple[str, int]]) -> None:
    turned = in_turn(line, lambda item: item[0])
    for owner in "abcde":
        assert [item for item in turned if item[0] == owner] == [item for item in line if item[0] == owner]
    assert len(turned) == len(line)


@given(items)
def test_before_an_owners_nth_item_stand_at_most_n_of_any_other(line: list[tuple[str, int]]) -> None:
    seen = dict.fromkeys("abcde", 0)
    for owner, _ in in_turn(line, lambda item: item[0]):
        seen[owner] += 1
        assert max(seen.values()) <= seen[owner]


def read(merchant: str, number: int) -> Read:
    payment = {"id": f"pay_{number}"}
    body = {"merchant_id": merchant, "order_id": f"order_{number}", "sequence": 1, "payment": payment}
    name = f"evt_{merchant}{number}"
    envelope = Envelope(name, "payment.success", 1, "k", AT, request_id=None, caused_by=None, body=body)
    return Read(event_of(envelope), b"{}", None)


def test_a_merchant_with_many_endpoints_and_events_does_not_hold_up_the_next_one() -> None:
    noisy = [Target(f"whe_{n}", "noisy", ("payment.success",), "none", active=True) for n in range(20)]
    quiet = [Target("whe_quiet", "quiet", ("payment.success",), "none", active=True)]
    events = [*(read("noisy", n) for n in range(100)), read("quiet", 1)]
    drafts = drafts_in_turn(events, {"noisy": noisy, "quiet": quiet})
    assert len(drafts) == 2_001
    assert [draft.merchant_id for draft in drafts].index("quiet") == 1
