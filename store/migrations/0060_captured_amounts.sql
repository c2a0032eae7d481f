-- A refund before the capture leaves less to capture, and a refund carries the merchant's own reference and texts.
SET LOCAL lock_timeout = '5s';

-- Null in rows of before: there `captured` says whether the whole amount was captured. Filling them in would rewrite
-- every captured payment, and the events that they follow from do not carry the amount either.
ALTER TABLE payments ADD COLUMN amount_captured bigint;
-- NOT VALID: no row of today can break it.
ALTER TABLE payments ADD CONSTRAINT payments_captured_amount CHECK (
    amount_captured IS NULL
    OR (amount_captured BETWEEN 0 AND amount AND (amount_captured > 0) = captured)) NOT VALID;
ALTER TABLE refunds
    ADD COLUMN receipt text,
    ADD COLUMN notes   text NOT NULL DEFAULT '{}';
