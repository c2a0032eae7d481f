"""docs/reference/EVENTS.md: every event, what it means, and whether webhooks carry it."""

from __future__ import annotations

from domain.event_kind import ENDPOINT_DISABLED, ENDPOINT_RECOVERED, EVENT_KINDS, TEST_EVENT, EventKind
from ops.log.schemas import RECORD_KINDS
from ops.reference.page import code, page, table

INTRODUCTION = """An event is a fact that never changes. The event feed (`GET /api/v1/events`), live streams and
webhooks carry the same events in the same shape; `payments.events.v1` keeps all of them for ever. *Webhook* shows
which events an endpoint receives: *always* without a filter of its own, *on request* when its filter lists them."""
OFF_THE_LOG = {
    TEST_EVENT: "You sent yourself a test",
    ENDPOINT_DISABLED: "Another endpoint of yours was disabled",
    ENDPOINT_RECOVERED: "Another endpoint of yours is enabled again",
}


def events_page() -> str:
    """The whole page."""
    meanings = {kind.type: kind.summary for kind in RECORD_KINDS} | OFF_THE_LOG
    rows = [(code(kind.type), meanings[kind.type], _webhook(kind), _sample(kind.type)) for kind in EVENT_KINDS]
    rows.append((code(TEST_EVENT), meanings[TEST_EVENT], "when you send one", ""))
    return page(
        "Events",
        "`domain/event_kind.py` and `topics/schemas`",
        INTRODUCTION,
        table(("event", "what happened", "webhook", "on the log"), rows),
        "What an endpoint has to do with them: [Webhooks](../WEBHOOKS.md). What leads to which: [States](STATES.md).",
    )


def _webhook(kind: EventKind) -> str:
    if kind.default:
        return "always"
    return "on request" if kind.for_merchants else "never"


def _sample(event: str) -> str:
    if event in OFF_THE_LOG:
        return ""
    return f"[sample](../../topics/samples/{event}.json)"
