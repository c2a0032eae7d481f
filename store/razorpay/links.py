"""Payment links of the double: by which payment each was paid, and where its payer is redirected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from store.driver import Pool
from topics.events import LinkRecord, read_event
from topics.razorpay.entities import Resource

# orders_pkey, razorpay_orders_pkey, razorpay_keys_pkey, api_keys_pkey
_CALLBACK = """
SELECT o.receipt, o.link::jsonb ->> 'url' AS link_url, r.callback_url, p.id AS payment_id, s.key_id, s.secret_sealed
  FROM orders o
  JOIN razorpay_orders r ON r.order_id = o.id
  JOIN api_keys k ON k.id = r.callback_key_id
  JOIN razorpay_keys s ON s.key_id = k.id
  LEFT JOIN payments p ON p.order_id = o.id AND p.status = 'SUCCESS'
 WHERE o.id = $1
   AND r.callback_url IS NOT NULL
   AND k.revoked_at IS NULL
   AND (k.expires_at IS NULL OR k.expires_at > now())
"""
# events_pkey, razorpay_orders_pkey. The payment as it was when its link was paid, whatever was refunded since.
_PAID_BY = """
SELECT DISTINCT ON (e.order_id) e.order_id, e.payload, r.callback_url
  FROM unnest($1::text[], $2::int[]) AS paid (order_id, sequence)
  JOIN events e ON e.order_id = paid.order_id
   AND e.sequence < paid.sequence
   AND e.type IN ('payment.success', 'payment.captured')
  LEFT JOIN razorpay_orders r ON r.order_id = e.order_id
 ORDER BY e.order_id, e.sequence DESC
"""


@dataclass(frozen=True, slots=True)
class Callback:
    """Where a link's payer goes and with what. `payment_id` None: the link is not paid."""

    receipt: str | None
    link_url: str
    callback_url: str
    payment_id: str | None
    key_id: str
    secret_sealed: bytes


@dataclass(frozen=True, slots=True)
class PaidLink:
    """What payment_link.paid carries beside its order."""

    payment: Resource
    callback_url: str | None


async def find_callback(pool: Pool, order_id: str) -> Callback | None:
    """Where the payer of this link goes; None if it has no such address, or its key is gone."""
    row = await pool.fetchrow(_CALLBACK, order_id)
    return None if row is None else Callback(**row)


async def paid_links(pool: Pool, events: Sequence[LinkRecord]) -> dict[str, PaidLink]:
    """Order id -> what its link was paid by. Raises UndecodableError."""
    order_ids, sequences = [event.order_id for event in events], [event.sequence for event in events]
    return {
        row["order_id"]: PaidLink(read_event(row["payload"].encode()).payment.json, row["callback_url"])
        for row in await pool.fetch(_PAID_BY, order_ids, sequences)
    }
