"""Whether a change of the schemas would break a reader: the promises of each record type, flattened and compared.

    topics/schemas  ──promises_of──►  {"payment.success": {"body.payment.amount": {"types": [...], …}, …}}
                                          compared with topics/released.json, what was promised so far

The log keeps events permanently and readers exist outside this tree, so a change must hold in both directions: a field
that was always there stays, keeps its type and its values; a new field is optional for readers of old records.
Adding an optional field is one compatible change; another payment method, or another kind of step for the payer, is the
other: a reader skips unknown ones, as the dashboard does. Anything else is a new version of the topic.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ops.console.environment import REPOSITORY
from ops.log.schemas import RECORD_KINDS, all_schemas
from topics.records import JsonObject

OPEN_FIELDS = frozenset(
    {"v", "body.method", "body.payment.method", "body.action.type", "body.payment.next_action.type"}
)
"""Fields whose readers skip unknown values."""
RELEASED = REPOSITORY / "topics" / "released.json"
Promises = dict[str, dict[str, JsonObject]]


def promises_now() -> Promises:
    """From the schemas in the tree."""
    schemas = all_schemas()
    return {kind.type: promises_of(kind.type, schemas) for kind in RECORD_KINDS}


def promises_released() -> Promises:
    """The promises of the last release; {} before the first."""
    found: Promises = json.loads(RELEASED.read_text(encoding="utf-8")) if RELEASED.exists() else {}
    return found


def promises_of(record_type: str, schemas: dict[str, JsonObject]) -> dict[str, JsonObject]:
    """Path -> {required, types, values, pattern} of everything that a record of this type may have."""
    found: dict[str, JsonObject] = {}
    for path, required, schema in _walk(f"{record_type}.json", {"$ref": f"{record_type}.json"}, "", schemas):
        known = found.setdefault(path, {"required": False, "types": [], "values": [], "pattern": None})
        known["required"] = known["required"] or required
        known["types"] = sorted({*known["types"], *_types(schema)})
        known["values"] = _narrower(known["values"], schema)
        known["pattern"] = schema.get("pattern", known["pattern"])
    return found


def incompatibilities(before: Promises, after: Promises) -> list[str]:
    """One sentence for each broken promise; [] if there is none."""
    problems = [f"{kind}: the record type is gone" for kind in before if kind not in after]
    for kind in before.keys() & after.keys():
        problems += [f"{kind}: {problem}" for problem in _broken(before[kind], after[kind])]
    return sorted(problems)


def _broken(before: dict[str, JsonObject], after: dict[str, JsonObject]) -> Iterator[str]:
    for path, old in before.items():
        new = after.get(path)
        if new is None:
            yield f"{path} is gone"
            continue
        if old["required"] != new["required"]:
            yield f"{path} was {_presence(old)} and is {_presence(new)} now"
        for name in ("types", "values", "pattern"):
            if name == "values" and path in OPEN_FIELDS and set(old[name]) <= set(new[name]):
                continue
            if old[name] != new[name]:
                yield f"{path}: {name} changed from {old[name]} to {new[name]}"
    for path, new in after.items():
        if path not in before and new["required"] and path.rpartition(".")[0] in before:
            yield f"{path} is new and required, but the records that exist lack it"


def _presence(promise: JsonObject) -> str:
    return "always there" if promise["required"] else "optional"


def _walk(
    file: str, schema: JsonObject, path: str, schemas: dict[str, JsonObject]
) -> Iterator[tuple[str, bool, JsonObject]]:
    """(path, required, schema) of every property, through `$ref` and `allOf`."""
    if "$ref" in schema:
        yield from _walk(file, schemas[str(schema["$ref"]).removesuffix(".json")], path, schemas)
    for part in schema.get("allOf", ()):
        yield from _walk(file, part, path, schemas)
    required = schema.get("required", ())
    properties: dict[str, Any] = schema.get("properties", {})
    for name in required:
        if name not in properties:
            yield f"{path}.{name}".lstrip("."), True, {}
    for name, inner in properties.items():
        below = f"{path}.{name}".lstrip(".")
        yield below, name in required, inner
        yield from _walk(file, inner, below, schemas)


def _types(schema: JsonObject) -> set[str]:
    found = schema.get("type", ())
    return {found} if isinstance(found, str) else set(found)


def _narrower(known: list[Any], schema: JsonObject) -> list[Any]:
    """The values allowed after one more rule about the same field."""
    allowed = [schema["const"]] if "const" in schema else schema.get("enum")
    if allowed is None:
        return known
    return sorted((value for value in allowed if not known or value in known), key=str)
