"""topic ─► rebuild.history ─► fold, an order at a time ─► rebuild.orders, payments, refunds ─► beside the live rows

Constant memory: the log is copied in chunks, sorted by PostgreSQL, and folded in windows of whole orders.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import astuple, dataclass, field
from typing import Any

import orjson

from ops.audit.recover.restoration import proved_commands
from ops.audit.verify.findings import Finding
from ops.audit.verify.fold import fold
from ops.audit.verify.rows import COLUMNS, order_row, payment_row, refund_row
from ops.audit.verify.topic import IDENTITY, TopicReader, TopicReport
from runtime.settings import Settings
from store.driver import Connection
from store.operations.rebuild import COMMAND_COLUMNS, TABLES, Difference, Shadow

COMMANDS = "commands"


@dataclass(slots=True)
class Rebuilt:
    """The result of a rebuild."""

    events: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    broken: dict[str, Finding] = field(default_factory=dict)
    """Order -> the first rule that the log's history of it breaks: its rows are not swapped."""
    missing_events: int = 0
    missing_commands: int = 0
    """Acceptances that the events prove and the inbox lacks."""
    seconds: float = 0.0

    @property
    def moved_on(self) -> int:
        return sum(one.moved_on for one in self.differences)

    @property
    def differing(self) -> list[Difference]:
        return [one for one in self.differences if not one.moved_on]


async def rebuild(settings: Settings, connection: Connection) -> Rebuilt:
    """Fill the schema `rebuild` and compare. Raises DatabaseError, aiokafka's errors, TimeoutError, OSError."""
    rebuilt, started = Rebuilt(), time.monotonic()
    shadow = Shadow(connection)
    await shadow.prepare()
    reader = TopicReader(settings, TopicReport())
    await reader.start(None)
    try:
        await shadow.fill_history(_history_lines(reader))
    finally:
        await reader.stop()
    async with shadow.with_memory():
        await _fold_all(shadow, rebuilt)
    await shadow.finish()
    rebuilt.seconds = time.monotonic() - started
    for table in TABLES:
        rebuilt.rows[table] = await shadow.count(table)
        rebuilt.differences += await shadow.differences(table)
    rebuilt.missing_events, rebuilt.missing_commands = await shadow.missing(
        list(rebuilt.broken), settings.idempotency_retention_days
    )
    return rebuilt


async def _history_lines(reader: TopicReader) -> AsyncIterator[bytes]:
    """COPY lines. JSON holds no raw tab or line feed; its backslashes are doubled for the text format."""
    async for _, messages in reader.portions():
        lines = []
        for message in messages:
            found = IDENTITY.match(message.value or b"")
            if found is not None:
                payload = message.value.replace(b"\\", b"\\\\")
                lines.append(b"order_%b\t%b\t%b\n" % (found[1], found[2], payload))
        yield b"".join(lines)


async def _fold_all(shadow: Shadow, rebuilt: Rebuilt) -> None:
    order_id = ""
    events: list[dict[str, Any]] = []
    rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in (*TABLES, COMMANDS)}
    async for portion in shadow.history():
        for row in portion:
            if row[0] != order_id:
                _fold_one(order_id, events, rows, rebuilt)
                order_id, events = row[0], []
            events.append(orjson.loads(row[1]))
        rebuilt.events += len(portion)
        await _flush(shadow, rows)
    _fold_one(order_id, events, rows, rebuilt)
    await _flush(shadow, rows)


def _fold_one(
    order_id: str, events: list[dict[str, Any]], rows: dict[str, list[tuple[Any, ...]]], rebuilt: Rebuilt
) -> None:
    if not events:
        return
    book = fold(order_id, events)
    if book.findings:
        rebuilt.broken[order_id] = book.findings[0]
    if book.order is None:
        return
    if not book.findings:
        rows[COMMANDS] += [astuple(one) for one in proved_commands(order_id, book, events)]
    rows["orders"].append(order_row(book))
    rows["payments"] += [payment_row(part) for part in book.payments.values()]
    rows["refunds"] += [refund_row(part, order_id) for part in book.refunds.values()]


async def _flush(shadow: Shadow, rows: dict[str, list[tuple[Any, ...]]]) -> None:
    await shadow.add(COMMANDS, COMMAND_COLUMNS, rows[COMMANDS])
    rows[COMMANDS].clear()
    for table in TABLES:
        await shadow.add(table, COLUMNS[table], rows[table])
        rows[table].clear()
