"""Inserts a million payments, as if they had been made over the last months: rows, events and inbox alike.

They are written by SQL, so the log does not hold them: `gateway verify` is limited to what came after.
"""

from __future__ import annotations

import asyncpg

from tests.support.feed import number_everything

STEP = 100_000

# Sixteen characters that sort before every real id, in the order they were "made".
FILL = """
WITH made AS (
    SELECT n,
           lpad(to_hex(n), 12, '0') || 'seed' AS id16,
           now() - interval '90 days' + n * interval '7 seconds' AS at,
           n % 20 = 0 AS failed
      FROM generate_series($1::bigint, $2::bigint) AS n
), order_rows AS (
    INSERT INTO orders (id, merchant_id, amount, currency, receipt, notes, status, version, last_event_at, created_at,
                        updated_at)
    SELECT 'order_' || id16, 'test_merchant', 50000, 'INR', 'seed', '{}',
           CASE WHEN failed THEN 'CREATED' ELSE 'PAID' END, 4, at, at, at
      FROM made
), payment_rows AS (
    INSERT INTO payments (id, order_id, merchant_id, amount, currency, method, status, captured, amount_refunded, vpa,
                          error_code, error_description, token, deadline_at, version, created_at, updated_at)
    SELECT 'pay_' || id16, 'order_' || id16, 'test_merchant', 50000, 'INR', 'upi',
           CASE WHEN failed THEN 'FAILED' ELSE 'SUCCESS' END, false, 0, 'payer' || n % 5000 || '@upi',
           CASE WHEN failed THEN 'UPI_DECLINED' END, CASE WHEN failed THEN 'Payment processing failed' END,
           'upi', at + interval '1 minute', 4, at, at + interval '600 milliseconds'
      FROM made
), inbox AS (
    INSERT INTO commands (id, order_id, type, nonce, fingerprint, rejected, reply, first_sequence, event_count,
                          decided_at)
    SELECT 'seed_' || step || id16, 'order_' || id16, 'payment.create', '', NULL, false, repeat('x', 300), step, 1, at
      FROM made, generate_series(1, 3) AS step
)
INSERT INTO events (order_id, sequence, merchant_id, type, at, payload)
SELECT 'order_' || id16, step, 'test_merchant',
       (ARRAY['order.created', 'payment.created', 'payment.processing', 'payment.success'])[step], at,
       format('{
    "id": "evt_%s_%s", "type": "%s", "v": 1, "key": "order_%s", "at": "%s", "request_id": null, "caused_by": '
              '"seed_%s%s", "body": {
        "merchant_id": "test_merchant", "sequence": %s, "payment": {
            "id": "pay_%s", '
              '"order_id": "order_%s", "amount": 50000, "currency": "INR", "method": "upi", "status": "SUCCESS", '
              '"error_code": null, "created_at": "%s", "notes": "%s"}}}',
              id16, step, (ARRAY['order.created', 'payment.created', 'payment.processing', 'payment.success'])[step],
              id16, at, step, id16, step, id16, id16, at, repeat('x', 100))
  FROM made, generate_series(1, 4) AS step
"""


async def fill(connection: asyncpg.Connection, count: int) -> None:
    """Add `count` settled payments with their events and inbox rows."""
    for first in range(1, count + 1, STEP):
        await connection.execute(FILL, first, min(first + STEP - 1, count), timeout=600)
    await number_everything(connection)
    await connection.execute("VACUUM ANALYZE", timeout=600)
