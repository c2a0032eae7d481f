"""The conditions at rest, whatever went wrong. Judged from outside: the clients' responses, the tables, the log, the
bank's books, and the received webhooks.

    judge(world, shop, settled) -> violations, each with the promise that was broken

Promises to clients are in simulation/promises.py, those about webhooks and counters in simulation/afterwards.py.
"""

from __future__ import annotations

import traceback
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import orjson

from domain.action import ActionType
from domain.outcome import Outcome
from domain.refund import LATE_REFUNDS_MAX
from domain.resource import resource_of
from ops.audit.verify.chained import AuditChains
from ops.audit.verify.fold import Book, fold
from simulation.clock import EPOCH
from simulation.merchants import MERCHANTS
from simulation.promises import Decided, Facts, Findings, Violation, judge_clients
from simulation.rest import uncommitted
from simulation.strangers import FORGED
from simulation.workload import PERSONAL, Shop
from store.rows import order_of, payment_of, refund_of
from topics.catalogue import COMMANDS, DELIVERIES, EVENTS, PAYMENTS_DLQ, WEBHOOKS_DLQ
from topics.deadletter import REASON_FORGED, home_of
from topics.envelope import encode_json

if TYPE_CHECKING:
    from simulation.world import World

KEPT = (COMMANDS, EVENTS, PAYMENTS_DLQ, DELIVERIES, WEBHOOKS_DLQ)
"""Topics that contain something of a payer."""
SWEPT_SECONDS_MAX = 12.0
"""Between an attempt's deadline and the sweeper's first question. A silent bank holds a question for twice as
long."""


def judge(world: World, shop: Shop, settled: bool) -> list[Violation]:
    """All promises that this world broke."""
    found = Findings()
    books = _histories(world, found)
    _rows(world, books, found)
    _topic(world, found)
    _commands(world, found)
    judge_clients(_facts(world), shop, found)
    _bank(world, found)
    _codes(world, found)
    _seals(world, found)
    _open(world, found)
    _strangers(world, found)
    _forgeries(world, found)
    _audit_log(world, found)
    _fairness(world, found)
    if settled:
        _offsets(world, found)
    if not settled and not found.violations:
        found.add("comes to rest", "; ".join(world.unsettled[:5]) or "nobody knows what is open")
    for failure in world.scheduler.failures:
        if "never retrieved" not in str(failure.get("message")):
            found.add("no crash unseen", f"{failure.get('message')} {_described(failure.get('exception'))}")
    return found.violations


def _described(error: BaseException | None) -> str:
    """The error and the innermost lines that raised it."""
    if error is None:
        return ""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_described(part) for part in error.exceptions)
    lines = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-3:]]
    return f"{error!r} in {' > '.join(lines)}"


def _histories(world: World, found: Findings) -> dict[str, Book]:
    """The rules of `gateway verify`, by its own fold."""
    by_order: dict[str, list[Any]] = defaultdict(list)
    for (order_id, _), row in sorted(world.database.tables["events"].items()):
        by_order[order_id].append(orjson.loads(row["payload"]))
    books = {}
    for order_id, events in by_order.items():
        book = books[order_id] = fold(order_id, events)
        for finding in book.findings:
            found.add(f"legal {finding.check}", f"{finding.subject} {finding.message}", order_id)
    return books


def _rows(world: World, books: dict[str, Book], found: Findings) -> None:
    """Rows are the fold of the events."""
    expected: dict[str, tuple[Any, str]] = {}
    for order_id, book in books.items():
        if book.order is not None:
            expected[order_id] = (book.order, order_id)
        for part_id, part in (book.payments | book.refunds).items():
            expected[part_id] = (part.resource, order_id)
    rows: dict[str, Any] = {}
    for table, read in (("orders", order_of), ("payments", payment_of), ("refunds", refund_of)):
        for key, row in world.database.tables[table].items():
            rows[key] = orjson.loads(encode_json(resource_of(read(row))))  # type: ignore[arg-type]  # rows of ours
    for key in sorted(expected.keys() | rows.keys()):
        folded, order_id = expected.get(key, (None, rows.get(key, {}).get("order_id", "")))
        if folded != rows.get(key):
            found.add("state = fold", f"{key}: row {rows.get(key)} fold {folded}", order_id)


