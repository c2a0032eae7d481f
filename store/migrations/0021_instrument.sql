-- A payment's instrument is one value: `method` names its kind, `instrument` holds its public fields. A new kind needs
-- no column. vpa, card_network and card_last4 stay as copies for readers and for the index payments_payer; the CHECK
-- keeps them equal. Rows without an instrument are older: 0022 fills them in steps, and until then their copies say
-- the same, so earlier versions may write while this is rolled out.
SET LOCAL lock_timeout = '5s';

ALTER TABLE payments ADD COLUMN instrument jsonb;
ALTER TABLE payments DROP CONSTRAINT payments_method_check;
ALTER TABLE payments DROP CONSTRAINT payments_one_instrument;
-- NOT VALID: every new row is checked at once; 0022 looks at the old ones without keeping writers out.
ALTER TABLE payments ADD CONSTRAINT payments_instrument CHECK (
    CASE method
        WHEN 'upi' THEN vpa IS NOT NULL AND (instrument IS NULL OR instrument ? 'vpa')
        WHEN 'card' THEN vpa IS NULL AND (instrument IS NULL OR instrument ?& ARRAY['card_network', 'card_last4'])
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
