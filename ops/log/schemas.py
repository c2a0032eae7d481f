"""The format of every record: `topics/schemas/<type>.json` (JSON Schema) and `topics/samples/<type>.json` (a golden
one).

A record kind is a schema file whose `properties.type` is a constant; the others (`record.json`, `envelope.json`,
`new_*.json`, `resource.*.json`) are parts that kinds refer to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from domain.event import EventType
from ops.console.environment import REPOSITORY
from runtime.settings import Settings
from topics.admin import catalogue_of
from topics.catalogue import COMMANDS, DELIVERIES, ERASURES, EVENTS, PAYMENTS_DLQ, RETRY_PREFIX, WEBHOOKS_DLQ
from topics.codec import COMMAND_TYPES
from topics.deadletter import DEAD_COMMAND, DEAD_DELIVERY, DEAD_EVENT
from topics.delivery import DELIVERY_ATTEMPT
from topics.erasures import ORDER_ERASED
from topics.records import JsonObject

SCHEMAS = REPOSITORY / "topics" / "schemas"
SAMPLES = REPOSITORY / "topics" / "samples"
PROBLEMS_MAX = 10

_HOMES: dict[str, str] = {
    **dict.fromkeys(COMMAND_TYPES.values(), COMMANDS),
    **dict.fromkeys(EventType, EVENTS),
    DELIVERY_ATTEMPT: DELIVERIES,
    DEAD_COMMAND: PAYMENTS_DLQ,
    DEAD_EVENT: PAYMENTS_DLQ,
    DEAD_DELIVERY: WEBHOOKS_DLQ,
    ORDER_ERASED: ERASURES,
}


@dataclass(frozen=True, slots=True)
class RecordKind:
    """One record type, its topic, and one sentence about it."""

    type: str
    topic: str
    summary: str

    def topics(self, settings: Settings) -> list[str]:
        """Its topic; a delivery attempt also waits in every retry tier."""
        tiers = [name for name in catalogue_of(settings) if name.startswith(RETRY_PREFIX)]
        return [self.topic, *tiers] if self.type == DELIVERY_ATTEMPT else [self.topic]

    @staticmethod
    def problems_of(record: JsonObject) -> list[str]:
        """The violations of its schema; [] if there are none."""
        record_type = str(record.get("type"))
        if record_type not in _HOMES:
            return [f"unknown record type {record_type!r}"]
        errors = sorted(_validator(record_type).iter_errors(record), key=lambda error: list(map(str, error.path)))
        return [f"{'.'.join(map(str, error.path)) or 'record'}: {error.message}" for error in errors[:PROBLEMS_MAX]]


def schema_of(record_type: str) -> JsonObject:
    return _read(SCHEMAS / f"{record_type}.json")


def sample_of(record_type: str) -> JsonObject:
    return _read(SAMPLES / f"{record_type}.json")


@lru_cache(maxsize=1)
def all_schemas() -> dict[str, JsonObject]:
    """File name without ending -> schema, the parts included."""
    return {path.stem: _read(path) for path in sorted(SCHEMAS.glob("*.json"))}


@lru_cache(maxsize=64)
def _validator(record_type: str) -> Draft202012Validator:
    registry: Registry[bool | Mapping[str, Any]] = Registry().with_resources(
        (str(schema["$id"]), Resource.from_contents(schema)) for schema in all_schemas().values()
    )
    checker = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator(schema_of(record_type), registry=registry, format_checker=checker)


def _read(path: Path) -> JsonObject:
    found: JsonObject = json.loads(path.read_text(encoding="utf-8"))
    return found


RECORD_KINDS: tuple[RecordKind, ...] = tuple(
    RecordKind(record_type, topic, str(schema_of(record_type)["description"])) for record_type, topic in _HOMES.items()
)
