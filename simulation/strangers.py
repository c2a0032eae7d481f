"""Records on the gateway's topics that no role wrote: null values and headers, bytes that are not text, JSON of
another shape, a command that no database can hold, reports of the bank about existing attempts. None of them may stop
a partition or move money, and each ends as a dead letter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from aiokafka import TopicPartition
from pydantic import SecretStr

from domain.action import ActionType, NextAction
from domain.decision import BankWord
from domain.event import EventType
from domain.ids import REFUND
from domain.order import CreateOrder
from domain.outcome import Outcome
from domain.payment import RequireAction, SettlePayment
from domain.refund import SettleRefund
from runtime.keyring import GatewayKey, KeyRing
from topics.catalogue import COMMANDS, DELIVERIES, EVENTS, PAYMENTS_DLQ, RETRY_PREFIX, WEBHOOKS_DLQ
from topics.codec import ORDER_CREATE, TURN_MAX, command_envelope
from topics.commands import command_record
from topics.delivery import DELIVERY_ATTEMPT
from topics.envelope import HEADER_REPLY_TO, HEADER_TYPE, encode
from topics.producer import Record
from topics.proof import HEADER_SIGNATURE, signed

if TYPE_CHECKING:
    from simulation.world import World

ORDER_ID = "order_0000000000000000"
AT = datetime(2026, 1, 1, 0, 20, 0, 1, tzinfo=UTC)


class Strange(NamedTuple):
    """A record's key, value and headers."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, Any], ...]


def _envelope(kind: str, body: object) -> bytes:
    fields = {"id": "stranger", "type": kind, "v": 1, "key": ORDER_ID, "at": AT, "request_id": None, "caused_by": None}
    return orjson.dumps(fields | {"body": body})


def _order(receipt: str | None) -> bytes:
    """The creation of an order by an unknown merchant."""
    command = CreateOrder(ORDER_ID, "nobody", 500, "INR", receipt, {})
    return encode(command_envelope(command, command_id="stranger", at=AT, request_id=None))


def _strange(kind: str) -> tuple[Strange, ...]:
    """What may appear on a topic whose records are of this kind."""
    named = ((HEADER_TYPE, kind.encode()),)
    return (
        Strange(None, None, named),
        Strange(b"\xfe\xff", b"\xff\xfe\x00 no text", named),
        Strange(b"stranger", b"[" * 200 + b"]" * 200, named),
        Strange(b"stranger", b'{"id": 7, "type": null}', named),
        Strange(b"", b"no JSON", ((HEADER_TYPE, None), (HEADER_TYPE, kind.encode()), (HEADER_REPLY_TO, None))),
        Strange(ORDER_ID.encode(), _envelope(kind, {}), named),
        Strange(ORDER_ID.encode(), _envelope(kind, {"sequence": "first", "order_id": None, "attempt": -1}), named),
    )


COMMANDS_ONLY = (
    Strange(ORDER_ID.encode(), _order("\0"), ((HEADER_TYPE, ORDER_CREATE.encode()),)),
    Strange(ORDER_ID.encode(), _order(None), ((HEADER_TYPE, ORDER_CREATE.encode()), (HEADER_REPLY_TO, b"\xff"))),
    Strange(b"another key", _order(None), ((HEADER_TYPE, ORDER_CREATE.encode()),)),
)
"""Commands that can be read up to a point: a NUL that no text of the database holds, a worker's name that is no text,
a key that is not the envelope's."""


def strike(world: World, chance: float, which: float) -> None:
    """Put a stranger's record onto a topic. `chance` picks the partition, `which` the record."""
    if which < FORGED_SHARE and (forged := _forged(world, chance, which / FORGED_SHARE)) is not None:
        world.broker.append_strange(*forged, forged=True)
        return
    places = [place for topic in _topics(world) for place in world.broker.places(topic)]
    place = places[int(chance * len(places))]
    found = _records_for(place)
    world.broker.append_strange(place, found[int(which * len(found))])


