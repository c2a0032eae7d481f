-- Money that is authorized and not captured goes back: by a void, by a capture of a part, or because the time for the
-- capture is over. Defaults are what every row up to now means.
SET LOCAL lock_timeout = '5s';

ALTER TABLE orders
    ADD COLUMN capture                text NOT NULL DEFAULT 'manual',
    ADD COLUMN capture_within_minutes integer;
ALTER TABLE merchants
    ADD COLUMN capture                text NOT NULL DEFAULT 'manual' CHECK (capture IN ('manual', 'automatic')),
    ADD COLUMN capture_within_minutes integer CHECK (capture_within_minutes > 0);
ALTER TABLE payments
    ADD COLUMN amount_released bigint NOT NULL DEFAULT 0,
    ADD COLUMN voided          boolean NOT NULL DEFAULT false,
    ADD COLUMN void_reason     text,
    ADD COLUMN capture_before  timestamptz,
    DROP CONSTRAINT payments_refunds_within_amount,
    DROP CONSTRAINT payments_owed_only_beyond_the_money;
-- NOT VALID: no row of today can break them.
ALTER TABLE orders
    ADD CONSTRAINT orders_capture CHECK (capture IN ('manual', 'automatic')) NOT VALID,
    ADD CONSTRAINT orders_capture_within CHECK (capture_within_minutes > 0) NOT VALID;
ALTER TABLE payments
    ADD CONSTRAINT payments_refunds_within_amount CHECK (
        amount_refunded >= 0 AND amount_released >= 0 AND amount_refunded + amount_released <= amount) NOT VALID,
    ADD CONSTRAINT payments_captures_within_amount CHECK (
        coalesce(amount_captured, 0) + amount_released <= amount) NOT VALID,
    ADD CONSTRAINT payments_owed_only_beyond_the_money CHECK (
        CASE WHEN reversed THEN amount_owed >= amount_refunded
             ELSE amount_owed = 0 OR amount_refunded + amount_released = amount END) NOT VALID,
    ADD CONSTRAINT payments_voided CHECK (
        (void_reason IS NULL AND NOT voided)
        OR (void_reason IN ('requested', 'expired') AND voided AND NOT captured AND amount_released > 0)) NOT VALID,
    ADD CONSTRAINT payments_waiting_for_a_capture CHECK (
        capture_before IS NULL OR (status = 'SUCCESS' AND NOT captured AND NOT voided)) NOT VALID;
