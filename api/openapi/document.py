"""The OpenAPI 3.1 document, made from the routes.

`python -m api.write_openapi` writes docs/openapi.json; a unit test fails when it is stale.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from api.openapi.annotations import BODIES, LIMIT_HEADERS, RETRY_AFTER
from runtime.release import VERSION

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
REFERENCE = "#/components/schemas/{model}"
DESCRIPTION = """\
Payments on an append-only log. The API sends commands, one actor per order decides them, and every other role follows
the events.

Amounts are integers in minor units (paise). Times are RFC 3339 in UTC. Every error has the same shape:
`{"error": {"code", "description", "field", "request_id"}}`. Every response has an `X-Request-Id` header.
Unknown query parameters and body fields are ignored and listed in `X-Ignored`; with `Prefer: handling=strict` they are
rejected with 400, and the error suggests the closest known name. POST requests honour `Idempotency-Key`: repeating the
same key and body returns the stored response, byte for byte. Rate-limited routes return `RateLimit-Limit`,
`RateLimit-Remaining` and `RateLimit-Reset` (seconds until the full limit is available again); above the limit they
return 429 with `Retry-After`.

Guides, and what to do about each error: `/docs/` on the dashboard's host.
"""
SECURITY = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "Sent together with ApiSecret"},
    "ApiSecret": {"type": "apiKey", "in": "header", "name": "X-Api-Secret"},
    "Basic": {"type": "http", "scheme": "basic", "description": "key:secret"},
    "Session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "gateway_session",
        "description": "The dashboard's session cookie; unsafe methods also need the X-CSRF-Token header",
    },
}
AUTHENTICATED: list[dict[str, list[str]]] = [{"ApiKey": [], "ApiSecret": []}, {"Basic": []}, {"Session": []}]


TOO_MANY = {
    "description": "The merchant's request quota is used up",
    "headers": {**RETRY_AFTER, **LIMIT_HEADERS},
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorEnvelope"}}},
}
PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`handling=strict` rejects unknown query parameters and body fields with 400",
    "schema": {"type": "string", "examples": ["handling=strict"]},
}
IGNORED = {
    "description": "Unknown query parameters and body fields that were ignored, if any",
    "schema": {"type": "string"},
}
ANY_ERROR = {
    "description": "Any other error; the shape is the same",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorEnvelope"}}},
}


def openapi_of(app: FastAPI) -> dict[str, Any]:
    """The document. A route that documents 401 is a merchant's."""
    document = get_openapi(
        title="Payment gateway",
        version=VERSION,
        openapi_version="3.1.0",
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        routes=app.routes,
        servers=[{"url": "http://localhost:8000", "description": "make up"}],
    )
    components = document.setdefault("components", {})
    components["securitySchemes"] = SECURITY
    _, bodies = models_json_schema(
        [(model, "validation") for _, model in sorted(BODIES.items())], ref_template=REFERENCE
    )
    schemas = {**bodies["$defs"], **components.get("schemas", {})}
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["schemas"] = dict(sorted(schemas.items()))
    for operations in document["paths"].values():
        for operation in operations.values():
            _complete(operation)
    return document


def _complete(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if "401" in responses:
        responses.setdefault("429", TOO_MANY)  # every request of a merchant counts against its quota
    parameters = operation.get("parameters", [])
    if "requestBody" in operation or any(parameter["in"] == "query" for parameter in parameters):
        operation["parameters"] = [*parameters, PREFER]
        for status in filter(lambda status: status.startswith("2"), responses):
            responses[status].setdefault("headers", {})["X-Ignored"] = IGNORED
    responses["default"] = ANY_ERROR
    if "401" in responses and "X-Api-Key" not in json.dumps(operation.get("parameters", [])):
        operation["security"] = AUTHENTICATED
    # FastAPI documents its own 422; here schema violations are 400, and 422 is the Idempotency-Key's alone.
    if (
        responses.get("422", {})
        .get("content", {})
        .get("application/json", {})
        .get("schema", {})
        .get("$ref", "")
        .endswith("HTTPValidationError")
    ):
        del responses["422"]


def rendered(app: FastAPI) -> str:
    """The text of the file."""
    return json.dumps(openapi_of(app), indent=1, ensure_ascii=False) + "\n"
