"""Records on the gateway's topics that no part of it wrote: null values and headers, bytes that are no text, JSON of
another shape, a command that no database can hold. None of them may stop a partition, and each ends as a dead letter.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from aiokafka import TopicPartition

from domain.event import EventType
from domain.order import CreateOrder
from topics.catalogue import COMMANDS, DELIVERIES, EVENTS, PAYMENTS_DLQ, RETRY_PREFIX, WEBHOOKS_DLQ
from topics.codec import ORDER_CREATE, command_envelope
from topics.delivery import DELIVERY_ATTEMPT
from topics.envelope import HEADER_REPLY_TO, HEADER_TYPE, encode

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
    """The creation of an order, by no merchant that there is."""
    command = CreateOrder(ORDER_ID, "nobody", 500, "INR", receipt, {})
    return encode(command_envelope(command, command_id="stranger", at=AT, request_id=None))


def _strange(kind: str) -> tuple[Strange, ...]:
    """What may come to a topic whose records are of this kind."""
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
    places = [place for topic in _topics(world) for place in world.broker.places(topic)]
    place = places[int(chance * len(places))]
    found = _records_for(place)
    world.broker.append_strange(place, found[int(which * len(found))])


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
