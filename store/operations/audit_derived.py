"""Data derived from the events and stored beside them: webhook deliveries and analytics, as an audit reads them.

Each inside a session that joined the audit's snapshot. Bodies and numbers are derived here a second time, on purpose.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import astuple, dataclass

from domain.event_kind import DEFAULT_EVENTS, EVENTS_OFF_THE_LOG
from store.driver import Connection, Cursor, Row
from store.stream import FETCH_ROWS

# What an endpoint subscribed to from `since` to `until`. webhook_filters_pkey
_FILTERS = """
SELECT w.id, w.merchant_id, f.events, f.since,
       least(lead(f.since) OVER (PARTITION BY f.endpoint_id ORDER BY f.since), now()) AS until
  FROM webhooks w
  JOIN webhook_filters f ON f.endpoint_id = w.id
 WHERE w.deleted_at IS NULL
"""
EVENTS = (DEFAULT_EVENTS, EVENTS_OFF_THE_LOG)
"""$6 and $7: what an endpoint without a filter gets, and what is no event of the log."""
# Each event that an endpoint subscribed to when it happened must have its delivery row. Around a change, and before
# now, $1 seconds are excluded: the planner may have read the old filter or the new one, or nothing yet.
_EXPECTED_DELIVERIES = f"""
SELECT f.id AS endpoint_id, 'evt_' || right(e.order_id, 16) || '_' || e.sequence AS event_id, e.type
  FROM ({_FILTERS}) AS f
  JOIN events e ON e.merchant_id = f.merchant_id
   AND e.type = ANY (CASE WHEN cardinality(f.events) = 0 THEN $6::text[] ELSE f.events END)
   AND e.at > f.since + make_interval(secs => $1)
   AND e.at < f.until - make_interval(secs => $1)
 WHERE {{events}}
"""
# The expected body: made from the event's own text, between its sequence and what follows the resource.
_BODY = """
convert_to('{"id":"evt_' || right(e.order_id, 16) || '_' || e.sequence || '","event":"' || e.type
    || '","timestamp":' || floor(extract(epoch FROM e.at))::bigint || ',"sequence":' || e.sequence || ',"data":{'
    || CASE WHEN e.type LIKE 'order.%' THEN left(split_part(e.payload, '"sequence":' || e.sequence || ',', 2), -2)
            ELSE split_part(split_part(e.payload, '"sequence":' || e.sequence || ',', 2),
                            CASE WHEN e.type LIKE 'refund.%' THEN ',"payment":{'
                                 WHEN e.type LIKE 'payment_link.%' THEN ',"order":{'
                                 ELSE ',"bank":{' END, 1) END
    || '}}', 'UTF8')
"""
# Bodies in the format of the Razorpay double are made of more than the event: there only the event is compared.
_RAZORPAY = "EXISTS (SELECT FROM webhooks w WHERE w.id = l.endpoint_id AND w.razorpay_events IS NOT NULL)"
# webhook_logs_once_per_endpoint, webhook_logs_due, events_pkey, webhook_attempts_pkey
WEBHOOKS = f"""
SELECT 'delivery_missing' AS kind, endpoint_id || ' ' || event_id AS id, 'was never planned (' || type || ')' AS says
  FROM ({_EXPECTED_DELIVERIES}) AS expected
 WHERE NOT EXISTS (
       SELECT FROM webhook_logs l WHERE l.event_id = expected.event_id AND l.endpoint_id = expected.endpoint_id)
 UNION ALL
SELECT 'delivery_waiting', id::text, 'has waited for an attempt since ' || next_retry_at
  FROM webhook_logs
 WHERE status = 'pending' AND next_retry_at < now() - make_interval(secs => $2)
 UNION ALL
SELECT 'delivery_untried', id::text,
       CASE WHEN nudges >= $4 THEN 'was put on the log ' || nudges || ' times again without an attempt'
            ELSE 'is not to be tried before ' || next_retry_at || ', but a first attempt is due at once' END
  FROM webhook_logs
 WHERE status = 'pending'
   AND (nudges >= $4 OR (attempts = schedule_from AND next_retry_at > now() + make_interval(secs => $3)))
 UNION ALL
SELECT 'delivery_unattempted', id::text, 'is called delivered, but no attempt with a 2xx is on record'
  FROM webhook_logs l
 WHERE status = 'success' AND {{deliveries}}
   AND (last_attempt_at IS NULL OR last_attempt_at > now() - make_interval(days => $5))
   AND NOT EXISTS (
       SELECT FROM webhook_attempts a
        WHERE a.log_id = l.id AND a.attempt = l.attempts AND a.response_code BETWEEN 200 AND 299)
 UNION ALL