def _forged(world: World, chance: float, which: float) -> tuple[TopicPartition, Strange] | None:
    """A report of the bank that the bank never sent; None while there is no attempt. `chance` picks the attempt,
    `which` the forgery."""
    attempts = _attempts(world)
    if not attempts:
        return None
    attempt = attempts[int(chance * len(attempts))]
    manner = list(FORGERIES)[int(which * len(FORGERIES))]
    record = FORGERIES[manner](world, _word_about(attempt, which))
    world.trace.note("stranger", f"forges a word about {attempt['id']}: {manner}", attempt["id"])
    return TopicPartition(COMMANDS, record.partition), Strange(record.key, record.value, tuple(record.headers))


def _attempts(world: World) -> list[Any]:
    """Undecided payments and refunds, or all of them where none is."""
    rows = [*world.database.tables["payments"].values(), *world.database.tables["refunds"].values()]
    return [row for row in rows if row["status"] in UNDECIDED] or rows


def _word_about(attempt: Any, which: float) -> BankWord:
    """A success, a failure or a step to take, as the latest turn of the bank's report."""
    order_id, attempt_id = attempt["order_id"], attempt["id"]
    outcome, turn = (Outcome.SUCCESS, 0) if int(which * 1_000) % 2 else (Outcome.FAILED, TURN_MAX)
    code = None if outcome is Outcome.SUCCESS else "BANK_TIMEOUT"
    if attempt_id.startswith(REFUND):
        return SettleRefund(order_id, attempt_id, outcome, code, None, FORGED, turn)
    if int(which * 10_000) % 5 == 0:
        step = NextAction(ActionType.REDIRECT, f"https://{FORGED}/", AT + timedelta(days=1))
        return RequireAction(order_id, attempt_id, step)
    return SettlePayment(order_id, attempt_id, outcome, code, None, FORGED, AT + timedelta(days=1), turn)


def _unsigned(world: World, word: BankWord) -> Record:
    """Under the id that the gateway would give it."""
    attempt_id = word.refund_id if isinstance(word, SettleRefund) else word.payment_id
    outcome = word.outcome if isinstance(word, SettlePayment | SettleRefund) else "step"
    return command_record(
        word,
        command_id=f"stl_{attempt_id}_{outcome}",
        at=AT,
        partitions=world.settings.topic_partitions,
        request_id=None,
    )


def _signed_by_a_stranger(world: World, word: BankWord) -> Record:
    return signed(_unsigned(world, word), STRANGERS)


def _with_a_stolen_signature(world: World, word: BankWord) -> Record:
    """The signature of the log's latest genuine report."""
    stolen = [
        header
        for message in world.broker.of_topic(COMMANDS)
        for header in message.headers
        if header[0] == HEADER_SIGNATURE
    ]
    record = _unsigned(world, word)
    return replace(record, headers=[*record.headers, *stolen[-1:]])


STRANGERS = KeyRing((GatewayKey("stranger", SecretStr("a key that only a stranger knows")),))
FORGED = "forged"
"""In every text of a forged report: wherever it appears, the report was believed."""
FORGED_SHARE = 0.35
UNDECIDED = frozenset({"CREATED", "PROCESSING", "PENDING"})
FORGERIES: dict[str, Callable[[World, BankWord], Record]] = {
    "unsigned": _unsigned,
    "signed with a key of its own": _signed_by_a_stranger,
    "with the signature of another word": _with_a_stolen_signature,
}


def _topics(world: World) -> list[str]:
    """Commands and events more often than the rest."""
    topics = [COMMANDS, COMMANDS, COMMANDS, EVENTS, EVENTS, PAYMENTS_DLQ]
    if world.plan.webhooks:
        tiers = [name for name in world.broker.topics if name.startswith(RETRY_PREFIX)]
        topics += [DELIVERIES, DELIVERIES, DELIVERIES, WEBHOOKS_DLQ, *tiers]
    return topics


def _records_for(place: TopicPartition) -> tuple[Strange, ...]:
    if place.topic == COMMANDS:
        return _strange(ORDER_CREATE) + COMMANDS_ONLY
    return _strange(EventType.PAYMENT_PROCESSING if place.topic == EVENTS else DELIVERY_ATTEMPT)
