"""Which orders were erased, on a separate topic: after the restore of an older database they are erased again.

    erasure_record(order id) ─► payments.erasures.v1 ─► erased_orders(settings)

A record contains only the order's id.
"""

from __future__ import annotations

from datetime import datetime

from domain.ids import ORDER, is_id
from runtime.settings import Settings
from topics.catalogue import ERASURES, SMALL_PARTITIONS, partition_of
from topics.envelope import FIRST_VERSION, HEADER_TYPE, Envelope, encode
from topics.producer import Record
from topics.reader import Start, log_reader

ORDER_ERASED = "order.erased"


def erasure_record(order_id: str, *, at: datetime) -> Record:
    """The same order may be erased twice: its records have one id."""
    envelope = Envelope(
        id=f"ers_{order_id[-16:]}",
        type=ORDER_ERASED,
        version=FIRST_VERSION,
        key=order_id,
        at=at,
        request_id=None,
        caused_by=None,
        body={"order_id": order_id},
    )
    key = order_id.encode()
    return Record(
        ERASURES,
        partition_of(key, SMALL_PARTITIONS),
        key,
        encode(envelope),
        [(HEADER_TYPE, ORDER_ERASED.encode())],
    )


async def erased_orders(settings: Settings) -> list[str]:
    """Ids of all orders that were ever erased, oldest first, each once. Raises KafkaError or TimeoutError."""
    found: dict[str, None] = {}
    async with log_reader(settings) as reader:
        spans = await reader.spans(await reader.partitions([ERASURES]), Start())
        async for record in reader.merged(spans):
            envelope = record.envelope
            if envelope is not None and envelope.type == ORDER_ERASED and is_id(ORDER, envelope.key):
                found[envelope.key] = None
    return list(found)
