"""Deciding a batch without a database: which reply counts, what raises an alarm, and what must be read first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson

from agents.payments.fold import KEEP_AFTER, Known, fold
from agents.payments.intake import Incoming, Received
from domain.decision import Command
from domain.order import Order
from store.actor import Inbox, StoredCommand
from store.redis.replies import Flag
from tests.unit.orders import AT, FIRST, MERCHANT, ORDER, SECOND, after, create_order, pay, pay_new, settle
from topics.catalogue import COMMANDS
from topics.codec import command_envelope
from topics.deadletter import Origin

LOGGED_AT = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)


def requested(
    command: Command, command_id: str = "cmd_1", nonce: str = "", fingerprint: dict[str, str] | None = None
) -> Received:
    envelope = command_envelope(
        command, command_id=command_id, at=AT, request_id="req_1", nonce=nonce, fingerprint=fingerprint
    )
    incoming = Incoming(ORDER.encode(), b"", (), Origin(COMMANDS, 0, 0), LOGGED_AT)
    return Received(envelope, command, "api-0", incoming, incoming.origin.partition)


def stored(command_id: str, nonce: str, *, rejected: bool, age: timedelta = timedelta()) -> StoredCommand:
    reply = '{"code":"BAD_REQUEST_ERROR","description":"no","field":null}' if rejected else '{"id":"stored"}'
    return StoredCommand(command_id, ORDER, nonce, None, rejected, reply, (), None, None, LOGGED_AT - age)


def inbox(*commands: StoredCommand) -> Inbox:
    made = Inbox()
    for command in commands:
        made.add(command)
    return made


def read(*commands: Command, known: Inbox | None = None) -> Known:
    """The order that these commands lead to, read for this batch."""
    return Known(known or Inbox(), {ORDER: after(*commands)}, {ORDER})


def cached(order: Order | None, known: Inbox | None = None) -> Known:
    return Known(known or Inbox(), {ORDER: order}, set())


NOT_READ = Known(Inbox(), {}, set())


def test_a_request_gets_its_own_refusal_although_the_command_was_accepted_since() -> None:
    known = inbox(stored("k", "n1", rejected=True), stored("k", "n2", rejected=False))
    folded = fold([requested(pay(), "k", nonce) for nonce in ("n1", "n2", "n3")], read(create_order(), known=known))
    assert [reply.flag for reply in folded.replies["api-0"]] == [Flag.REJECTED, Flag.ACCEPTED, Flag.REPEATED]
    assert not folded.batch


def test_another_requests_refusal_is_not_a_reply() -> None:
    known = inbox(stored("k", "n1", rejected=True))
    folded = fold([requested(pay(), "k", "n2")], read(create_order(), known=known))
    assert [row.rejected for row in folded.batch.commands] == [False]
    assert [reply.nonce for reply in folded.replies["api-0"]] == ["n2"]


def test_two_refused_requests_with_one_key_are_two_rows() -> None:
    folded = fold([requested(pay(SECOND), "k", nonce) for nonce in ("n1", "n2", "n1")], read(create_order(), pay()))
    assert [(row.nonce, row.rejected) for row in folded.batch.commands] == [("n1", True), ("n2", True)]
    assert [reply.flag for reply in folded.replies["api-0"]] == [Flag.REJECTED] * 3


def test_a_settlement_of_an_unknown_attempt_is_set_aside_and_leaves_no_row() -> None:
    folded = fold([requested(settle())], read(create_order()))
    assert [broken.reason for broken in folded.broken] == ["unknown_attempt"]
    assert not folded.batch


def test_a_settlement_that_the_cache_cannot_place_waits_for_the_database() -> None:
    folded = fold([requested(settle())], cached(after(create_order())))
    assert (folded.unread, folded.broken) == ({ORDER}, [])


def test_what_breaks_on_a_cached_order_is_read_before_it_is_given_up() -> None:
    broken = after(create_order(), pay())
    assert broken is not None
    paid = after(create_order(), pay(), settle())
    assert paid is not None
    impossible = Order(**{name: getattr(broken, name) for name in Order.__slots__} | {"status": paid.status})
    assert fold([requested(settle())], cached(impossible)).unread == {ORDER}
    folded = fold([requested(settle())], Known(Inbox(), {ORDER: impossible}, {ORDER}))
    assert [one.reason for one in folded.broken] == ["invariant_broken"]


def test_only_the_creation_of_an_order_is_decided_on_an_order_that_was_not_read() -> None:
    assert fold([requested(pay())], NOT_READ).unread == {ORDER}
    assert fold([requested(settle())], NOT_READ).unread == {ORDER}
    assert fold([requested(create_order(99))], NOT_READ).unread == {ORDER}
    folded = fold([requested(create_order()), requested(pay(), "cmd_2")], NOT_READ)
    assert (folded.unread, len(folded.batch.events)) == (set(), 3)


def test_a_repeated_creation_leaves_the_order_behind_it_unread() -> None:
    known = Known(inbox(stored("k", "n1", rejected=False)), {}, set())
    folded = fold([requested(create_order(), "k", "n2"), requested(settle(), "cmd_2")], known)
    assert folded.unread == {ORDER}


def test_an_acceptance_is_renewed_by_a_request_that_is_much_younger() -> None:
    for age, kept in ((KEEP_AFTER, set()), (KEEP_AFTER + timedelta(seconds=1), {"k"})):
        known = inbox(stored("k", "n1", rejected=False, age=age))
        assert fold([requested(pay(), "k", "n2")], read(create_order(), known=known)).batch.kept == kept
        assert fold([requested(pay(), "k", "n1")], read(create_order(), known=known)).batch.kept == set()


def test_a_creation_of_a_known_id_is_accepted_without_an_event() -> None:
    folded = fold([requested(pay(), "cmd_2")], read(create_order(), pay()))
    (row,) = folded.batch.commands
    assert (row.rejected, row.event_count) == (False, 0)
    assert FIRST in row.reply


def test_an_order_is_created_and_paid_in_one_batch_without_being_read() -> None:
    folded = fold([requested(pay_new(), "k", "n1")], NOT_READ)
    assert not folded.unread
    (command,) = folded.batch.commands
    assert (command.type, command.first_sequence, command.event_count) == ("payment.create_with_order", 1, 3)
    assert [event.type for event in folded.batch.events] == ["order.created", "payment.created", "payment.processing"]
    assert (list(folded.batch.orders), list(folded.batch.payments)) == ([ORDER], [FIRST])
    assert orjson.loads(folded.replies["api-0"][0].body)["id"] == FIRST


def test_a_payment_that_is_refused_leaves_no_order() -> None:
    refused = requested(pay_new(payment=pay(FIRST, MERCHANT, amount=1)), "k", "n1")
    # Nobody has read whether the order exists, and only then is the refusal certain.
    assert fold([refused], NOT_READ).unread == {ORDER}
    folded = fold([refused], Known(Inbox(), {ORDER: None}, {ORDER}))
    assert [(one.rejected, one.event_count) for one in folded.batch.commands] == [(True, 0)]
    assert not (folded.batch.events or folded.batch.orders or folded.batch.payments)
    assert [reply.flag for reply in folded.replies["api-0"]] == [Flag.REJECTED]
