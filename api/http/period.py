"""The `from` and `to` of a list: instants (RFC 3339, without an offset UTC) or whole days (`2026-11-25`).

from   included                                   2026-11-25  = where that day begins
to     not included, but a day is, to its end     2026-11-25  = where the next day begins
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Annotated

from fastapi import Query
from pydantic import BeforeValidator, TypeAdapter

from api.http.errors import bad_request

YEARS = range(1971, 9999)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
INSTANT = TypeAdapter(datetime)


def _bound(value: object) -> object:
    """A day as a date, all else as an instant in UTC."""
    if not isinstance(value, str):
        return value
    try:
        # A plus sign that was not escaped arrives as a space.
        bound = date.fromisoformat(value) if DAY.fullmatch(value) else _instant(value.replace(" ", "+"))
    except ValueError:
        raise ValueError("must be a day such as 2026-11-25 or a time such as 2026-11-25T18:30:00Z") from None
    if bound.year not in YEARS:
        raise ValueError("must be a time between the years 1971 and 9998")
    return bound


def _instant(text: str) -> datetime:
    value = INSTANT.validate_python(text)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Bound = Annotated[datetime | date, BeforeValidator(_bound)]
FromParameter = Annotated[Bound | None, Query(alias="from", description="Inclusive")]
ToParameter = Annotated[Bound | None, Query(description="Exclusive; a date without a time includes that whole day")]


@dataclass(frozen=True, slots=True)
class Period:
    """Instants in UTC, from included, to not; None: open."""

    from_at: datetime | None
    to_at: datetime | None


def period(from_: FromParameter = None, to: ToParameter = None) -> Period:
    """Dependency: the requested period, its days in UTC. Raises ApiError 400 if it ends before it begins."""
    return period_of(from_, to, UTC)


def period_of(from_: datetime | date | None, to: datetime | date | None, zone: tzinfo) -> Period:
    """As `period`, with the days of a time zone."""
    begins, ends = _beginning(from_, zone), _beginning(to, zone)
    if begins is not None and ends is not None and begins > ends:
        raise bad_request("from must not be after to", "from")
    if to is not None and not isinstance(to, datetime):
        ends = _beginning(to + timedelta(days=1), zone)
    return Period(begins, ends)


def _beginning(bound: datetime | date | None, zone: tzinfo) -> datetime | None:
    if bound is None or isinstance(bound, datetime):
        return bound
    return datetime.combine(bound, time(tzinfo=zone)).astimezone(UTC)
