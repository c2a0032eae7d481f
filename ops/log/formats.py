"""How a record looks on the terminal: one line, the whole envelope, or one JSON object a line for programs.

2026-01-31 12:03:04.123  events/3/142      payment.success     order_… evt_…_4  ← stl_…  SUCCESS 500.00 INR upi a***@upi
"""

from __future__ import annotations

from typing import Any

import orjson
from rich.text import Text

from domain.currency import decimal_text
from ops.console.mask import masked, masked_bytes, masked_text
from topics.records import JsonObject, LogRecord

SHOWN_MAX = 288
"""Characters of an undecodable value on its line: 96 bytes in hexadecimal. `--full` and `--json` have all of it."""
STYLES = (
    (".failed", "red"), ("dead.", "bold red"), ("late", "red"), (".success", "green"), (".processed", "green"),
    (".captured", "green"), (".settle", "cyan"), (".create", "blue"), ("delivery", "magenta"),
)  # fmt: skip


def as_object(record: LogRecord, *, unmask: bool) -> JsonObject:
    """A record for `--json`: `record` is its JSON; without one, `text` or `hex` is its whole value.

    `headers` has one value for each name, the last; `header_list` has all of them, in order. A tombstone (a null value)
    has a `value` of null and none of the others. `key` is null if the record has no key.
    """
    shown: JsonObject = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.at,
        "key": None if record.null_key else _text(record.key, unmask=unmask),
        "headers": {name: _header(content, unmask=unmask) for name, content in record.headers},
        "header_list": [{"name": name, "value": _header(content, unmask=unmask)} for name, content in record.headers],
    }
    if record.tombstone:
        shown["value"] = None
    elif record.json is not None:
        shown["record"] = record.json if unmask else masked(record.json)
    else:
        name, text = _undecoded(record.value, unmask=unmask)
        shown[name] = text
    return shown


def as_line(record: LogRecord, *, unmask: bool) -> Text:
    """One line: time, position, type, ids, and the main values of the body."""
    line = Text()
    line.append(record.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:23], style="dim")
    line.append(f"  {short_topic(record.topic)}/{record.partition}/{record.offset}".ljust(24), style="dim")
    envelope = record.envelope
    if record.tombstone:
        line.append(" tombstone (null value) ", style="bold red")
        line.append("no key" if record.null_key else _text(record.key, unmask=unmask))
        return line
    if envelope is None:
        name, text = _undecoded(record.value, unmask=unmask)
        text = text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]} …"
        line.append(f" undecodable ({len(record.value)} bytes) ", style="bold red")
        line.append(f"{_text(record.key, unmask=unmask)}  {name} {text}")
        return line
    line.append(f" {printable(envelope.type):<20}", style=style_of(envelope.type))
    line.append(f" {_text(record.key, unmask=unmask)}  {printable(envelope.id)}")
    if envelope.caused_by:
        line.append(f"  ← {printable(envelope.caused_by)}", style="dim")
    gist = printable(gist_of(envelope.body if unmask else masked(envelope.body)))
    if gist:
        line.append(f"  {gist}")
    return line


def as_block(record: LogRecord, *, unmask: bool) -> Text:
    """The line, and the whole record below it."""
    shown = as_object(record, unmask=unmask)
    body = {name: shown[name] for name in ("header_list", "record", "text", "hex") if name in shown}
    text = orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode()
    return as_line(record, unmask=unmask).append("\n" + text + "\n", style="dim")


def gist_of(body: JsonObject) -> str:
    """The main values of a body."""
    subject: Any = body.get("refund") or body.get("payment") or body.get("order") or body
    if not isinstance(subject, dict):
        return ""
    parts: list[str] = []
    for name in ("outcome", "status", "event"):
        if isinstance(subject.get(name), str):
            parts.append(subject[name])
    if isinstance(subject.get("amount"), int):
        currency = str(subject.get("currency") or "")[:20]
        parts.append(f"{decimal_text(subject['amount'], currency)} {currency}".rstrip())
    for name in ("method", "vpa", "card_network", "receipt", "error_code", "reason", "error"):
        if isinstance(subject.get(name), str):
            parts.append(subject[name][:120])
    return " ".join(parts)


def style_of(record_type: str) -> str:
    return next((style for mark, style in STYLES if mark in record_type), "bold")


def short_topic(topic: str) -> str:
    """`payments.events.v1` is `events`, `payments.dlq.v1` stays `payments.dlq`."""
    unversioned = topic.rpartition(".")[0]
    return unversioned if unversioned.endswith("dlq") else unversioned.partition(".")[2] or topic


def _text(content: bytes, *, unmask: bool) -> str:
    text = printable(content.decode("utf-8", "backslashreplace"))
    return text if unmask else masked_text(text)


def _header(content: bytes | None, *, unmask: bool) -> str | None:
    return None if content is None else _text(content, unmask=unmask)


def printable(text: str) -> str:
    """Control characters as escapes: a record must not be able to drive the terminal."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _undecoded(value: bytes, *, unmask: bool) -> tuple[str, str]:
    """("text" | "hex", what is shown of a value that is not a JSON object)."""
    shown = value if unmask else masked_bytes(value)
    try:
        return "text", printable(shown.decode())
    except UnicodeDecodeError:
        return "hex", shown.hex(" ")