SELECT CASE WHEN e.order_id IS NULL THEN 'delivery_unknown' ELSE 'delivery_body' END, l.id::text,
       'delivers ' || l.event_id
       || CASE WHEN e.order_id IS NULL THEN ', which never happened' ELSE ' with another body than the event''s' END
  FROM webhook_logs l
  LEFT JOIN events e ON e.order_id = l.order_id AND e.sequence = l.sequence AND e.type = l.event
 WHERE l.event <> ALL($7::text[]) AND {{deliveries}}
   AND (e.order_id IS NULL
        OR (l.body IS DISTINCT FROM {_BODY.replace("{", "{{").replace("}", "}}")} AND NOT {_RAZORPAY}))
 LIMIT 10000
"""
WEBHOOKS_WHOLE = WEBHOOKS.format(events="true", deliveries="true")
WEBHOOKS_COUNT = "SELECT count(*) FROM webhook_logs"
# payments_order_id, webhook_logs_payment; for events without a payment events_pkey, webhook_logs_once_per_endpoint
_OF_ORDERS = """
(l.payment_id = ANY(ARRAY(SELECT id FROM payments WHERE order_id = ANY(${place})))
 OR l.event_id = ANY(ARRAY(SELECT 'evt_' || right(order_id, 16) || '_' || sequence
                             FROM events WHERE order_id = ANY(${place}))))
"""
WEBHOOKS_OF_ORDERS = WEBHOOKS.format(events="e.order_id = ANY($8)", deliveries=_OF_ORDERS.format(place=8))
WEBHOOKS_COUNT_OF_ORDERS = f"SELECT count(*) FROM webhook_logs l WHERE {_OF_ORDERS.format(place=1)}"
# rollup_progress_pkey
COUNTED_UP_TO = "SELECT merchant_id, place FROM rollup_progress"
# Every row, in no order.
ROLLUPS = """
SELECT merchant_id, starts_at, measure, label, count, amount_minor FROM rollups WHERE grain_minutes = 15
"""
DAYS_DIFFERING = """
SELECT merchant_id
  FROM rollups
 GROUP BY merchant_id, date_bin('1 day', starts_at, '2000-01-01Z'), measure, label
HAVING coalesce(sum(count) FILTER (WHERE grain_minutes = 15), 0)
       <> coalesce(sum(count) FILTER (WHERE grain_minutes = 1440), 0)
    OR coalesce(sum(amount_minor) FILTER (WHERE grain_minutes = 15), 0)
       <> coalesce(sum(amount_minor) FILTER (WHERE grain_minutes = 1440), 0)
 LIMIT 10000
"""


@dataclass(frozen=True, slots=True)
class DeliveryBounds:
    """What a delivery may take, in the order of the query's parameters. Seconds, but for the last two."""

    grace: float
    """Between an event and its row."""
    waiting: float
    """How long it may be due."""
    first_within: float
    """How far ahead a first attempt may be put off: an endpoint that is slow is parked."""
    nudges_max: int
    """How often in a row the upkeep may put it on the log."""
    attempts_kept_days: int
    """How long attempts are kept at least."""


class Deliveries:
    """The delivery rows. `orders`: only theirs; None: all.

    Waiting deliveries are compared for every order: a partial index holds the few there are.
    """

    def __init__(self, connection: Connection, orders: list[str] | None = None) -> None:
        self._connection = connection
        self._orders = orders

    async def differences(self, bounds: DeliveryBounds) -> tuple[int, list[tuple[str, str, str]]]:
        """(delivery rows compared, (kind, endpoint and event, or row, what is wrong) of each difference)."""
        query, count = WEBHOOKS_WHOLE, WEBHOOKS_COUNT
        if self._orders is not None:
            query, count = WEBHOOKS_OF_ORDERS, WEBHOOKS_COUNT_OF_ORDERS
        which = () if self._orders is None else (self._orders,)
        rows = await self._connection.fetch(query, *astuple(bounds), *EVENTS, *which, timeout=600)
        compared = int(await self._connection.fetchval(count, *which, timeout=600))
        return compared, [(row["kind"], row["id"], row["says"]) for row in rows]


class Analytics:
    """The rollups, inside a session that joined the snapshot."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def places(self) -> dict[str, int]:
        """Merchant -> place in the feed of the last event that is counted."""
        rows = await self._connection.fetch(COUNTED_UP_TO)
        return {row["merchant_id"]: row["place"] for row in rows}

    async def quarters(self) -> AsyncIterator[list[Row]]:
        """Rows of quarters of an hour, FETCH_ROWS at a time."""
        cursor = await Cursor.open(self._connection, ROLLUPS)
        while rows := await cursor.fetch(FETCH_ROWS):
            yield rows

    async def differing_days(self) -> list[str]:
        """Merchants with a day that is not the sum of its quarters."""
        rows = await self._connection.fetch(DAYS_DIFFERING, timeout=600)
        return sorted({row["merchant_id"] for row in rows})
