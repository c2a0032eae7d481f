"""A record on the events topic that no role of this gateway wrote: an operator declares it foreign, by its event id.

A log cannot be edited, and the fence cannot distinguish a forged event from one that the database has lost. So an
operator decides. An event whose command is on the log is recovered instead, unless `force` confirms that this was
tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.ids import event_id
from ops.audit.recover.survey import portions, seen_event, survey, unknown_spans
from ops.console.errors import GatewayError
from runtime.settings import Settings
from store.log.log_tail import SeenEvent, disown, strange_events
from store.operations.recover import Recovery
from topics.reader import log_reader


@dataclass(frozen=True, slots=True)
class ForeignRecord:
    """Its position on the events topic."""

    partition: int
    offset: int


async def disown_event(
    settings: Settings, recovery: Recovery, identity: tuple[str, int], note: str, *, apply: bool, force: bool = False
) -> list[ForeignRecord]:
    """Every record of this event that differs from the table. `apply`: they count as foreign from now on.

    Raises GatewayError if there is none, or, without `force`, if its command is on the log.
    """
    await survey(settings, recovery)
    named = event_id(*identity)
    if not force and await recovery.is_caused(identity):
        raise GatewayError(
            f"The command that {named} names is on the log: `gateway recover --apply` recovers the event. "
            "If that left the event out, repeat this with --force."
        )
    found = await _strange_records(settings, recovery, identity)
    if not found:
        raise GatewayError(
            f"No record of {named} on the events topic differs from the events table; "
            "`gateway recover` lists those that do."
        )
    if apply:
        await disown(recovery.connection, list(found.values()), note)
    return [ForeignRecord(*place) for place in found]


async def _strange_records(
    settings: Settings, recovery: Recovery, identity: tuple[str, int]
) -> Mapping[tuple[int, int], SeenEvent]:
    found: dict[tuple[int, int], SeenEvent] = {}
    async with log_reader(settings) as reader:
        async for records in portions(reader, await unknown_spans(reader, recovery), "events compared"):
            for record in records:
                event = seen_event(record.value)
                if event is not None and event.identity == identity:
                    found[record.partition, record.offset] = event
    strange = await strange_events(recovery.connection, list(found.values()))
    return {place: event for place, event in found.items() if event in strange}
