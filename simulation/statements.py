"""The statements of orders, payments, refunds, events, the inbox and API keys, in Python."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import asyncpg

from simulation.database import Row, Rows, View, reads, writes, writes_like
from store import (
    actor,
    attempts,
    commands,
    order_keys,
    orders,
    payments,
    promises,
    refunds,
    retention,
)
from store.accounts import api_keys, audit_log, merchants

PART = re.compile(r"INSERT INTO (\w+) \(([^)]+)\)[^(]*unnest\(([^)]+)\)(?: ON CONFLICT \(id\) DO UPDATE SET ([^)]+))?")
KEYS = {"events": ("order_id", "sequence"), "commands": ("id", "nonce")}
"""Primary keys that are not `id`."""
ACCEPTED = "commands_accepted"
"""The partial index of the inbox, as a table: command id -> the row of its acceptance."""


@cache
def services_of(text: str) -> tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]:
    """(table, columns, columns that a conflict updates) for each INSERT of the actor's statement."""
    found = []
    for table, columns, _, changing in PART.findall(text):
        updated = tuple(one.split("=")[0].strip() for one in changing.split(",")) if changing else ()
        found.append((table, tuple(name.strip() for name in columns.split(",")), updated))
    return tuple(found)


@writes_like("SELECT 1", "core")
def nothing(_view: View, _text: str) -> Rows:
    return [{"?column?": 1}]


@writes_like("INSERT INTO commands", "core")
@writes_like("INSERT INTO events", "core")
@writes_like("WITH commands_rows", "core")
def write_batch(view: View, text: str, *arrays: list[Any]) -> Rows:
    """The actor's one write: all rows of all tables, or none."""
    first, ready = 0, []
    for table, columns, updated in services_of(text):
        taken = arrays[first : first + len(columns)]
        first += len(columns)
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*taken, strict=True)]
        ready.append((table, updated, rows))
        _check(view, table, updated, rows)
    for table, updated, rows in ready:
        for row in rows:
            _put(view, table, row, updated)
    return [{} for _, _, rows in ready for _ in rows]


def _key(table: str, row: Row) -> Any:
    names = KEYS.get(table)
    return row["id"] if names is None else tuple(row[name] for name in names)


def _check(view: View, table: str, updated: tuple[str, ...], rows: list[Row]) -> None:
    if any(isinstance(value, str) and "\0" in value for row in rows for value in row.values()):
        raise asyncpg.CharacterNotInRepertoireError('invalid byte sequence for encoding "UTF8": 0x00')
    if updated:
        return
    keys = [_key(table, row) for row in rows]
    _unique(keys, view[table], f"{table}_pkey")
    if table == "commands":
        _unique([row["id"] for row in rows if _is_acceptance(row)], view[ACCEPTED], ACCEPTED)


def _unique(keys: list[Any], there: Mapping[Any, Row], constraint: str) -> None:
    for key in keys:
        if key in there or keys.count(key) > 1:
            error = asyncpg.UniqueViolationError(f"duplicate key value {key} violates {constraint}")
            error.constraint_name = constraint
            raise error


def _is_acceptance(row: Row) -> bool:
    return not row["rejected"] and row["nonce"] != ""


def _put(view: View, table: str, row: Row, updated: tuple[str, ...]) -> None:
    key = _key(table, row)
    before = view[table].get(key)
    if before is not None:
        view[table][key] = before | {name: row[name] for name in updated}
        return
    if table in ("payments", "refunds"):
        view.born[key] = view.now
    if table == "commands":
        row["decided_at"] = view.now
        view.decisions[key] = (view.now, row["rejected"])
        if _is_acceptance(row):
            view[ACCEPTED][row["id"]] = row
    view[table][key] = row


def _of(rows: Iterable[Row], order_ids: list[str]) -> Rows:
    sought = frozenset(order_ids)
    found = [row for row in rows if row["order_id"] in sought]
    return sorted(found, key=lambda row: (row["created_at"], row["id"]))


@reads(actor.LOAD_ORDERS)
def load_orders(view: View, order_ids: list[str]) -> Rows:
    return [row for order_id in order_ids if (row := view["orders"].get(order_id)) is not None]


@reads(actor.LOAD_PAYMENTS)
def load_payments(view: View, order_ids: list[str]) -> Rows:
    return _of(view["payments"].values(), order_ids)


@reads(actor.LOAD_REFUNDS)
def load_refunds(view: View, order_ids: list[str]) -> Rows:
    return _of(view["refunds"].values(), order_ids)


