"""Analytics of one merchant: the numbers of a span beside those of the span before it, and the same in buckets.

Read from rollups, never from the payments: a year costs as much as a day. Events show in them a second or two later.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from api.access.auth import Caller, looking_up
from api.http.errors import bad_request
from api.http.paging import Instant
from api.openapi.annotations import errors
from api.process.services import services_of
from api.schemas.analytics import BUCKETS, Bucket, SummaryShape, TimeseriesShape, summary_shape, timeseries_shape
from domain.money import CURRENCIES, DEFAULT_CURRENCY
from runtime.clock import now
from store.analytics.queries import Span, deliveries, points, totals, widened
from store.operations.owed import owed_by

router = APIRouter(prefix="/analytics", tags=["Analytics"], responses=errors(400, 401, 503))
ByMerchant = Annotated[Caller, Depends(looking_up)]
FromParameter = Annotated[
    Instant | None, Query(alias="from", description="Included; default 30 days before `to`; widened to a quarter hour")
]
ToParameter = Annotated[Instant | None, Query(alias="to", description="Not included; default now")]

DEFAULT_SPAN = timedelta(days=30)
POINTS_MAX = 800
OWED_NAMED_MAX = 5


@router.get("/summary", summary="The numbers of a span beside those of the span before")
async def summary(
    request: Request,
    caller: ByMerchant,
    from_: FromParameter = None,
    to: ToParameter = None,
    currency: str = DEFAULT_CURRENCY,
) -> SummaryShape:
    """Counts, volume, rates, methods, error codes, refunds, deliveries and money owed; `previous`: the span before."""
    pool, span, known = services_of(request).pool, _span(from_, to), _known(currency)
    (sums, sums_before), sent, owed = await asyncio.gather(
        totals(pool, caller.merchant_id, [span, span.before]),
        deliveries(pool, caller.merchant_id, span),
        owed_by(pool, caller.merchant_id, known, limit=OWED_NAMED_MAX),
    )
    return summary_shape((span, sums), (span.before, sums_before), sent, owed, currency=known)


@router.get("/timeseries", summary="The numbers of a span in hours or days")
async def timeseries(
    request: Request,
    caller: ByMerchant,
    from_: FromParameter = None,
    to: ToParameter = None,
    bucket: Bucket = "day",
    currency: str = DEFAULT_CURRENCY,
) -> TimeseriesShape:
    """The span in hours or in days of 24 hours, counted from its start: a local midnight as `from` gives local days."""
    span = _span(from_, to)
    if (span.to_at - span.from_at) / BUCKETS[bucket] > POINTS_MAX:
        raise bad_request(f"at most {POINTS_MAX} buckets: take a shorter span or a longer bucket", "bucket")
    found = await points(services_of(request).pool, caller.merchant_id, span, BUCKETS[bucket])
    return timeseries_shape(span, found, bucket=bucket, currency=_known(currency))


def _span(from_at: datetime | None, to_at: datetime | None) -> Span:
    """What was asked for, on quarters of an hour. Nothing is later than tomorrow, so no span is longer than history."""
    ends_at = min(to_at or now(), now() + timedelta(days=1))
    begins_at = from_at or ends_at - DEFAULT_SPAN
    if begins_at >= ends_at:
        raise bad_request("from must be before to", "from")
    return widened(begins_at, ends_at)


def _known(currency: str) -> str:
    if currency not in CURRENCIES:
        raise bad_request(f"currency must be one of {', '.join(sorted(CURRENCIES))}", "currency")
    return currency
