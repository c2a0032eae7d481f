-- The third method. Its bank stands in `instrument` alone: no column repeats it, and the copies of the others are null.
SET LOCAL lock_timeout = '5s';

ALTER TABLE payments DROP CONSTRAINT payments_instrument;
-- NOT VALID: rows of UPI and cards fit the rule of before, which says the same about them.
ALTER TABLE payments ADD CONSTRAINT payments_instrument CHECK (
    CASE method
        WHEN 'upi' THEN vpa IS NOT NULL AND (instrument IS NULL OR instrument ? 'vpa')
        WHEN 'card' THEN vpa IS NULL AND (instrument IS NULL OR instrument ?& ARRAY['card_network', 'card_last4'])
        WHEN 'netbanking' THEN instrument IS NOT NULL AND instrument ? 'bank'
        ELSE false
    END
    AND (
        instrument IS NULL
        OR (
            vpa IS NOT DISTINCT FROM instrument ->> 'vpa'
            AND card_network IS NOT DISTINCT FROM instrument ->> 'card_network'
            AND card_last4 IS NOT DISTINCT FROM instrument ->> 'card_last4'
        )
    )
) NOT VALID;
