"""An instant as the API writes it: RFC 3339 in UTC, always with six digits after the second."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import PlainSerializer


def rfc3339(instant: datetime) -> str:
    """`2026-11-25T18:30:00.000000Z`"""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


Instant = Annotated[datetime, PlainSerializer(rfc3339, return_type=str)]
