"""Where the buckets of a time series begin: each hour, or each day as a time zone has it. Pure."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Bucket = Literal["hour", "day"]
LENGTHS: dict[Bucket, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}


def starts_of(from_at: datetime, to_at: datetime, bucket: Bucket, zone: ZoneInfo | None) -> list[datetime]:
    """The buckets' first instants from `from_at` (included) to `to_at` (not included).

    Days of a zone begin at its midnights, so they have 23 or 25 hours where its clocks change, and the first is cut
    short by `from_at`. Without a zone a day has 24 hours, counted from `from_at`; so has an hour 60 minutes, always.
    """
    if bucket == "hour" or zone is None:
        step = LENGTHS[bucket]
        return [from_at + step * number for number in range(-((from_at - to_at) // step))]
    starts = [from_at]
    day = from_at.astimezone(zone).date() + timedelta(days=1)
    while (midnight := _midnight(day, zone)) < to_at:
        starts.append(midnight)
        day += timedelta(days=1)
    return starts


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """Where the clocks skip midnight, the instant of the change."""
    return datetime.combine(day, time(tzinfo=zone)).astimezone(ZoneInfo("UTC"))
