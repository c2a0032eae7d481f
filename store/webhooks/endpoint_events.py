"""A disabled or enabled endpoint: the event, and its deliveries to the merchant's other endpoints.

    switched (dispatcher: 410, a day of failures · API: the merchant) ─► event ─► delivery rows, in the same transaction
                                                                           └────► `endpoint_switches`, for the live feed

The rows are committed with the switch, so no crash can lose one; the caller publishes what is returned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
import redis.asyncio as redis
from redis.exceptions import RedisError

from domain.delivery import Due, log_id
from domain.event_kind import ENDPOINT_DISABLED, ENDPOINT_RECOVERED
from runtime.logs import get_logger
from store.driver import Connection, Pool, Row
from store.redis.replies import merchant_channel
from store.webhooks.plan import Draft, insert_unordered
from topics.delivery import webhook_body

log = get_logger("endpoint_events")

ANNOUNCE_SECONDS = 1.0
"""The recording of attempts waits for it."""

# webhooks_pkey
SWITCHED = """
SELECT id, merchant_id, url, description, active, disabled_reason
  FROM webhooks
 WHERE id = ANY($1::text[])
   AND deleted_at IS NULL
 ORDER BY id
"""
# webhooks_merchant
LISTENERS = """
SELECT id, active
  FROM webhooks
 WHERE merchant_id = $1
   AND id <> $2
   AND deleted_at IS NULL
   AND $3::text = ANY(events)
 ORDER BY created_at, id
"""
# endpoint_switches_pkey
REMEMBER = """
INSERT INTO endpoint_switches (endpoint_id, at, merchant_id, event)
VALUES ($1, $2, $3, $4)
    ON CONFLICT DO NOTHING
"""
# endpoint_switches_pkey
FORGET = "DELETE FROM endpoint_switches WHERE endpoint_id = $1 AND at < $2"
KEPT = timedelta(hours=1)
"""Far longer than a live feed looks back; an endpoint's next switch deletes its older ones."""
# endpoint_switches_merchant
SINCE = """
SELECT event
  FROM endpoint_switches
 WHERE merchant_id = $1
   AND at > $2
 ORDER BY at, endpoint_id
"""


@dataclass(frozen=True, slots=True)
class Switch:
    """One endpoint that was switched. `event`: the live feed's JSON. `dues`: what has to be on the deliveries topic."""

    merchant_id: str
    type: str
    event: str
    dues: tuple[Due, ...]


async def record_switches(connection: Connection, endpoint_ids: Sequence[str], at: datetime) -> tuple[Switch, ...]:
    """Plan the events of endpoints that this transaction disabled or enabled."""
    if not endpoint_ids:
        return ()
    rows = await connection.fetch(SWITCHED, sorted(endpoint_ids))
    return tuple([await _record(connection, row, at) for row in rows])


async def switches_since(pool: Pool, merchant_id: str, at: datetime) -> list[str]:
    """The switches of the merchant's endpoints after `at`, oldest first, as the live feed's JSON."""
    return [row["event"] for row in await pool.fetch(SINCE, merchant_id, at)]


async def announce(client: redis.Redis, switches: Sequence[Switch]) -> None:
    """Wake the merchants' live feeds. A hint: without Redis they poll once it is back."""
    try:
        async with asyncio.timeout(ANNOUNCE_SECONDS):
            for switch in switches:
                await client.publish(merchant_channel(switch.merchant_id), switch.type)
    except (RedisError, OSError) as error:
        log.warning("switch_not_announced", error=repr(error))


async def _record(connection: Connection, row: Row, at: datetime) -> Switch:
    kind = ENDPOINT_RECOVERED if row["active"] else ENDPOINT_DISABLED
    event_id = f"evt_{row['id'][-16:]}_{int(at.timestamp() * 1_000)}"
    endpoint = _public(row)
    body = webhook_body(event_id=event_id, event=kind, at=at, sequence=1, data={"endpoint": endpoint})
    listeners = await connection.fetch(LISTENERS, row["merchant_id"], row["id"], kind)
    drafts = [_draft(row["merchant_id"], one["id"], one["active"], event_id, kind, body, at) for one in listeners]
    event = orjson.dumps(
        {"id": event_id, "type": kind, "at": at, "endpoint": endpoint}, option=orjson.OPT_UTC_Z
    ).decode()
    await connection.execute(FORGET, row["id"], at - KEPT)
    await connection.execute(REMEMBER, row["id"], at, row["merchant_id"], event)
    return Switch(row["merchant_id"], kind, event, tuple(await insert_unordered(connection, drafts, at)))


def _public(row: Row) -> dict[str, object]:
    """The URL for other endpoints: without its query, which may hold a token."""
    return {
        "id": row["id"],
        "url": row["url"].partition("?")[0],
        "description": row["description"],
        "active": row["active"],
        "disabled_reason": row["disabled_reason"],
    }


def _draft(
    merchant_id: str, endpoint_id: str, active: bool, event_id: str, kind: str, body: bytes, at: datetime
) -> Draft:
    return Draft(
        id=log_id(event_id, endpoint_id, at),
        merchant_id=merchant_id,
        endpoint_id=endpoint_id,
        event_id=event_id,
        event=kind,
        order_id=event_id,
        payment_id=None,
        sequence=1,
        body=body,
        request_id=None,
        ordered=False,
        active=active,
    )