def _topic(world: World, found: Findings) -> None:
    """The events topic and the table hold the same events, each with one content, first sights in sequence."""
    stored = {orjson.loads(row["payload"])["id"]: row for row in world.database.tables["events"].values()}
    seen: dict[str, bytes] = {}
    last: dict[str, int] = defaultdict(int)
    for message in world.broker.of_topic(EVENTS):
        assert message.value is not None
        event = orjson.loads(message.value)
        event_id, key, sequence = event["id"], event["key"], event["body"]["sequence"]
        if seen.setdefault(event_id, message.value) != message.value:
            found.add("one event, one content", event_id, key)
        elif sequence > last[key]:
            if sequence != last[key] + 1:
                found.add("first sights in sequence", f"{event_id} after {last[key]}", key)
            last[key] = sequence
    for event_id in sorted(stored.keys() ^ seen.keys()):
        side = "not on the topic" if event_id in stored else "not in the table"
        found.add("table = topic", f"{event_id} is {side}", f"order_{event_id[4:20]}")
    for event_id in stored.keys() & seen.keys():
        if stored[event_id]["payload"].encode() != seen[event_id]:
            found.add("table = topic", f"{event_id} differs", stored[event_id]["order_id"])


def _commands(world: World, found: Findings) -> None:
    """Every command on the log is decided, or is a dead letter."""
    decided = {command_id for command_id, _ in world.database.decisions}
    dead = letters(world, PAYMENTS_DLQ)
    for message in world.broker.of_topic(COMMANDS):
        assert message.value is not None
        command = orjson.loads(message.value)
        if command["id"] not in decided and (message.topic, message.partition, message.offset) not in dead:
            found.add("every command is decided", f"{command['type']} {command['id']}", command["key"])


def letters(world: World, topic: str) -> dict[tuple[str, int, int], Any]:
    """Position of a dead letter's original -> the letter's reason."""
    found = {}
    for message in world.broker.of_topic(topic):
        body = orjson.loads(message.value or b"{}")["body"]
        found[body["origin"]["topic"], body["origin"]["partition"], body["origin"]["offset"]] = body
    return found


def _strangers(world: World, found: Findings) -> None:
    """Every unreadable record is a dead letter, and the records after it are still read."""
    dead = letters(world, PAYMENTS_DLQ) | letters(world, WEBHOOKS_DLQ)
    for place, offset in sorted(world.broker.strangers - world.broker.forged):
        if home_of(place.topic) is not None and (place.topic, place.partition, offset) not in dead:
            found.add("what cannot be read is a dead letter", f"{place.topic}/{place.partition}@{offset}")


def _forgeries(world: World, found: Findings) -> None:
    """A forged report of the bank is a dead letter, unless it has the id of a genuine one that was decided before; and
    it never has an effect."""
    dead = letters(world, PAYMENTS_DLQ)
    genuine = {orjson.loads(message.value or b"{}")["id"] for message in world.broker.of_topic(COMMANDS)}
    for place, offset in sorted(world.broker.forged):
        letter = dead.get((place.topic, place.partition, offset))
        word = orjson.loads(world.broker.records[place][offset].value or b"{}")
        if letter is None and word["id"] not in genuine:
            found.add("what is forged is a dead letter", f"{place.topic}/{place.partition}@{offset}", word["key"])
        elif letter is not None and letter["reason"] != REASON_FORGED:
            found.add("what is forged is a dead letter", f"{word['id']} is {letter['reason']}", word["key"])
    for (order_id, _), row in sorted(world.database.tables["events"].items()):
        if FORGED in row["payload"]:
            found.add("what is forged is not believed", orjson.loads(row["payload"])["id"], order_id)