@writes(actor.KEEP, "core")
def keep(view: View, command_ids: list[str]) -> Rows:
    kept = [row for one in command_ids if (row := view[ACCEPTED].get(one)) is not None]
    for row in kept:
        younger = row | {"decided_at": view.now}
        view["commands"][_key("commands", row)] = view[ACCEPTED][row["id"]] = younger
    return kept


@reads(actor.LOAD_COMMANDS)
def load_commands(view: View, command_ids: list[str], nonces: list[str]) -> Rows:
    names = ("id", "order_id", "nonce", "fingerprint", "rejected", "reply", "log_partition", "log_offset", "decided_at")
    rows = _decided(view, command_ids, nonces)
    return [_only(row, names) | {"events": _events_of(view, row)} for row in rows]


def _events_of(view: View, command: Row) -> list[str]:
    first = command["first_sequence"]
    places = ((command["order_id"], first + number) for number in range(command["event_count"]))
    return [row["payload"] for place in places if (row := view["events"].get(place)) is not None]


@reads(actor.LOAD_EVENTS)
def load_events(view: View, order_ids: list[str], before: list[int], last: list[int]) -> Rows:
    return [
        {"order_id": order_id, "payload": row["payload"]}
        for order_id, first, end in sorted(zip(order_ids, before, last, strict=True))
        for sequence in range(first + 1, end + 1)
        if (row := view["events"].get((order_id, sequence))) is not None
    ]


DECIDED = ("id", "nonce", "fingerprint", "rejected", "reply")


@reads(actor.STILL_THERE)
def still_there(view: View, command_id: str, nonce: str) -> Rows:
    return [{"exists": (command_id, nonce) in view["commands"]}]


@reads(commands.FIND)
def find_decided(view: View, command_ids: list[str], nonces: list[str]) -> Rows:
    return [_only(row, DECIDED) for row in _decided(view, command_ids, nonces)]


def _only(row: Row, names: tuple[str, ...]) -> Row:
    return {name: row[name] for name in names}


def _decided(view: View, command_ids: list[str], nonces: list[str]) -> Rows:
    """The row of each request, and the acceptance of each command."""
    requests = zip(command_ids, nonces, strict=True)
    own = [row for request in requests if (row := view["commands"].get(request)) is not None]
    accepted = [row for one in dict.fromkeys(command_ids) if (row := view[ACCEPTED].get(one)) is not None]
    return own + accepted


@reads(commands.FIND_ACCEPTED)
def find_accepted(view: View, command_id: str) -> Rows:
    row = view[ACCEPTED].get(command_id)
    return [] if row is None else [_only(row, DECIDED)]


@writes(promises.INSERT, "promises")
def insert_promise(view: View, *values: str) -> Rows:
    names = (
        "command_id",
        "nonce",
        "resource_id",
        "order_id",
        "merchant_id",
        "resource",
        "fingerprint",
        "order_resource",
    )
    row = dict(zip(names, values, strict=True))
    if (key := (row["command_id"], row["nonce"])) in view["promises"]:
        return []
    view["promises"][key] = row | {"promised_at": view.now}
    return [row]


@reads(promises.OTHER_IS_OPEN)
def other_is_open(view: View, command_id: str, nonce: str) -> Rows:
    others = [key for key in view["promises"] if key[0] == command_id and key[1] != nonce]
    refused = [key for key in others if key in view["commands"] and view["commands"][key]["rejected"]]
    return [{"exists": len(refused) < len(others)}]


@writes(promises.LOCK, "promises")
def lock_promises(_view: View, _command_id: str) -> Rows:
    """The domain's lock is the lock."""
    return [{"pg_advisory_xact_lock": ""}]


@reads(promises.FIND)
def find_promise(view: View, resource_id: str) -> Rows:
    return _last(
        row
        for row in view["promises"].values()
        if row["resource_id"] == resource_id or (row["order_id"] == resource_id and row["order_resource"] is not None)
    )


@reads(promises.FIND_IDS)
def find_promised_ids(view: View, command_id: str, fingerprint: str) -> Rows:
    sought = {"command_id": command_id, "fingerprint": fingerprint}
    found = _last(row for row in view["promises"].values() if sought.items() <= row.items())
    return [_only(row, ("resource_id", "order_id")) for row in found]


def _last(found: Iterable[Row]) -> Rows:
    last = sorted(found, key=lambda row: row["promised_at"])[-1:]
    return [{key: row[key] for key in row if key != "promised_at"} for row in last]


@reads(orders.FIND)
def find_order(view: View, order_id: str) -> Rows:
    return load_orders(view, [order_id])


