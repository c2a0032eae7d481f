"""An instant as the API reads it, with a UTC offset, and as it writes it: RFC 3339 in UTC, always with six digits after
the second.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, PlainSerializer, TypeAdapter


def rfc3339(instant: datetime) -> str:
    """`2026-11-25T18:30:00.000000Z`"""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _read(value: object) -> object:
    """For pydantic, a body that a validator sees as a whole is no longer JSON, and a text in it is not an instant."""
    return _INSTANT.validate_python(value) if isinstance(value, str) else value


_INSTANT: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)
GivenInstant = Annotated[AwareDatetime, BeforeValidator(_read)]
Instant = Annotated[datetime, PlainSerializer(rfc3339, return_type=str)]
