-- Orders end: cancelled by their merchant, or expired at a time that it set.
SET LOCAL lock_timeout = '5s';

ALTER TABLE orders ADD COLUMN expires_at timestamptz;
ALTER TABLE orders DROP CONSTRAINT orders_status_check;
-- NOT VALID: every row of today has one of the two statuses of before.
ALTER TABLE orders ADD CONSTRAINT orders_status CHECK (
    status IN ('CREATED', 'PAID', 'CANCELLED', 'EXPIRED')
    AND (status <> 'EXPIRED' OR expires_at IS NOT NULL)) NOT VALID;
