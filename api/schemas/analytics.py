"""The analytics responses, made from the rollups' sums."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.instant import Instant
from domain.instrument import Method
from domain.money import DEFAULT_CURRENCY
from store.analytics.buckets import Bucket
from store.analytics.measures import REQUESTED, Measure, label_of, percentile
from store.analytics.queries import Deliveries, Period, Point, Total
from store.operations.owed import OwedByMerchant


class MethodShape(BaseModel):
    method: Method
    count: int
    success: int
    volume_minor: int


class ErrorCodeShape(BaseModel):
    error_code: str
    count: int


class CurrencyShape(BaseModel):
    """Totals for one currency."""

    currency: str
    payments_total: int
    volume_minor: int


class LatencyShape(BaseModel):
    p50: int | None
    p95: int | None


class WebhooksShape(BaseModel):
    """`waiting` and its age are current values; the others cover the period."""

    delivered: int
    failed: int
    waiting: int
    oldest_waiting_seconds: int | None


class OwedShape(BaseModel):
    """What the merchant owes now because the bank reversed payments; `payments` lists the oldest of them."""

    count: int
    amount_minor: int
    payments: list[str]


WITHOUT_CURRENCY = frozenset({Measure.ERROR, Measure.LATENCY})
"""Measures whose label does not name one."""


class NumbersShape(BaseModel):
    """Amounts cover `currency` only, and so do counts if the request names it. The rate covers decided payments."""

    model_config = ConfigDict(populate_by_name=True)

    from_at: Instant = Field(alias="from")
    to_at: Instant = Field(alias="to")
    volume_minor: int
    payments_total: int
    payments_success: int
    payments_failed: int
    success_rate: float
    refunded_minor: int
    refunds_total: int
    by_method: list[MethodShape]
    by_error_code: list[ErrorCodeShape]
    time_to_outcome_ms: LatencyShape


class SummaryShape(NumbersShape):
    currency: str
    currencies: list[CurrencyShape]
    webhooks: WebhooksShape
    owed: OwedShape
    previous: NumbersShape


class PointShape(BaseModel):
    at: Instant
    volume_minor: int
    payments_total: int
    payments_success: int
    payments_failed: int
    refunded_minor: int


class TimeseriesShape(BaseModel):
    bucket: Bucket
    currency: str
    tz: str | None
    data: list[PointShape]


def summary_shape(
    now: tuple[Period, list[Total]],
    before: tuple[Period, list[Total]],
    sent: Deliveries,
    owed: OwedByMerchant,
    *,
    currency: str | None,
) -> SummaryShape:
    """`currency` None: amounts in the default currency, counts of all."""
    shown = currency or DEFAULT_CURRENCY
    (period, totals), (period_before, totals_before) = now, before
    return SummaryShape(
        **numbers_shape(period, _of_currency(totals, currency), currency=shown).model_dump(by_alias=True),
        currency=shown,
        currencies=_by_currency(totals),
        webhooks=WebhooksShape.model_validate(sent, from_attributes=True),
        owed=OwedShape.model_validate(owed, from_attributes=True),
        previous=numbers_shape(period_before, _of_currency(totals_before, currency), currency=shown),
    )


def numbers_shape(period: Period, totals: list[Total], *, currency: str) -> NumbersShape:
    success, failed = _count(totals, Measure.SUCCESS), _count(totals, Measure.FAILED)
    return NumbersShape(
        from_at=period.from_at,
        to_at=period.to_at,
        volume_minor=_amount(totals, Measure.SUCCESS, currency),
        payments_total=_count(totals, Measure.CREATED),
        payments_success=success,
        payments_failed=failed,
        success_rate=round(success / (success + failed), 6) if success + failed else 0.0,
        refunded_minor=_refunded(totals, currency),
        refunds_total=sum(total.count for total in totals if _is_requested_refund(total)),
        by_method=_by_method(totals, currency),
        by_error_code=_by_error_code(totals),
        time_to_outcome_ms=_latency(totals),
    )


def main_currency(totals: list[Total]) -> str:
    """The default currency if any payment used it, else the one with most payments."""
    used = [shape.currency for shape in _by_currency(totals)]
    return DEFAULT_CURRENCY if DEFAULT_CURRENCY in used or not used else used[0]


def _of_currency(totals: list[Total], currency: str | None) -> list[Total]:
    """The measures of one currency, and those without a currency."""
    if currency is None:
        return totals
    label = label_of(currency, "")
    return [total for total in totals if total.measure in WITHOUT_CURRENCY or total.label.startswith(label)]


def _by_currency(totals: list[Total]) -> list[CurrencyShape]:
    """Most payments first."""
    created = [total for total in totals if total.measure == Measure.CREATED]
    shapes = [
        CurrencyShape(
            currency=currency,
            payments_total=_count(_of_currency(created, currency), Measure.CREATED),
            volume_minor=_amount(totals, Measure.SUCCESS, currency),
        )
        for currency in {total.label.partition("/")[0] for total in created}
    ]
    return sorted(shapes, key=lambda shape: (-shape.payments_total, shape.currency))


def _count(totals: Iterable[Total], measure: Measure) -> int:
    return sum(total.count for total in totals if total.measure == measure)


def _amount(totals: Iterable[Total], measure: Measure, currency: str) -> int:
    label = label_of(currency, "")
    return sum(total.amount_minor for total in totals if total.measure == measure and total.label.startswith(label))


def _refunded(totals: Iterable[Total], currency: str) -> int:
    """Without the automatic ones: they return what no successful payment had counted."""
    label = label_of(currency, REQUESTED)
    return sum(
        total.amount_minor for total in totals if total.measure == Measure.REFUND_PROCESSED and total.label == label
    )


def _is_requested_refund(total: Total) -> bool:
    return total.measure == Measure.REFUND_CREATED and total.label.endswith(label_of("", REQUESTED))


def _by_method(totals: list[Total], currency: str) -> list[MethodShape]:
    methods = sorted({total.label.partition("/")[2] for total in totals if total.measure == Measure.CREATED})
    return [
        MethodShape(
            method=Method(method),
            count=_count(of_method, Measure.CREATED),
            success=_count(of_method, Measure.SUCCESS),
            volume_minor=_amount(of_method, Measure.SUCCESS, currency),
        )
        for method in methods
        for of_method in [[total for total in totals if total.label.endswith(label_of("", method))]]
    ]


def _by_error_code(totals: Iterable[Total]) -> list[ErrorCodeShape]:
    counted = [
        ErrorCodeShape(error_code=total.label, count=total.count) for total in totals if total.measure == Measure.ERROR
    ]
    return sorted(counted, key=lambda shape: (-shape.count, shape.error_code))


def _latency(totals: Iterable[Total]) -> LatencyShape:
    counts = {int(total.label): total.count for total in totals if total.measure == Measure.LATENCY}
    return LatencyShape(p50=percentile(counts, 0.50), p95=percentile(counts, 0.95))


def timeseries_shape(
    starts: Sequence[datetime], points: list[Point], *, bucket: Bucket, currency: str | None, tz: str | None
) -> TimeseriesShape:
    """Every bucket, including empty ones."""
    found: dict[datetime, list[Total]] = {}
    for point in points:
        found.setdefault(point.at, []).append(point.total)
    shown = currency or DEFAULT_CURRENCY
    data = [_point(at, _of_currency(found.get(at, []), currency), shown) for at in starts]
    return TimeseriesShape(bucket=bucket, currency=shown, tz=tz, data=data)


def _point(at: datetime, totals: list[Total], currency: str) -> PointShape:
    return PointShape(
        at=at,
        volume_minor=_amount(totals, Measure.SUCCESS, currency),
        payments_total=_count(totals, Measure.CREATED),
        payments_success=_count(totals, Measure.SUCCESS),
        payments_failed=_count(totals, Measure.FAILED),
        refunded_minor=_refunded(totals, currency),
    )
