"""Analytics of one merchant: the numbers of a period beside those of the period before it, and the same in buckets.

Read from rollups, never from the payments: a year costs as much as a day. Events show in them a second or two later.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Depends, Query, Request

from api.access.auth import Caller, looking_up
from api.http.errors import bad_request
from api.http.period import Bound, period_of
from api.openapi.annotations import errors
from api.process.services import services_of
from api.schemas.analytics import SummaryShape, TimeseriesShape, main_currency, summary_shape, timeseries_shape
from api.schemas.orders import CURRENCY_UNKNOWN
from domain.currency import MINOR_DIGITS
from domain.money import DEFAULT_CURRENCY
from runtime.clock import now
from store.analytics.buckets import LENGTHS, Bucket, starts_of
from store.analytics.queries import Period, deliveries, points, totals, widened
from store.operations.owed import owed_by

router = APIRouter(prefix="/analytics", tags=["Analytics"], responses=errors(400, 401, 503))
ByMerchant = Annotated[Caller, Depends(looking_up)]
FromParameter = Annotated[
    Bound | None,
    Query(alias="from", description="Inclusive; default 30 days before `to`; rounded down to 15 minutes"),
]
ToParameter = Annotated[
    Bound | None, Query(description="Exclusive; default now; a date without a time includes that whole day")
]
CurrencyParameter = Annotated[
    str | None,
    Query(
        description="ISO 4217, or `main`: INR if any payment was in INR, otherwise the most frequent currency. "
        "Default: amounts in INR, counts across all currencies"
    ),
]
TimeZoneParameter = Annotated[
    str | None, Query(max_length=64, description="IANA time zone for day boundaries; default UTC")
]

DEFAULT_PERIOD = timedelta(days=30)
POINTS_MAX = 800
OWED_NAMED_MAX = 5
MAIN = "main"


@router.get("/summary", summary="Totals for a period and the period before it")
async def summary(
    request: Request,
    caller: ByMerchant,
    from_: FromParameter = None,
    to: ToParameter = None,
    currency: CurrencyParameter = None,
    tz: TimeZoneParameter = None,
) -> SummaryShape:
    """Counts, volume, rates, methods, error codes, refunds, deliveries and money owed. `previous` is the period before.

    With `currency`, amounts and counts cover that currency only; error codes, durations and deliveries always cover
    every currency. `currencies` lists the totals of each one.
    """
    pool, period, requested = services_of(request).pool, _period(from_, to, _zone(tz)), _known(currency)
    (sums, sums_before), sent = await asyncio.gather(
        totals(pool, caller.merchant_id, [period, period.before]), deliveries(pool, caller.merchant_id, period)
    )
    shown = main_currency(sums) if requested == MAIN else requested
    owed = await owed_by(pool, caller.merchant_id, shown or DEFAULT_CURRENCY, limit=OWED_NAMED_MAX)
    return summary_shape((period, sums), (period.before, sums_before), sent, owed, currency=shown)


@router.get("/timeseries", summary="Totals for a period by hour or by day")
async def timeseries(
    request: Request,
    caller: ByMerchant,
    from_: FromParameter = None,
    to: ToParameter = None,
    bucket: Bucket = "day",
    currency: CurrencyParameter = None,
    tz: TimeZoneParameter = None,
) -> TimeseriesShape:
    """One point for each hour or day of the period.

    With `tz`, days start at midnight in that zone and last 23 or 25 hours when its clocks change. Without it, each day
    has 24 hours and the first one starts at `from`."""
    zone, requested = _zone(tz), _known(currency)
    period = _period(from_, to, zone)
    if (period.to_at - period.from_at) / LENGTHS[bucket] > POINTS_MAX:
        raise bad_request(f"at most {POINTS_MAX} buckets: choose a shorter period or a longer bucket", "bucket")
    starts = starts_of(period.from_at, period.to_at, bucket, zone)
    found = await points(services_of(request).pool, caller.merchant_id, period, starts)
    shown = main_currency([point.total for point in found]) if requested == MAIN else requested
    return timeseries_shape(starts, found, bucket=bucket, currency=shown, tz=tz)


def _period(from_: datetime | date | None, to: datetime | date | None, zone: ZoneInfo | None) -> Period:
    """The requested period, on quarters of an hour. It ends no later than tomorrow, so it cannot be longer than the
    history."""
    requested = period_of(from_, to, zone or UTC)
    ends_at = min(requested.to_at or now(), now() + timedelta(days=1))
    begins_at = requested.from_at or ends_at - DEFAULT_PERIOD
    if begins_at >= ends_at:
        raise bad_request("from must be before to", "from")
    return widened(begins_at, ends_at)


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise bad_request("tz must be an IANA time zone such as Asia/Kolkata", "tz") from None


def _known(currency: str | None) -> str | None:
    if currency not in (None, MAIN) and currency not in MINOR_DIGITS:
        raise bad_request(f"{CURRENCY_UNKNOWN}, or {MAIN}", "currency")
    return currency
