"""docs/openapi.json matches the routes, and is complete: examples, error responses, who may call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from api.openapi.document import DOCUMENT, rendered
from runtime.settings import Settings

DATA = tuple(f"/api/v1/{name}" for name in ("orders", "payments", "refunds", "events", "test"))
WIRE_TYPES = Path(__file__).parents[2] / "web-shared/wire.gen.ts"
Operation = tuple[str, str, dict[str, Any]]


@pytest.fixture(scope="module")
def document() -> str:
    return rendered(create_app(Settings(test_mode=True)))


@pytest.fixture(scope="module")
def operations(document: str) -> list[Operation]:
    return list(_operations(json.loads(document)))


def _operations(parsed: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in parsed["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_the_file_is_not_stale(document: str) -> None:
    current = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else ""
    assert current == document, "docs/openapi.json is stale; write it anew: .venv/bin/python -m api.write_openapi"


def test_the_wire_types_of_the_pages_are_not_stale(document: str) -> None:
    """The pages' own tests generate them again; this one needs no Node."""
    schemas = json.dumps(json.loads(document)["components"]["schemas"], separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(schemas.encode()).hexdigest()
    head = WIRE_TYPES.read_text(encoding="utf-8").partition("\n")[0]
    assert digest in head, f"{WIRE_TYPES.name} is stale; write it anew: .venv/bin/gateway pages types"


def test_every_reference_points_at_something(document: str) -> None:
    names = set(json.loads(document)["components"]["schemas"])
    used = {part.split('"')[0] for part in document.split("#/components/schemas/")[1:]}
    assert used <= names


def test_every_route_of_the_data_plane_documents_its_errors(operations: list[Operation]) -> None:
    without = [
        f"{method} {path}"
        for path, method, operation in operations
        if path.startswith(DATA) and not any("400" <= status < "600" for status in operation["responses"])
    ]
    assert without == []


def test_every_json_body_of_the_data_plane_has_an_example(operations: list[Operation]) -> None:
    without = [
        f"{method} {path}"
        for path, method, operation in operations
        if path.startswith(DATA)
        and "requestBody" in operation
        and "example" not in operation["requestBody"]["content"]["application/json"]
    ]
    assert without == []


@pytest.mark.parametrize("path", ["/api/v1/orders", "/api/v1/payments", "/api/v1/refunds"])
def test_a_merchants_routes_name_their_credentials_and_the_idempotency_key(
    operations: list[Operation], path: str
) -> None:
    post = next(operation for at, method, operation in operations if (at, method) == (path, "post"))
    assert {"ApiKey": [], "ApiSecret": []} in post["security"]
    assert "Idempotency-Key" in [parameter["name"] for parameter in post["parameters"]]


def test_a_schema_violation_is_documented_as_400_only(document: str) -> None:
    assert "HTTPValidationError" not in document