def _audit_log(world: World, found: Findings) -> None:
    """Every chain is whole, and every refund has a recorded actor."""
    rows = [row for _, row in sorted(world.database.tables["audit_log"].items())]
    chains = AuditChains(world.settings.keys)
    for finding in [*chains.add(rows), *chains.ended()]:
        found.add("the audit log is whole", f"{finding.subject} {finding.message}")
    requested = {(orjson.loads(row["body"])["after"] or {}).get("refund_id") for row in rows}
    for row in world.database.tables["refunds"].values():
        if not row["automatic"] and row["id"] not in requested:
            found.add("who asked for a refund is on record", row["id"], row["order_id"])


def _offsets(world: World, found: Findings) -> None:
    """A group does not read its finished records again."""
    for message in uncommitted(world):
        found.add("what was done is committed", message)


def _facts(world: World) -> Facts:
    """The data by which clients' promises are judged."""
    tables = world.database.tables
    effects: dict[str, list[str]] = defaultdict(list)
    for row in tables["events"].values():
        event = orjson.loads(row["payload"])
        effects[event["request_id"] or ""].append(event["type"])
    sent = {}
    for message in world.broker.of_topic(COMMANDS):
        command = orjson.loads(message.value or b"{}")
        sent[command["request_id"] or ""] = (command["id"], command.get("nonce", ""))
    return Facts(
        rows=tables["orders"] | tables["payments"] | tables["refunds"],
        effects=effects,
        sent=sent,
        decisions={
            request: Decided((at - EPOCH).total_seconds(), refused)
            for request, (at, refused) in world.database.decisions.items()
        },
        prompt=not {"pauses", "stalls", "database", "hanging"} & set(world.faults.families),
    )


def _bank(world: World, found: Findings) -> None:
    """Money moved only for what was accepted; the bank's books and the rows agree."""
    tables = world.database.tables
    returned: dict[str, int] = defaultdict(int)
    kept: dict[str, list[str]] = defaultdict(list)
    for attempt_id in world.bank.repeated_blindly:
        found.add("nothing is asked twice without a query", attempt_id, attempt_id)
    for attempt_id, other in world.bank.beside:
        found.add("no charge beside another", f"{attempt_id} beside {other}", attempt_id)
    for entry in world.bank.books.values():
        # A cancellation that was lost on its way and then reversed is an ordinary success: it was the first outcome.
        if entry.cancelled and not entry.turn and tables["payments"][entry.attempt_id]["status"] == "SUCCESS":
            found.add("bank = books", f"{entry.attempt_id} is SUCCESS, the bank had cancelled it", entry.attempt_id)
        if entry.times > 1:
            found.add("money moves once", f"{entry.attempt_id} was carried out {entry.times} times", entry.attempt_id)
        row = tables["payments" if entry.of_attempt is None else "refunds"].get(entry.attempt_id)
        if row is None or row["amount"] != entry.amount:
            found.add("money moves for what was accepted", f"{entry} against {row}", entry.attempt_id)
        elif entry.of_attempt is not None:
            returned[entry.of_attempt] += entry.moved
            if row["status"] != "PENDING" and (row["status"] == "PROCESSED") != (entry.moved > 0):
                message = f"{entry.attempt_id} is {row['status']}, the bank says {entry.outcome}"
                found.add("bank = books", message, row["order_id"])
    for entry in world.bank.books.values():
        row = tables["payments"].get(entry.attempt_id) if entry.of_attempt is None else None
        if row is None:
            continue
        left, message = entry.moved - returned[entry.attempt_id], f"{entry.attempt_id} is {row['status']}"
        if left < 0 and row["amount_owed"] < -left:
            found.add(
                "never more back than paid", f"{message}: {-left} too much, owed {row['amount_owed']}", row["order_id"]
            )
        if left >= 0 and row["amount_owed"] > 0 and _refunds_are_over(world, entry.attempt_id):
            found.add("only debts are owed", f"{message}: owed {row['amount_owed']}, left {left}", row["order_id"])
        if row["status"] == "SUCCESS" and (entry.outcome is Outcome.FAILED) != row["reversed"]:
            found.add("bank = books", f"{message}, the bank says {entry.outcome}", row["order_id"])
        if row["status"] == "FAILED" and left > 0 and _tries_left(world, entry.attempt_id):
            found.add("bank = books", f"{message}, the bank keeps {left}", row["order_id"])
        kept_max = row["amount"] - row["amount_released"]
        if kept_max < left and not row["reversed"] and row["status"] == "SUCCESS" and _tries_left(world, row["id"]):
            found.add("what is released goes back", f"{message}: the bank keeps {left}", row["order_id"])
        if row["status"] == "SUCCESS":
            kept[row["order_id"]].append(entry.attempt_id)
    for order_id, paid in kept.items():
        if len(paid) > 1:
            found.add("one success an order", " ".join(paid), order_id)


