"""The field table of docs/RAZORPAY.md, as a check of every entity that the double returns or sends."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import requests

from ops.console.environment import REPOSITORY

Json = dict[str, Any]
TABLE = re.compile(r"<!-- fields -->(.*?)<!-- /fields -->", re.DOTALL)
LINE = re.compile(r"^\| (order|payment|refund|card|customer|webhook) \| `(\w+)` \| (\w+) \| ([\w ]+) \|$", re.MULTILINE)
BESIDE = {"payment": {"customer_id", "upi", "card"}, "order": {"payments"}, "webhook": {"shuffled"}}
"""Keys that an entity may have beyond the table, as the document says below it."""
TYPES: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "integer": lambda value: type(value) is int,
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "notes": lambda value: value == [] or (isinstance(value, dict) and value != {}),
}
NULL: dict[str, Callable[[Json], bool | None]] = {
    "never": lambda _: False,
    "always": lambda _: True,
    "not given": lambda _: None,
    "not refunded": lambda entity: entity["status"] == "failed" or entity["amount_refunded"] == 0,
    "not a card": lambda entity: entity["method"] != "card",
    "no UPI address": lambda entity: entity["method"] != "upi" or entity["upi"]["flow"] == "intent",
    "not netbanking": lambda entity: entity["method"] != "netbanking",
    "not captured": lambda entity: not entity["captured"],
    "not failed": lambda entity: entity["status"] != "failed",
}
"""Whether the key is null; None: either way."""


def _rules() -> dict[str, dict[str, tuple[str, str]]]:
    document = (REPOSITORY / "docs/RAZORPAY.md").read_text(encoding="utf-8")
    table = TABLE.search(document)
    assert table is not None
    rules: dict[str, dict[str, tuple[str, str]]] = {}
    for entity, key, kind, null in LINE.findall(table[1]):
        rules.setdefault(entity, {})[key] = (kind, null.strip())
    return rules


RULES = _rules()


def check_entities(value: Any) -> int:
    """Check every entity of the table in `value`, however deep; how many there were."""
    if isinstance(value, list):
        return sum(map(check_entities, value))
    if not isinstance(value, dict):
        return 0
    kind = value.get("entity")
    found = 0
    if isinstance(kind, str) and kind in RULES:
        _check(kind, value)
        found = 1
    return found + sum(map(check_entities, value.values()))


def _check(kind: str, entity: Json) -> None:
    rules = RULES[kind]
    assert set(rules) <= set(entity), f"{kind} lacks {set(rules) - set(entity)}"
    assert set(entity) <= set(rules) | BESIDE.get(kind, set()), f"{kind} has {set(entity) - set(rules)}"
    for key, (type_, null) in rules.items():
        value, is_null = entity[key], NULL[null](entity)
        assert is_null is None or (value is None) == is_null, f"{kind}.{key} is {value!r} ({null})"
        assert value is None or TYPES[type_](value), f"{kind}.{key} is {value!r}, not {type_}"


def check_answer(answer: requests.Response, *_: Any, **__: Any) -> None:
    """For the client's session: every answer of the double is checked as it comes in."""
    if answer.ok and answer.headers.get("Content-Type") == "application/json":
        check_entities(answer.json())