@reads(payments.FIND)
def find_payment(view: View, payment_id: str) -> Rows:
    row = view["payments"].get(payment_id)
    return [] if row is None else [row]


@reads(orders.ATTEMPTS)
def count_attempts(view: View, order_ids: list[str]) -> Rows:
    counted = Counter(row["order_id"] for row in _of(view["payments"].values(), order_ids))
    return [{"order_id": order_id, "attempts": attempts} for order_id, attempts in counted.items()]


@reads(orders.PAYMENTS)
def payments_of_order(view: View, order_id: str) -> Rows:
    return _of(view["payments"].values(), [order_id])


@reads(orders.REFUNDS)
def refunds_of_order(view: View, order_id: str) -> Rows:
    return _of(view["refunds"].values(), [order_id])


@reads(refunds.FIND)
def find_refund(view: View, refund_id: str) -> Rows:
    row = view["refunds"].get(refund_id)
    return [] if row is None else [row]


@reads(attempts.PAYMENT_ORDER)
def order_of_payment(view: View, payment_id: str) -> Rows:
    return [{"order_id": row["order_id"]} for row in find_payment(view, payment_id)]


@reads(attempts.REFUND_ORDER)
def order_of_refund(view: View, refund_id: str) -> Rows:
    return [{"order_id": row["order_id"]} for row in find_refund(view, refund_id)]


@reads(attempts.PAYMENT_STATE)
def payment_state(view: View, payment_id: str) -> Rows:
    return [_state(view, row, ("CREATED", "PROCESSING")) for row in find_payment(view, payment_id)]


@reads(attempts.REFUND_STATE)
def refund_state(view: View, refund_id: str) -> Rows:
    return [_state(view, row, ("PENDING",)) for row in find_refund(view, refund_id)]


def _state(view: View, row: Row, undecided: tuple[str, ...]) -> Row:
    return {"decided": row["status"] not in undecided, "age": view.now - row["created_at"]}


@writes(retention.COMMANDS, "core")
def prune_commands(view: View, days: int, limit: int, kept_from: datetime | None) -> Rows:
    old = _older(view, "commands", "decided_at", days, kept_from)[:limit]
    for _, row in old:
        if _is_acceptance(row):
            del view[ACCEPTED][row["id"]]
    return [view["commands"].pop(key) for key, _ in old]


@writes(retention.PROMISES, "promises")
def prune_promises(view: View, days: int, limit: int, kept_from: datetime | None) -> Rows:
    return [view["promises"].pop(key) for key, _ in _older(view, "promises", "promised_at", days, kept_from)[:limit]]


@writes(retention.ATTEMPTS, "webhooks")
def prune_attempts(view: View, days: int, limit: int) -> Rows:
    return [view["webhook_attempts"].pop(key) for key, _ in _older(view, "webhook_attempts", "at", days)[:limit]]


def _older(view: View, table: str, column: str, days: int, kept_from: datetime | None = None) -> list[tuple[Any, Row]]:
    before = view.now - timedelta(days=days)
    if kept_from is not None:
        before = min(before, kept_from)
    return [(key, row) for key, row in view[table].items() if row[column] < before]


@writes(audit_log.LOCK, "audit")
def lock_audit_chain(_view: View, _chain: str) -> Rows:
    """The transaction holds the domain's lock from here on."""
    return [{}]


@reads(audit_log.LAST)
def last_entry(view: View, chain: str) -> Rows:
    places = [place for name, place in view["audit_log"] if name == chain]
    return [view["audit_log"][chain, max(places)]] if places else []


@writes(audit_log.APPEND, "audit")
def append_entry(view: View, *values: Any) -> Rows:
    names = ("chain", "place", "at", "actor", "action", "subject", "body", "hash", "seal")
    row = dict(zip(names, values, strict=True))
    _unique([(row["chain"], row["place"])], view["audit_log"], "audit_log_pkey")
    view["audit_log"][row["chain"], row["place"]] = row
    return [row]


@reads(api_keys.FIND)
def find_api_key(view: View, key: str) -> Rows:
    row = view["api_keys"].get(key)
    return [] if row is None else [row]


@reads(order_keys.FIND)
def find_order_keys(view: View, ids: list[str]) -> Rows:
    return [view["order_keys"][one] for one in ids if one in view["order_keys"]]


@reads(merchants.FIND)
@reads(merchants.FIND_CAPTURE_TERMS)
def find_merchant(view: View, merchant_id: str) -> Rows:
    row = view["merchants"].get(merchant_id)
    return [] if row is None else [row]
