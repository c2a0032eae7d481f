"""The base of all request bodies."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


def _without_additional(schema: dict[str, Any]) -> None:
    """Unknown fields are tolerated, but they are not part of the interface."""
    schema.pop("additionalProperties", None)


class Body(BaseModel):
    """A request's body: types are never converted, unknown fields are named in the response (api/http/ignored.py)."""

    model_config = ConfigDict(
        strict=True, extra="allow", hide_input_in_errors=True, json_schema_extra=_without_additional
    )


class Nothing(Body):
    """A body without fields; optional."""