def _codes(world: World, found: Findings) -> None:
    """A QR code pays the payment's merchant for this payment, and only a payment by scan has one."""
    payees = {one.id: one.upi_payee or f"{one.id}@gateway" for one in MERCHANTS}
    for (order_id, _), row in sorted(world.database.tables["events"].items()):
        payment = orjson.loads(row["payload"])["body"].get("payment")
        action = None if payment is None else payment.get("next_action")
        if action is None:
            continue
        parts = parse_qs(urlsplit(action["url"]).query)
        expected = {
            "pa": [payees[payment["merchant_id"]]],
            "pn": [payment["merchant_id"]],
            "tr": [payment["id"]],
            "am": [f"{payment['amount'] / 100:.2f}"],
            "cu": ["INR"],
        }
        scanned = payment.get("flow") == "qr"
        if scanned != (action["type"] == ActionType.APP) or (scanned and parts != expected):
            found.add("a code pays its merchant", f"{payment['id']} has {action['url']}", order_id)


def _seals(world: World, found: Findings) -> None:
    """Where personal fields are sealed, nothing that outlives a request contains what a client has given in them."""
    if not world.plan.seals:
        return
    rows = [(table, row) for table, kept in world.database.tables.items() for row in kept.values()]
    texts = [
        (table, "\n".join(map(_text, row.values()))) for table, row in rows if table not in ("api_keys", "merchants")
    ]
    texts += [(message.topic, _text(message.value)) for topic in KEPT for message in world.broker.of_topic(topic)]
    texts += [("Redis", _text(value)) for value, _ in world.redis.values.values()]
    for place, text in texts:
        for word in PERSONAL:
            if word in text:
                found.add("what is sealed stays sealed", f"{word} is in {place}: {text[:200]}")


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _fairness(world: World, found: Findings) -> None:
    """An attempt past its deadline is queried soon, however many of another merchant's attempts the bank is silent
    about.

    Judged only if nothing else delays the sweeper.
    """
    disturbed = {"stalls", "database", "hanging", "log", "bank", "moments", "clocks"} & set(world.faults.families)
    if disturbed or world.was_disturbed("sweeper-0"):
        return
    tables = world.database.tables
    for attempt_id, at in world.bank.swept_at.items():
        row = tables["payments"].get(attempt_id) or tables["refunds"][attempt_id]
        due_at = (max(row["deadline_at"], world.database.born[attempt_id]) - EPOCH).total_seconds()
        if at - due_at <= SWEPT_SECONDS_MAX or world.bank.was_silent(row["merchant_id"], due_at, at):
            continue
        found.add("no merchant waits for another", f"{attempt_id} was asked about {at - due_at:.1f} s late", attempt_id)


def _refunds_are_over(world: World, payment_id: str) -> bool:
    rows = world.database.tables["refunds"].values()
    return all(row["status"] != "PENDING" for row in rows if row["payment_id"] == payment_id)


def _tries_left(world: World, payment_id: str) -> bool:
    """Whether money that arrived too late could still be returned."""
    rows = world.database.tables["refunds"].values()
    return len([row for row in rows if row["automatic"] and row["payment_id"] == payment_id]) < LATE_REFUNDS_MAX


def _open(world: World, found: Findings) -> None:
    for table, states in (("payments", ("CREATED", "PROCESSING")), ("refunds", ("PENDING",))):
        for row in world.database.tables[table].values():
            if row["status"] in states:
                found.add("nothing stays undecided", f"{row['id']} is {row['status']}", row["order_id"])
